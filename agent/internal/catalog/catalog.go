// Package catalog knows the plugins: it turns a kind and a type into a process, keeps
// that process running, and stops it in order. It is the agent's only user of package
// host.
package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// A Builtin is a plugin that is part of this binary. It runs as any other does, in a
// process of its own; only the command differs: this binary started again.
type Builtin struct {
	plugin.Definition
	// Cloud says that it reads the environment variables of AWS's libraries. It gets
	// them in Open, never through its process's environment.
	Cloud bool
}

// Config is what a Catalog needs.
type Config struct {
	Builtins []Builtin
	// Dir is the parent of the folder for sockets; empty means $RUNTIME_DIRECTORY,
	// which systemd sets, or the folder for temporary files.
	Dir string
	Log *slog.Logger
}

// A Catalog holds the plugins of one agent. Close must be called after the last use.
type Catalog struct {
	builtins []Builtin
	parent   string
	log      *slog.Logger

	mu        sync.Mutex
	dir       string // made when the first plugin starts
	instances []*instance
}

// New returns a catalog of c's plugins. It starts none and touches no file.
func New(c Config) *Catalog {
	parent := c.Dir
	if parent == "" {
		parent = os.Getenv("RUNTIME_DIRECTORY")
	}
	if parent == "" {
		parent = os.TempDir()
	}
	return &Catalog{builtins: c.Builtins, parent: parent, log: c.Log}
}

// Types lists the types of a kind, "source" or "sink", in order.
func (c *Catalog) Types(kind string) []string {
	var types []string
	for _, b := range c.builtins {
		if b.Kind() == kind {
			types = append(types, b.Type())
		}
	}
	slices.Sort(types)
	return types
}

// Describe returns the schema of a plugin's settings.
func (c *Catalog) Describe(kind, typ string) (schema.Block, error) {
	b, err := c.builtin(kind, typ)
	if err != nil {
		return schema.Block{}, err
	}
	return b.Schema(), nil
}

// Validate asks a plugin to check settings that already satisfy its schema. It
// touches neither network nor disk.
func (c *Catalog) Validate(kind, typ string, settings json.RawMessage) []sdk.Fault {
	b, err := c.builtin(kind, typ)
	if err != nil {
		return []sdk.Fault{{Summary: "Unknown plugin", Detail: err.Error()}}
	}
	return b.Definition.Validate(settings)
}

func (c *Catalog) builtin(kind, typ string) (Builtin, error) {
	for _, b := range c.builtins {
		if b.Kind() == kind && b.Type() == typ {
			return b, nil
		}
	}
	return Builtin{}, fmt.Errorf("no %s plugin %q", kind, typ)
}

// Serve serves the built-in in this process, for the agent that started it, and
// never returns unless there is no such built-in.
func (c *Catalog) Serve(kind, typ string) error {
	b, err := c.builtin(kind, typ)
	if err != nil {
		return err
	}
	b.Definition.Serve()
	return nil
}

// Source starts a process for one source block and keeps it running until Close.
// name tells the block in logs.
func (c *Catalog) Source(name, typ string, settings json.RawMessage) (*Source, error) {
	i, err := c.start(name, "source", typ, settings)
	if err != nil {
		return nil, err
	}
	return &Source{i}, nil
}

// Sink starts a process for one sink block and keeps it running until Close.
func (c *Catalog) Sink(name, typ string, settings json.RawMessage) (*Sink, error) {
	i, err := c.start(name, "sink", typ, settings)
	if err != nil {
		return nil, err
	}
	return &Sink{i}, nil
}

func (c *Catalog) start(name, kind, typ string, settings json.RawMessage) (*instance, error) {
	b, err := c.builtin(kind, typ)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	i := newInstance(launch{
		command: host.Command{
			// Not os.Executable: after an upgrade on disk, a plugin must still be of
			// the version of the agent that runs.
			Path: "/proc/self/exe",
			Args: []string{"agent", "plugin", kind, typ},
			Env:  processEnvironment(os.Environ(), memoryLimit),
			Dir:  c.dir,
		},
		settings:    settings,
		environment: openEnvironment(os.Environ(), b.Cloud),
	}, c.log.With("plugin", typ, "block", name))
	c.instances = append(c.instances, i)
	return i, nil
}

// Close drains and stops all plugins, side by side. ctx bounds the draining.
func (c *Catalog) Close(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wg sync.WaitGroup
	for _, i := range c.instances {
		wg.Go(func() { i.stop(ctx) })
	}
	wg.Wait()
	c.instances = nil
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
		c.dir = ""
	}
}

const dirPrefix = "inu-logsmith-"

// makeDir makes this agent's folder for sockets, named after its process so that the
// next agent can tell the folders of agents that were killed, and remove them.
func (c *Catalog) makeDir() error {
	if c.dir != "" {
		return nil
	}
	old, _ := filepath.Glob(filepath.Join(c.parent, dirPrefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && syscall.Kill(n, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(c.parent, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return fmt.Errorf("make folder for plugin sockets: %w", err)
	}
	c.dir = dir
	return nil
}
