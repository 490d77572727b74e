// Package scaffold writes the start of a plugin: a module that builds, stores events
// and passes the conformance checks, for its author to change.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/python"
)

// The templates end in .tmpl, so that neither the go tool nor a linter takes them for
// what they become.
//
//go:embed all:templates
var templates embed.FS

// SDKModule is the module that holds package sdk.
const SDKModule = "github.com/s-developer-team-inu/inu-logsmith"

// A Sink is what is to be written.
type Sink struct {
	Type     string // the label of its blocks
	Language string // "go" or "python"
	Dir      string // must not exist, or be empty
	Module   string // Go: the module's path
	// SDKVersion is the version of the SDK's module that a Go module requires.
	SDKVersion string
	// SDKDir is a checkout of the SDK to build against instead; empty for none.
	SDKDir string
}

var (
	typeName   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)
)

// Program is the name of the program, by which the agent finds it in its plugin folder.
func (s Sink) Program() string { return "agent-sink-" + s.Type }

// Write writes the files. If it fails, what it has written stays.
func (s Sink) Write() error {
	if err := s.check(); err != nil {
		return err
	}
	if err := emptyDir(s.Dir); err != nil {
		return err
	}
	root, err := fs.Sub(templates, path.Join("templates", s.Language))
	if err != nil {
		return err
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return s.render(root, name)
	})
	if err != nil {
		return err
	}
	if s.Language == "python" {
		return s.copyAll(python.Files, "sink")
	}
	return s.copySums()
}

func (s Sink) check() error {
	switch {
	case !typeName.MatchString(s.Type):
		return fmt.Errorf("the name %q must be in snake_case: it is the label of a block in agent.hcl", s.Type)
	case s.Language != "go" && s.Language != "python":
		return fmt.Errorf("there are templates for go and python, not for %q", s.Language)
	case s.Language == "go" && !modulePath.MatchString(s.Module):
		return fmt.Errorf("%q cannot be the path of a Go module", s.Module)
	case s.Language == "go" && s.SDKVersion == "":
		return errors.New("this agent is not a released version whose SDK could be required: name a checkout of INU-Logsmith with -sdk DIR")
	}
	if s.Language != "go" || s.SDKDir == "" {
		return nil
	}
	mod, err := os.ReadFile(filepath.Join(s.SDKDir, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "module "+SDKModule+"\n") {
		return fmt.Errorf("%s is not a checkout of %s", s.SDKDir, SDKModule)
	}
	return nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o755)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty", dir)
	}
	return nil
}

// render writes one template to its place.
func (s Sink) render(root fs.FS, name string) error {
	t, err := template.New(path.Base(name)).Delims("[[", "]]").Option("missingkey=error").ParseFS(root, name)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := t.Execute(&text, s); err != nil {
		return err
	}
	return s.write(strings.TrimSuffix(name, ".tmpl"), []byte(text.String()))
}

func (s Sink) copyAll(from fs.FS, to string) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return s.write(path.Join(to, name), text)
	})
}

// copySums takes the checksums of all that the SDK needs from its checkout, so that a
// machine that has built the one can build the other without a network.
func (s Sink) copySums() error {
	if s.SDKDir == "" {
		return nil
	}
	sums, err := os.ReadFile(filepath.Join(s.SDKDir, "go.sum"))
	if err != nil {
		return err
	}
	return s.write("go.sum", sums)
}

func (s Sink) write(name string, text []byte) error {
	file := filepath.Join(s.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
