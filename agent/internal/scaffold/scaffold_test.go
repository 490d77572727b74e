package scaffold_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/scaffold"
)

func sink(dir string) scaffold.Plugin {
	return scaffold.Plugin{Kind: "sink", Type: "hello_2", Language: "go", Dir: dir, Module: "example.org/hello", SDKVersion: "v1.2.3"}
}

func TestEveryLanguageHasItsFiles(t *testing.T) {
	for what, want := range map[string][]string{
		"source go":   {".github/workflows/ci.yml", ".gitignore", "README.md", "agent.hcl", "go.mod", "main.go", "main_test.go", "sample/records.jsonl"},
		"sink go":     {".github/workflows/ci.yml", ".gitignore", "README.md", "agent.hcl", "go.mod", "main.go", "main_test.go", "sample/events.json"},
		"sink python": {".github/workflows/ci.yml", ".gitignore", "Makefile", "README.md", "agent.hcl", "sample/events.json", "sink/__main__.py", "sink/agent_plugin.py", "sink/plugin_pb2.py", "sink.hcl"},
	} {
		s := sink(filepath.Join(t.TempDir(), "new"))
		s.Kind, s.Language, _ = strings.Cut(what, " ")
		if err := s.Write(); err != nil {
			t.Fatal(err)
		}
		var got []string
		err := fs.WalkDir(os.DirFS(s.Dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			got = append(got, name)
			text, err := os.ReadFile(filepath.Join(s.Dir, name))
			if strings.Contains(string(text), "[[.") || strings.Contains(string(text), "<no value>") {
				t.Errorf("%s is not filled in", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func TestAGoModuleRequiresTheAgentsVersion(t *testing.T) {
	s := sink(t.TempDir())
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := "module example.org/hello\n\ngo 1.26.0\n\nrequire " + scaffold.SDKModule + " v1.2.3\n"
	if string(text) != want {
		t.Errorf("go.mod:\n%s\nwant:\n%s", text, want)
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*scaffold.Plugin)
		want   string
	}{
		{"a name that is no label", func(s *scaffold.Plugin) { s.Type = "Hello-World" }, "snake_case"},
		{"a name that leads elsewhere", func(s *scaffold.Plugin) { s.Type = "../x" }, "snake_case"},
		{"a plugin that is neither", func(s *scaffold.Plugin) { s.Kind = "filter" }, "a source or a sink"},
		{"a source in Python", func(s *scaffold.Plugin) { s.Kind, s.Language = "source", "python" }, "sinks only"},
		{"an unknown language", func(s *scaffold.Plugin) { s.Language = "perl" }, "go and python"},
		{"a module path with spaces", func(s *scaffold.Plugin) { s.Module = "a b" }, "path of a Go module"},
		{"no version of the SDK", func(s *scaffold.Plugin) { s.SDKVersion = "" }, "-sdk DIR"},
		{"a checkout of something else", func(s *scaffold.Plugin) { s.SDKDir = full }, "is not a checkout"},
		{"a folder with files", func(s *scaffold.Plugin) { s.Dir = full }, "is not empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := sink(filepath.Join(t.TempDir(), "new"))
			tc.change(&s)
			if err := s.Write(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Write = %v, want %q", err, tc.want)
			}
		})
	}
	if text, err := os.ReadFile(filepath.Join(full, "notes")); err != nil || string(text) != "mine" {
		t.Error("a file of somebody else was changed")
	}
}
