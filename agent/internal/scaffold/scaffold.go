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

// A Plugin is what is to be written.
type Plugin struct {
	Kind     string // "source" or "sink"
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
func (p Plugin) Program() string { return "agent-" + p.Kind + "-" + p.Type }

// Write writes the files. If it fails, what it has written stays.
func (p Plugin) Write() error {
	if err := p.check(); err != nil {
		return err
	}
	if err := emptyDir(p.Dir); err != nil {
		return err
	}
	if p.Language == "python" {
		return errors.Join(p.renderAll("python-sink"), p.copyAll(python.Files, "sink"))
	}
	return errors.Join(p.renderAll("go"), p.renderAll("go-"+p.Kind), p.copySums())
}

// renderAll writes the templates of one folder.
func (p Plugin) renderAll(folder string) error {
	root, err := fs.Sub(templates, path.Join("templates", folder))
	if err != nil {
		return err
	}
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return p.render(root, name)
	})
}

func (p Plugin) check() error {
	switch {
	case p.Kind != "source" && p.Kind != "sink":
		return fmt.Errorf("a plugin is a source or a sink, not a %q", p.Kind)
	case !typeName.MatchString(p.Type):
		return fmt.Errorf("the name %q must be in snake_case: it is the label of a block in agent.hcl", p.Type)
	case p.Language != "go" && p.Language != "python":
		return fmt.Errorf("there are templates for go and python, not for %q", p.Language)
	case p.Language == "python" && p.Kind == "source":
		return errors.New("the SDK for Python serves sinks only: a source is written in Go, or against plugin.proto")
	case p.Language == "go" && !modulePath.MatchString(p.Module):
		return fmt.Errorf("%q cannot be the path of a Go module", p.Module)
	case p.Language == "go" && p.SDKVersion == "":
		return errors.New("this agent is not a released version whose SDK could be required: name a checkout of INU-Logsmith with -sdk DIR")
	}
	if p.Language != "go" || p.SDKDir == "" {
		return nil
	}
	mod, err := os.ReadFile(filepath.Join(p.SDKDir, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "module "+SDKModule+"\n") {
		return fmt.Errorf("%s is not a checkout of %s", p.SDKDir, SDKModule)
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
func (p Plugin) render(root fs.FS, name string) error {
	t, err := template.New(path.Base(name)).Delims("[[", "]]").Option("missingkey=error").ParseFS(root, name)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := t.Execute(&text, p); err != nil {
		return err
	}
	return p.write(strings.TrimSuffix(name, ".tmpl"), []byte(text.String()))
}

func (p Plugin) copyAll(from fs.FS, to string) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return p.write(path.Join(to, name), text)
	})
}

// copySums takes the checksums of all that the SDK needs from its checkout, so that a
// machine that has built the one can build the other without a network.
func (p Plugin) copySums() error {
	if p.SDKDir == "" {
		return nil
	}
	sums, err := os.ReadFile(filepath.Join(p.SDKDir, "go.sum"))
	if err != nil {
		return err
	}
	return p.write("go.sum", sums)
}

func (p Plugin) write(name string, text []byte) error {
	file := filepath.Join(p.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
