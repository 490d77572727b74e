// The agent carries AWS CloudTrail events into PostgreSQL: each event is one row,
// whatever crashes, and the agent can prove it.
package main

import (
	"os"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/cli"
)

func main() {
	p := cli.Program{Builtins: builtins(), Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(p.Run(os.Args[1:]))
}
