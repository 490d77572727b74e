package cli

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/scaffold"
)

const pluginNewText = `
agent plugin new sink NAME, or source NAME, writes a plugin to start from, into
the new folder agent-sink-NAME: it builds, carries events, and passes the
conformance checks. Sources are in Go.
`

func (p *Program) pluginNew(args []string) int {
	f := p.flags("plugin new", pluginNewText)
	s := scaffold.Plugin{}
	f.StringVar(&s.Language, "lang", "go", "the `language`, go or python")
	f.StringVar(&s.Dir, "dir", "", "the `folder` to write to (default agent-KIND-NAME)")
	f.StringVar(&s.Module, "module", "", "go: the module's `path` (default example.org/agent-KIND-NAME)")
	f.StringVar(&s.SDKDir, "sdk", "", "go: build against the SDK in this checkout of INU-Logsmith, a `folder`")
	s.Kind, args = wordFirst(args)
	s.Type, args = wordFirst(args)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	words := slices.Concat(nonEmpty(s.Kind, s.Type), f.Args()) // flags may stand first
	if len(words) != 2 || words[0] != "sink" && words[0] != "source" {
		p.failf("usage: agent plugin new sink|source NAME [-lang go|python]; agent plugin new -h shows more")
		return exitUsage
	}
	s.Kind, s.Type = words[0], words[1]
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
	fmt.Fprintf(p.Stdout, "%s is a %s to start from; its README.md says how to build, run and test it.\n", s.Dir, s.Kind)
	return exitOK
}

func nonEmpty(words ...string) []string {
	return slices.DeleteFunc(words, func(s string) bool { return s == "" })
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
