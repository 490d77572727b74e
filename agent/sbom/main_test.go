package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryModuleOfAProgramIsListed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := write(out, self); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("the same program gives another document (-first +second):\n%s", diff)
	}
	var d document
	if err := json.Unmarshal(first.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	sum, err := sha256Of(self)
	if err != nil || d.BOMFormat != "CycloneDX" || len(d.Metadata.Component.Hashes) != 1 || d.Metadata.Component.Hashes[0].Content != sum {
		t.Errorf("document of %q: %+v, %v", sum, d.Metadata, err)
	}
	if len(d.Components) == 0 || d.Components[0].Name != "std" || d.Components[0].Version != strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("components %+v, want Go's own library first", d.Components)
	}
}

// A test binary names no modules, so these are made up.
func TestTheDocumentNamesWhatIsLinked(t *testing.T) {
	d := newDocument("agent", &debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/agent", Version: "v1.2.3+dirty"},
		Deps: []*debug.Module{
			{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:a="},
			{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/c", Version: "v2.0.0", Sum: "h1:c="}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0af"}, {Key: "-ldflags", Value: "-X main.secret=x"}},
	}, "5ca1ab1e")
	var got []string
	for _, c := range append([]component{d.Metadata.Component}, d.Components...) {
		got = append(got, fmt.Sprint(c.Type, " ", c.Name, " ", c.PURL, " ", c.Hashes, c.Properties))
	}
	want := []string{
		"application agent pkg:golang/example.org/agent@v1.2.3%2Bdirty [{SHA-256 5ca1ab1e}] [{go:build:vcs.revision 0af}]",
		"library std pkg:golang/std@1.26.0 [] []",
		"library example.org/a pkg:golang/example.org/a@v1.0.0 [] [{go:sum h1:a=}]",
		"library example.org/c pkg:golang/example.org/c@v2.0.0 [] [{go:sum h1:c=}]",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(d.Dependencies) != 1 || len(d.Dependencies[0].DependsOn) != 3 {
		t.Errorf("document (-want +got):\n%s%+v", diff, d.Dependencies)
	}
}

func TestWhatIsNoGoProgramIsAnError(t *testing.T) {
	for _, file := range []string{"main.go", "nothing", "."} {
		var out bytes.Buffer
		if err := write(&out, file); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, and %q is written", file, err, out.String())
		}
	}
}
