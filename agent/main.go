// The agent carries AWS CloudTrail events into PostgreSQL: each event is one row,
// whatever crashes, and the agent can prove it.
package main

import (
	"os"
	"runtime"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/cli"
)

// Only an init can keep main on the process's first thread, from which the program starts again
// (runtime.LockOSThread). Commands that do not carry events stay there.
func init() { runtime.LockOSThread() }

func main() {
	p := cli.Program{Builtins: builtins(), Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(p.Run(os.Args[1:]))
}
