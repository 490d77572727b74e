package cli

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A test binary names neither commit nor modules, so these are made up.
func TestTheVersionNamesCommitAndModules(t *testing.T) {
	got := buildOf(&debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/agent", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:a="},
			{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/c", Version: "v2.0.0"}},
		},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0af"},
			{Key: "vcs.modified", Value: "true"},
			{Key: "vcs.time", Value: "2026-11-25T00:00:00Z"},
			{Key: "GOOS", Value: "linux"},
			{Key: "GOARCH", Value: "amd64"},
		},
	})
	want := build{
		Version: "v1.2.3", Commit: "0af", Modified: true, Time: "2026-11-25T00:00:00Z", Go: "go1.26.0", Platform: "linux/amd64",
		Modules: []module{{"example.org/a", "v1.0.0", "h1:a="}, {"example.org/c", "v2.0.0", ""}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := buildOf(&debug.BuildInfo{}); got.Commit != "unknown" || got.Modules == nil {
		t.Errorf("without anything: %+v", got)
	}
}
