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
	"slices"
	"sync"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
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

// A Catalog holds the plugins of one agent. Close must be called after the last use of
// a [Source] or [Sink].
type Catalog struct {
	builtins []Builtin
	parent   string
	log      *slog.Logger
	timing   timing

	mu        sync.Mutex
	externals []external // replaced as a whole
	dir       string     // made when the first plugin starts
	instances []*instance
	described map[string]Description // by checksum of the program
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
	return &Catalog{
		builtins: c.Builtins, parent: parent, log: c.Log, timing: defaultTiming(),
		described: make(map[string]Description),
	}
}

// Configure adds the external plugins of a configuration: those that its plugin blocks
// name, and those in its plugin folder. It is called before any other method. Called again
// it replaces them; what runs goes on as it was started.
func (c *Catalog) Configure(agent config.Agent, plugins []config.Plugin) {
	found := findExternals(agent.PluginDir, plugins)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.externals = found
}

func (c *Catalog) programs() []external {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.externals
}

// Types lists the types of a kind, "source" or "sink", in order. A program whose name
// does not tell its kind is listed as both, until it is described.
func (c *Catalog) Types(kind string) []string {
	var types []string
	for _, b := range c.builtins {
		if b.Kind() == kind {
			types = append(types, b.Type())
		}
	}
	for _, e := range c.programs() {
		if e.serves(kind) {
			types = append(types, e.block.Type)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// Describe returns the schema of a plugin's settings. An external plugin is started
// for it, once as long as its program stays the same.
func (c *Catalog) Describe(kind, typ string) (schema.Block, error) {
	b, e, err := c.find(kind, typ)
	if err != nil {
		return schema.Block{}, err
	}
	if b != nil {
		return b.Schema(), nil
	}
	d, err := c.describe(kind, *e)
	return d.Settings, err
}

// Validate asks a plugin to check settings that already satisfy its schema. A built-in
// is asked within this process and touches neither network nor disk; an external
// plugin is started for it.
func (c *Catalog) Validate(kind, typ string, settings json.RawMessage) []sdk.Fault {
	b, e, err := c.find(kind, typ)
	if err != nil {
		return []sdk.Fault{{Summary: "Unknown plugin", Detail: err.Error()}}
	}
	if b != nil {
		return b.Validate(settings)
	}
	return c.validate(*e, settings)
}

// Rights tells the least rights that a plugin works with under valid settings. As with
// Validate, a built-in is asked within this process.
func (c *Catalog) Rights(kind, typ string, settings json.RawMessage) ([]sdk.Right, error) {
	b, e, err := c.find(kind, typ)
	if err != nil {
		return nil, err
	}
	if b != nil {
		return b.Rights(settings), nil
	}
	return c.rights(*e, settings)
}

// find returns the one plugin of a kind and type: a built-in, or else a program. A
// program never takes the place of a built-in, whoever put it there.
func (c *Catalog) find(kind, typ string) (*Builtin, *external, error) {
	b := c.builtin(kind, typ)
	externals := c.programs()
	for i := range externals {
		e := &externals[i]
		if e.block.Type != typ || !e.serves(kind) {
			continue
		}
		if b != nil {
			return nil, nil, sdk.Denied(shadowed(kind, *e))
		}
		return nil, e, nil
	}
	if b == nil {
		return nil, nil, fmt.Errorf("no %s plugin %q", kind, typ)
	}
	return b, nil, nil
}

func shadowed(kind string, e external) error {
	fix := "rename the program and its plugin block"
	if e.folder {
		fix = "remove it from the plugin folder, or give it another name"
	}
	return fmt.Errorf("the program %s has the name of the agent's own %s %q: %s", e.path, kind, e.block.Type, fix)
}

func (c *Catalog) builtin(kind, typ string) *Builtin {
	for i := range c.builtins {
		if b := &c.builtins[i]; b.Kind() == kind && b.Type() == typ {
			return b
		}
	}
	return nil
}

// Serve serves the built-in in this process, for the agent that started it, and
// never returns unless there is no such built-in.
func (c *Catalog) Serve(kind, typ string) error {
	b := c.builtin(kind, typ)
	if b == nil {
		return fmt.Errorf("no %s plugin %q", kind, typ)
	}
	b.Serve()
	return nil
}

// Source starts a process for one source block and keeps it running until Close.
// name tells the block in logs.
func (c *Catalog) Source(name, typ string, settings json.RawMessage) (*Source, error) {
	i, err := c.start(name, kindSource, typ, settings)
	if err != nil {
		return nil, err
	}
	return &Source{i}, nil
}

// Sink starts a process for one sink block and keeps it running until Close.
func (c *Catalog) Sink(name, typ string, settings json.RawMessage) (*Sink, error) {
	i, err := c.start(name, kindSink, typ, settings)
	if err != nil {
		return nil, err
	}
	return &Sink{i}, nil
}

func (c *Catalog) start(name, kind, typ string, settings json.RawMessage) (*instance, error) {
	l, err := c.launch(name, kind, typ, settings)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == "" {
		if c.dir, err = makeDir(c.parent); err != nil {
			return nil, err
		}
	}
	l.dir = c.dir
	i := newInstance(l, c.timing, c.log.With("plugin", typ, "block", name))
	c.instances = append(c.instances, i)
	return i, nil
}

// launch is all that is needed to start a block's plugin, but for the folder of sockets.
func (c *Catalog) launch(name, kind, typ string, settings json.RawMessage) (launch, error) {
	b, e, err := c.find(kind, typ)
	if err != nil {
		return launch{}, err
	}
	l := launch{block: name, kind: kind, typ: typ, settings: settings}
	if b != nil {
		l.prepare, l.environment = b.prepare, openEnvironment(os.Environ(), b.Cloud)
		l.secrets = environmentSecrets(l.environment)
	} else {
		l.prepare, l.memory, l.program = e.prepare, e.block.Memory, e.identity()
	}
	return l, nil
}

// States tells how the plugin of each block is, in the order they were started.
func (c *Catalog) States() []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	var states []State
	for _, i := range c.instances {
		states = append(states, i.state())
	}
	return states
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
