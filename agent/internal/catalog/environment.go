package catalog

import (
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// Seal keeps what this process knows from other processes of its user; see [host.Seal].
func Seal() error { return host.Seal() }

// The soft limits of a built-in's heap (GOMEMLIMIT). Together with the agent's own they
// keep all processes below the 256 MiB that are promised. A sink holds a batch for each of
// its writers; a source holds a page for each of its fetches, or of its listings.
const (
	sourceMemory = 52 << 20
	sinkMemory   = 64 << 20
)

// CollectAt is the GOGC that makes use of the limit: Go would collect each time the heap has doubled,
// which with the few MiB that a plugin holds is all the time.
const CollectAt = 300

// processEnvironment is all that the process of a built-in sees of the agent's environment.
//
// A source may use as many processors at a time as this process, a sink half of them: it has
// a writer for each connection, and with more threads those wake and interrupt one another,
// and a database on the same machine.
func processEnvironment(environ []string, kind string) []string {
	memory, processors := int64(sourceMemory), runtime.GOMAXPROCS(0)
	if kind == kindSink {
		memory, processors = sinkMemory, max(1, processors/2)
	}
	env := []string{
		"GOMEMLIMIT=" + strconv.FormatInt(memory, 10), "GOGC=" + strconv.Itoa(CollectAt), "GOTRACEBACK=single",
		"GOMAXPROCS=" + strconv.Itoa(processors),
	}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOCOVERDIR", "GORACE", host.Inspectable:
			env = append(env, kv)
		}
	}
	return env
}

// openEnvironment is what a built-in that speaks to a cloud gets in Open: the
// variables that AWS's libraries and Go's HTTP client read.
func openEnvironment(environ []string, cloud bool) map[string]string {
	if !cloud {
		return nil
	}
	env := make(map[string]string)
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(name, "AWS_") || name == "HOME" || strings.HasSuffix(upper, "_PROXY") {
			env[name] = value
		}
	}
	return env
}

// environmentSecrets are the values in an environment that nobody may see: AWS's keys and
// tokens, and the passwords of proxies.
func environmentSecrets(environment map[string]string) []string {
	var secrets []string
	for name, value := range environment {
		switch {
		case name == "AWS_SECRET_ACCESS_KEY", name == "AWS_SESSION_TOKEN", name == "AWS_CONTAINER_AUTHORIZATION_TOKEN":
			secrets = append(secrets, value)
		case strings.HasSuffix(strings.ToUpper(name), "_PROXY"):
			if u, err := url.Parse(value); err == nil {
				if password, ok := u.User.Password(); ok {
					secrets = append(secrets, password)
				}
			}
		}
	}
	return secrets
}

// externalPath is PATH of an external plugin, unless its block says otherwise.
const externalPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// externalEnvironment is the whole environment of an external plugin: that of its
// block. Nothing of the agent's is passed on. The heap stays below what the block
// allows the process as a whole, if Go manages it.
func externalEnvironment(block map[string]string, memory int64) []string {
	env := []string{externalPath}
	if memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(memory/10*9, 10))
	}
	for _, name := range slices.Sorted(maps.Keys(block)) {
		env = append(env, name+"="+block[name])
	}
	return env
}
