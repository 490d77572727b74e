package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// A reader types what the documents print, in the order in which they print it, in one
// folder that holds agent.hcl. Only names that are the reader's own, such as that of the
// database's host, are put in place of the example's.
type reader struct {
	*site
	names *strings.Replacer
	want  *expectation // the rows of the bucket
}

// standsIn are commands that this test cannot run, and the script that does, in whose text
// they stand: they change the machine, or take all of it.
var standsIn = map[string]string{
	"make test":  "../.ci/run",
	"make chaos": "../.ci/run",
	"apt install ./inu-logsmith_0.1.0-1_amd64.deb": "packaging/systemd-test-inside.sh",
	"agent init":                          "packaging/systemd-test-inside.sh",
	"systemctl enable --now inu-detector": "packaging/systemd-test-inside.sh",
	"systemctl status inu-detector":       "packaging/systemd-test-inside.sh",
	"journalctl -u inu-detector -f":       "packaging/systemd-test-inside.sh",
	"systemctl reload inu-detector":       "packaging/systemd-test-inside.sh",
}

// hours are commands that take too long: only what make would run is looked at.
var hours = regexp.MustCompile(`^make (chaos-full|soak|chaos FLAGS=)`)

func TestEveryCommandOfTheDocumentsRunsAsItIsPrinted(t *testing.T) {
	tool(t, "curl")
	r := newReader(t)
	for _, page := range []string{"../README.md", "docs/configuration.md", "docs/filters.md", "docs/operations.md", "docs/reliability.md"} {
		commands := printed(t, page)
		if len(commands) == 0 {
			t.Errorf("%s prints no command", page)
		}
		for _, c := range commands {
			r.types(t, page, c)
		}
	}
	// The database is on this machine, so that without a word nobody verifies it.
	unknown := r.run(t, "quarantine", "list", "-dsn", r.db.DSN(r.db.Owner)+"&sslmode=verify-full&sslrootcert=")
	if unknown.code != 1 || !strings.Contains(unknown.stderr, "PGSSLROOTCERT") {
		t.Errorf("a certificate that nobody knows: %s", unknown)
	}
	for dir, needs := range map[string]string{"agent-sink-jsonl": "jq", "agent-sink-python": "/usr/bin/python3"} {
		t.Run(dir, func(t *testing.T) { typesInExample(t, dir, needs) })
	}
}

