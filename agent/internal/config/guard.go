package config

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"
)

// A Guard is who may write and read the files of a configuration. Whoever can write them
// decides which programs run as the agent's user, and whoever can read them knows the
// secrets that stand in them.
type Guard struct {
	// Service says that the agent is a service of the machine, run by systemd as a user
	// of its own. Then its configuration must not be its own to change: one that is
	// taken over would stay so. A person, and a container, may own what they run.
	Service bool
	// Loose holds the environment variables that were set from a file which others can
	// read, and that file.
	Loose map[string]string
}

const (
	groupCanWrite  fs.FileMode = 0o020
	othersCanWrite fs.FileMode = 0o002
	othersCanRead  fs.FileMode = 0o004
)

// writableFault says who may change a file but should not be able to. ok is false if
// nobody: but root and its owner, and not the service. What is no file, such as a pipe,
// has no such question.
func (g *Guard) writableFault(path string) (summary, detail string, ok bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", "", false // reading it says more
	}
	mode, shown := info.Mode(), quotePath(path)
	switch {
	case mode&othersCanWrite != 0:
		return "Anybody can write the file", fmt.Sprintf(
			"Its mode is %04o, and whoever writes it decides what runs as the agent's user. Run chmod go-w %s.", mode.Perm(), shown), true
	case mode&groupCanWrite != 0:
		return "A group can write the file", fmt.Sprintf(
			"Its mode is %04o, and whoever writes it decides what runs as the agent's user. Run chmod g-w %s.", mode.Perm(), shown), true
	}
	dir := folderOf(path)
	if folder, err := os.Stat(dir); err == nil && folder.Mode()&othersCanWrite != 0 && folder.Mode()&fs.ModeSticky == 0 {
		return "Anybody can replace the file", fmt.Sprintf(
			"Everybody may write to its folder (mode %04o). Run chmod o-w %s.", folder.Mode().Perm(), quotePath(dir)), true
	}
	if g.Service && os.Geteuid() != 0 && canChange(path, dir, info) {
		return "The service can write the file", fmt.Sprintf(
			"A service that is taken over could change its own configuration for good. Run chown root:%s %s && chmod 640 %s, in a folder that belongs to root.",
			groupName(), shown, shown), true
	}
	return "", "", false
}

// canChange reports whether this process may write a file, could allow itself to, or
// could put another in its place.
func canChange(path, dir string, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() || unix.Access(path, unix.W_OK) == nil || unix.Access(dir, unix.W_OK) == nil
}

// folderOf is the folder of the file itself, whatever links lead to it.
func folderOf(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
}

// groupName is the group that the file should be readable to.
func groupName() string {
	id := strconv.Itoa(os.Getegid())
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// exposed reports whether others than a file's owner and group can read it.
func exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&(othersCanRead|othersCanWrite) != 0
}

// quotePath is a path for a command line that somebody may copy.
func quotePath(path string) string {
	for _, r := range path {
		if r <= ' ' || r > '~' || r == '\'' || r == '"' || r == '$' || r == '\\' {
			return strconv.Quote(path)
		}
	}
	return path
}

// guardFile checks the file that is being read.
func (d *decoder) guardFile() {
	if d.options.Guard == nil {
		return
	}
	if summary, detail, bad := d.options.Guard.writableFault(d.name); bad {
		d.fault(hcl.Range{Filename: d.name}, summary, detail)
	}
	d.exposed = exposed(d.name)
}

// CheckEnvFile says who may change an environment file but should not be able to.
func (g *Guard) CheckEnvFile(path string) error {
	if summary, detail, bad := g.writableFault(path); bad {
		return fmt.Errorf("%s: %s: %s", path, summary, detail)
	}
	return nil
}

// AddLoose notes which variables come from an environment file that others can read.
func (g *Guard) AddLoose(path string, variables map[string]string) {
	if !exposed(path) {
		return
	}
	if g.Loose == nil {
		g.Loose = make(map[string]string, len(variables))
	}
	for name := range variables {
		g.Loose[name] = path
	}
}

// literalSecret is about a sensitive value that stands in the file itself.
func (d *decoder) literalSecret(at hcl.Range, name string) {
	if d.exposed {
		d.fault(at, "Secret that others can read", fmt.Sprintf(
			`Every user of this machine can read this file, and so %q. Run chmod o-rwx %s, or write credential("NAME") or env("NAME") instead.`,
			name, quotePath(d.name)))
		return
	}
	d.warn(at, "Secret in plain text", fmt.Sprintf(
		`Whoever can read this file knows %q. Write credential("NAME") or env("NAME") instead.`, name))
}

// looseSecret warns of a sensitive value that comes from another file which others can
// read. It is no error: what a container mounts is often readable to all in it.
func (d *decoder) looseSecret(at hcl.Range, name string, origins []origin) {
	if d.options.Guard == nil {
		return
	}
	for _, o := range origins {
		path := o.path
		if o.function == "env" {
			path = d.options.Guard.Loose[o.name]
		} else if path != "" && !exposed(path) {
			path = ""
		}
		if path != "" {
			d.warn(at, "Secret that others can read", fmt.Sprintf(
				`%q comes from %s, which every user of this machine can read. Run chmod o-rwx %s.`, name, quotePath(path), quotePath(path)))
		}
	}
}
