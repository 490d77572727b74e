package catalog

import (
	"log/slog"
	"os"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// A command is what one start of a plugin needs.
type command struct {
	host.Command
	sum string // of the program; empty for a built-in
}

// A preparation makes the command of one start, whose sockets lie in dir.
type preparation func(dir string, log *slog.Logger) (command, error)

// identity tells programs apart, with the arguments that may choose between several
// plugins in one program.
func (c command) identity() string { return c.sum + "\x00" + strings.Join(c.Args, "\x00") }

// start starts the plugin. The copy of an external program is then the process's alone.
func (c command) start(log *slog.Logger) (*host.Process, error) {
	defer c.discard()
	return host.Start(c.Command, log)
}

// discard gives up the copy of a program.
func (c command) discard() {
	if c.Program != nil {
		_ = c.Program.Close()
	}
}

// prepare is the preparation of a built-in: this binary started again.
func (b *Builtin) prepare(dir string, _ *slog.Logger) (command, error) {
	return command{Command: host.Command{
		// Not os.Executable: after an upgrade on disk, a plugin must still be of the
		// version of the agent that runs.
		Path: "/proc/self/exe",
		Args: []string{"agent", "plugin", b.Kind(), b.Type()},
		Env:  processEnvironment(os.Environ(), b.Kind()),
		Dir:  dir,
	}}, nil
}