// What is printed elsewhere is run by another test, or is the same as here.
func TestNoPagePrintsCommandsThatNobodyRuns(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../*.md", "docs/*.md", "packaging/*.md", "../sdk/*.md", "../examples/*/*.md", "../.github/*.md", "../sql/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	run := map[string]int{ // how many commands are run
		"../README.md": 19, "docs/configuration.md": 1, "docs/filters.md": 2, "docs/operations.md": 10, "docs/reliability.md": 4,
		"../examples/agent-sink-jsonl/README.md": 3, "../examples/agent-sink-python/README.md": 3,
		"docs/README.ko.md": 19, // the same as in README.md, see below
		"../sdk/README.md":  6,  // TestTheFirstSinkTakesFiveCommands
	}
	for _, page := range pages {
		if got := len(printed(t, page)); got != run[page] {
			t.Errorf("%s prints %d commands, %d of them are run by a test:\n%s", page, got, run[page], strings.Join(printed(t, page), "\n"))
		}
	}
	if english, korean := printed(t, "../README.md"), printed(t, "docs/README.ko.md"); strings.Join(english, "\n") != strings.Join(korean, "\n") {
		t.Errorf("README.md prints\n%s\nREADME.ko.md prints\n%s", strings.Join(english, "\n"), strings.Join(korean, "\n"))
	}
}

// printed are the commands in a page's blocks for a shell, without their comments. One
// command may have several lines; lines that set variables are one command together.
func printed(t *testing.T, page string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllSubmatch(text, -1) {
		block := string(block[1])
		if regexp.MustCompile(`^[A-Z_]+=`).MatchString(block) {
			commands = append(commands, block)
			continue
		}
		block = strings.ReplaceAll(block, "\\\n", " ")
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, " #")
			commands = append(commands, strings.Join(strings.Fields(line), " "))
		}
	}
	return commands
}

// newReader is somebody with a bucket, a database behind TLS, and a release to install.
func newReader(t *testing.T) *reader {
	t.Helper()
	tls := httptest.NewTLSServer(nil) // its certificate is that of the database
	tls.Close()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	der, err := x509.MarshalPKCS8PrivateKey(tls.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pg, err := pgtest.Start(t.Context(), pgtest.Options{Cert: cert, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	s := emptySite(t, pg)
	r := &reader{site: s, want: s.load(t, s3test.Trail{Start: time.Now().Add(-time.Hour), Events: 300}.Objects())}
	s.connect(t)
	example, err := os.ReadFile("../agent.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	// What the README tells the reader to change, and what a stand-in for S3 needs.
	s.write(t, "agent.hcl.example", strings.NewReplacer(
		`"your-cloudtrail-bucket"`, `"trail"`,
		`prefix = "AWSLogs/123456789012/CloudTrail/ap-northeast-2/"`, `endpoint = "`+s.s3.URL+`"`+"\n    force_path_style = true\n    interval = \"1s\"",
		`    group_id = env("GROUP_ID")     #`, `    sslrootcert = "rds-global-bundle.pem"`+"\n"+`    group_id = env("GROUP_ID")     #`,
		`#state_dir = "/var/lib/inu-detector"`, `state_dir = "`+s.dir+`/state"`,
	).Replace(string(example)))
	if err := os.Remove(filepath.Join(s.dir, "agent.hcl")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "EVENT.json", `{"eventID": "1", "eventName": "ConsoleLogin", "eventTime": "2026-11-01T00:00:00Z"}`)
	for _, file := range []string{"FILE.json", "FOLDER/more.json", "trail/day.json"} {
		s.write(t, file, `{"Records": [{"eventID": "2", "eventName": "AssumeRole", "eventTime": "2026-11-01T00:00:00Z"}]}`)
	}
	s.groups = []string{"3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11"} // as the README's .env has it
	// A database that is reached at 127.0.0.1 has its own names in .env alone.
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "RDS_") })
	s.env = append(s.env, "PGPASSWORD="+s.db.Owner.Password)
	address := fmt.Sprintf("%s@%s:%d/%s", s.db.Owner.User, pg.Host, pg.Port, s.db.Name)
	r.names = strings.NewReplacer(
		"https://github.com/s-developer-team-inu/inu-logsmith/releases/latest/download", r.published(t, cert),
		"| sh", "| sh -s -- --yes --root "+s.dir+"/root",
		"sh install.sh", "sh install.sh --yes --root "+s.dir+"/other-root",
		"/usr/local/bin", s.dir,
		"RDS_HOST=mydb.abcdefghijkl.ap-northeast-2.rds.amazonaws.com", fmt.Sprintf("RDS_HOST=%s\nRDS_PORT=%d\nRDS_DATABASE=%s", pg.Host, pg.Port, s.db.Name),
		"https://truststore.pki.rds.amazonaws.com/global", "$RELEASES",
		"/etc/ssl/certs/", s.dir+"/",
		"postgres@HOST:5432/postgres", address,
		"OWNER@HOST:5432/DATABASE", address,
		"FILE.json.gz", "FILE.json",
	)
	return r
}

// published puts a release below an address on this machine, with install.sh, and Amazon's
// certificates beside it.
func (r *reader) published(t *testing.T, cert []byte) string {
	t.Helper()
	dir, tarball := release(t, "0.1.0")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	r.env = append(r.env, "RELEASES="+server.URL)
	script, err := os.ReadFile(installFile)
	if err != nil {
		t.Fatal(err)
	}
	script = regexp.MustCompile(`(?m)^releases=.*`).ReplaceAll(script, []byte("releases="+server.URL))
	text, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		filepath.Join(dir, "install.sh"):        script,
		filepath.Join(dir, "global-bundle.pem"): cert,
		// and a tarball that was downloaded before
		filepath.Join(r.dir, "install.sh"):                            script,
		filepath.Join(r.dir, "inu-logsmith_0.1.0_linux_amd64.tar.gz"): text,
		filepath.Join(r.dir, "SHA256SUMS"):                            fmt.Appendf(nil, "%x  inu-logsmith_0.1.0_linux_amd64.tar.gz\n", sha256.Sum256(text)),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return server.URL
}

// types runs a command and fails the test unless it ends with exit code 0.
func (r *reader) types(t *testing.T, page, command string) {
	t.Helper()
	here := r.names.Replace(command)
	switch script := standsIn[command]; {
	case script != "":
		if text, err := os.ReadFile(script); err != nil || !bytes.Contains(text, []byte(command)) {
			t.Errorf("%s: %q does not stand in %s (%v)", page, command, script, err)
		}
	case hours.MatchString(command):
		inShell(t, page, "..", os.Environ(), "make -n "+strings.TrimPrefix(command, "make "))
	case strings.HasPrefix(command, "make "), strings.HasPrefix(command, "install "):
		// make test sets variables that make reads, too.
		env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") })
		inShell(t, page, "..", env, here)
	case strings.Contains(command, "\n"):
		r.write(t, ".env", here)
	case command == "agent -config agent.hcl -env-file .env":
		service := r.start(t, strings.Fields(here)[1:]...)
		r.awaitStored(t, service, r.want)
		service.signal(t, syscall.SIGTERM)
		if got := service.wait(); got.code != 0 {
			t.Errorf("%s: %s: %s", page, command, got)
		}
	case strings.HasPrefix(command, "export "):
		r.env = append(r.env, strings.TrimPrefix(here, "export "))
	case strings.HasPrefix(command, "agent status"):
		r.asks(t, page, here)
	default:
		inShell(t, page, r.dir, r.env, here)
	}
}

// asks runs a command that asks the running service; one that goes on until Ctrl-C gets it.
func (r *reader) asks(t *testing.T, page, command string) {
	t.Helper()
	service := r.start(t, "-config", "agent.hcl", "-env-file", ".env")
	service.await(t, "its socket", func() bool {
		return r.run(t, "status").code == 0
	})
	status := r.start(t, strings.Fields(command)[1:]...)
	if strings.Contains(command, "-watch") {
		status.await(t, "the first answer", func() bool { return strings.Contains(status.stdout.String(), "audit") })
		status.signal(t, os.Interrupt)
	}
	if got := status.wait(); got.code != 0 || !strings.Contains(got.stdout, "audit") {
		t.Errorf("%s: %s: %s", page, command, got)
	}
	service.signal(t, syscall.SIGTERM)
	service.wait()
}

func inShell(t *testing.T, page, dir string, env []string, command string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-ec", command)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", page, command, err, out)
	}
}

// typesInExample runs what the README of an example prints, in a copy of it.
func typesInExample(t *testing.T, example, needs string) {
	tool(t, needs)
	a := newAuthor(t)
	dir := filepath.Join(a.dir, "examples", example)
	if err := os.CopyFS(dir, os.DirFS("../examples/"+example)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "trail"), 0o755); err != nil {
		t.Fatal(err)
	}
	record := `{"Records": [{"eventID": "1", "eventName": "ConsoleLogin", "eventTime": "2026-11-01T00:00:00Z"}]}`
	if err := os.WriteFile(filepath.Join(dir, "trail/day.json"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	page := "../examples/" + example + "/README.md"
	for _, command := range printed(t, page) {
		if packages, ok := strings.CutPrefix(command, "sudo apt-get install "); ok {
			if text, err := os.ReadFile("../.ci/run"); err != nil || !bytes.Contains(text, []byte("missing+=("+packages+")")) {
				t.Errorf("%s: CI does not install %s (%v)", page, packages, err)
			}
			continue
		}
		inShell(t, page, dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-buildvcs=false", "GOWORK=off"), command)
	}
}

// A command in a sentence is not run, but the agent knows it and its flags.
func TestTheDocumentsNameNoFlagThatThereIsNot(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../README.md", "../sdk/README.md", "../.github/SECURITY.md", "../agent.hcl.example")
	help := make(map[string]string) // of each command
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^\\$ |# {5})agent((?: [a-z]+)*)((?: [^`\\n]*)?)").FindAllStringSubmatch(string(text), -1) {
			command := strings.TrimSpace(m[1])
			if strings.HasPrefix(command, "plugin source") || strings.HasPrefix(command, "plugin sink") {
				continue // the agent itself types these
			}
			if _, asked := help[command]; !asked {
				out, err := agentCommand(t, t.TempDir(), os.Environ(), append(strings.Fields(command), "-h")...).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %s: %v\n%s", page, m[0], err, out)
				}
				help[command] = string(out)
			}
			for _, flag := range regexp.MustCompile(` -+([a-z-]+)`).FindAllStringSubmatch(m[2], -1) {
				seen++
				if flag[1] != "h" && !regexp.MustCompile(`(?m)^  .*-`+flag[1]+`\b`).MatchString(help[command]) {
					t.Errorf("%s: %s: agent %s has no flag -%s", page, m[0], command, flag[1])
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d flags were found in all pages", seen)
	}
}

// A screen has 24 lines of 80 columns, if it is small, and the prompt is one of them.
func TestEveryHelpFitsAScreen(t *testing.T) {
	ask := func(args ...string) string {
		out, err := agentCommand(t, t.TempDir(), os.Environ(), args...).CombinedOutput()
		if err != nil {
			t.Errorf("agent %s: %v\n%s", args, err, out)
		}
		lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		if len(lines) < 4 || len(lines) > 23 {
			t.Errorf("agent %s prints %d lines", args, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("agent %s prints a line of %d columns: %s", args, n, line)
			}
		}
		return string(out)
	}
	ask("-h")
	found := regexp.MustCompile(`(?m)^  agent ([a-z]+)`).FindAllStringSubmatch(ask("help"), -1)
	if len(found) < 13 {
		t.Errorf("agent help names %d commands", len(found))
	}
	for _, m := range found {
		text := ask(m[1], "-h")
		for _, word := range regexp.MustCompile(`(?m)^  agent `+m[1]+` ([a-z]+)`).FindAllStringSubmatch(text, -1) {
			ask(m[1], word[1], "-h")
		}
	}
}
