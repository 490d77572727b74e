package cli

import (
	"fmt"
	"runtime/debug"
)

// version prints what the binary was built from.
func (p *Program) version(args []string) int {
	f := p.flags("version", "agent version prints the version, the commit and the Go release that the agent was built from.")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		p.failf("this binary holds no build information")
		return exitFailed
	}
	commit, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " with changes"
		}
	}
	fmt.Fprintf(p.Stdout, "agent %s, commit %s%s, %s\n", info.Main.Version, commit, modified, info.GoVersion)
	return exitOK
}
