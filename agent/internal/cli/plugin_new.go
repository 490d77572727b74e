package cli

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/scaffold"
)

const pluginNewText = `
agent plugin new sink NAME writes a plugin to start from, into the new folder agent-sink-NAME:
it builds, stores events, and passes the conformance checks.
`

func (p *Program) pluginNew(args []string) int {
	f := p.flags("plugin new", pluginNewText)
	s := scaffold.Sink{}
	f.StringVar(&s.Language, "lang", "go", "the `language`, go or python")
	f.StringVar(&s.Dir, "dir", "", "the `folder` to write to (default agent-sink-NAME)")
	f.StringVar(&s.Module, "module", "", "go: the module's `path` (default example.org/agent-sink-NAME)")
	f.StringVar(&s.SDKDir, "sdk", "", "go: build against the SDK in this checkout of INU-Logsmith, a `folder`")
	kind, args := wordFirst(args)
	s.Type, args = wordFirst(args)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if s.Type == "" && f.NArg() == 1 {
		s.Type = f.Arg(0)
	} else if s.Type == "" || f.NArg() > 0 {
		p.failf("usage: agent plugin new sink NAME [-lang go|python]; agent plugin new -h shows more")
		return exitUsage
	}
	if kind != "sink" {
		p.failf("agent plugin new writes sinks, no %s; for a source start from the example agent-source-eventbridge-file", kind)
		return exitUsage
	}
	if s.Dir == "" {
		s.Dir = s.Program()
	}
	if s.Module == "" {
		s.Module = "example.org/" + s.Program()
	}
	s.SDKVersion = releasedVersion()
	if s.SDKDir != "" {
		dir, err := filepath.Abs(s.SDKDir)
		if err != nil {
			p.failf("%v", err)
			return exitFailed
		}
		s.SDKDir, s.SDKVersion = dir, "v0.0.0"
	}
	if err := s.Write(); err != nil {
		p.failf("write plugin: %v", err)
		return exitFailed
	}
	fmt.Fprintf(p.Stdout, "%s is a sink to start from; its README.md says how to build, run and test it.\n", s.Dir)
	return exitOK
}

// release is a version that the SDK can be required by: not one of a commit in between,
// which nobody may be able to download.
var release = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

// releasedVersion is the version this agent was built from, or "".
func releasedVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !release.MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
}
