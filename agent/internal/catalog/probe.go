package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// Description is what a plugin says of itself.
type Description = host.Description

// probeTimeout bounds a question to a plugin that is not open: it needs neither network
// nor disk for the answer.
const probeTimeout = 10 * time.Second

// Inspect starts a plugin, asks it what it is, and stops it. name is the type of a
// built-in, or the path of a program, which need not be pinned.
func (c *Catalog) Inspect(name string) (Description, error) {
	quiet := slog.New(slog.DiscardHandler)
	for _, kind := range []string{kindSource, kindSink} {
		if b := c.builtin(kind, name); b != nil {
			return c.ask(quiet, b.prepare)
		}
	}
	e := external{path: absolute(name), block: config.Plugin{AllowUnpinned: true}}
	return c.ask(quiet, e.prepare)
}

// Installed is a plugin that the catalog knows.
type Installed struct {
	Kind, Type string
	Path       string // of the program; empty for a built-in
	Pinned     bool   // by a checksum in the configuration
	Version    string
	Fault      error // why it cannot be used
}

// List tells which plugins there are, built-ins first. Each one that may run is started
// for it.
func (c *Catalog) List() []Installed {
	var list []Installed
	for i := range c.builtins {
		b := &c.builtins[i]
		d, err := c.ask(c.log, b.prepare)
		list = append(list, Installed{Kind: b.Kind(), Type: b.Type(), Version: d.Version, Fault: err})
	}
	for i, p := range c.Programs() {
		in := Installed{Kind: p.Kind, Type: p.Type, Path: p.Path, Pinned: p.Block != nil && p.Block.SHA256 != "", Fault: p.Fault}
		if in.Fault == nil {
			var d Description
			d, in.Fault = c.describe(p.Kind, c.externals[i])
			in.Kind, in.Version = cmp.Or(d.Kind, in.Kind), d.Version
		}
		list = append(list, in)
	}
	return list
}

// describe asks an external plugin what it is, and refuses an answer that does not fit
// the block that names it. kind may be empty where any will do.
func (c *Catalog) describe(kind string, e external) (Description, error) {
	d, err := c.ask(c.log, e.prepare)
	switch {
	case err != nil:
		return Description{}, err
	case d.Type != e.block.Type:
		return Description{}, fmt.Errorf("program %s is the %s plugin %q, not %q: name its blocks so", e.path, d.Kind, d.Type, e.block.Type)
	case kind != "" && d.Kind != kind:
		return Description{}, fmt.Errorf("program %s is a %s, not a %s", e.path, d.Kind, kind)
	}
	return d, nil
}

// validate asks an external plugin to check settings.
func (c *Catalog) validate(e external, settings json.RawMessage) []sdk.Fault {
	var faults []sdk.Fault
	err := c.try(c.log, e.prepare, func(cmd command) error {
		return cmd.ask(c.log, func(ctx context.Context, p *host.Process) (err error) {
			if err := conceal(ctx, p, settings); err != nil {
				return err
			}
			faults, err = p.Validate(ctx, settings)
			for i, f := range faults {
				faults[i].Summary, faults[i].Detail = p.Concealed(f.Summary), p.Concealed(f.Detail)
			}
			return err
		})
	})
	if err != nil {
		return []sdk.Fault{{Summary: "Plugin cannot be used", Detail: err.Error()}}
	}
	return faults
}

// conceal makes the secrets in settings known to the plugin's process, before the plugin
// gets them: only the program that runs can tell which of its settings are.
func conceal(ctx context.Context, p *host.Process, settings json.RawMessage) error {
	d, err := p.Describe(ctx)
	if err != nil {
		return fmt.Errorf("ask plugin what it is: %w", err)
	}
	p.Conceal(d.Settings.Secrets(settings)...)
	return nil
}

// rights asks an external plugin what it has to be granted.
func (c *Catalog) rights(e external, settings json.RawMessage) (rights []sdk.Right, err error) {
	err = c.try(c.log, e.prepare, func(cmd command) error {
		return cmd.ask(c.log, func(ctx context.Context, p *host.Process) (err error) {
			if err := conceal(ctx, p, settings); err != nil {
				return err
			}
			rights, err = p.Rights(ctx, settings)
			return err
		})
	})
	return rights, err
}

// ask returns what a plugin says of itself. A program that stays the same is asked only
// once.
func (c *Catalog) ask(log *slog.Logger, prepare preparation) (d Description, err error) {
	err = c.try(log, prepare, func(cmd command) error {
		var known bool
		if d, known = c.recall(cmd); known {
			cmd.discard()
			return nil
		}
		err := cmd.ask(log, func(ctx context.Context, p *host.Process) (err error) {
			d, err = p.Describe(ctx)
			return err
		})
		if err == nil {
			c.remember(cmd, d)
		}
		return err
	})
	return d, err
}

func (c *Catalog) recall(cmd command) (Description, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, known := c.described[cmd.identity()]
	return d, known
}

func (c *Catalog) remember(cmd command, d Description) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd.sum != "" {
		c.described[cmd.identity()] = d
	}
}

// try prepares a command for a use that is over when use returns; what it leaves on
// disk is removed.
func (c *Catalog) try(log *slog.Logger, prepare preparation, use func(command) error) error {
	dir, err := makeDir(c.parent)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd, err := prepare(dir, log)
	if err != nil {
		return err
	}
	return use(cmd)
}

// ask starts the plugin for one question.
func (c command) ask(log *slog.Logger, question func(context.Context, *host.Process) error) error {
	p, err := c.start(log)
	if err != nil {
		return fmt.Errorf("program %s: %w", c.Path, err)
	}
	defer p.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	if err := question(ctx, p); err != nil {
		return fmt.Errorf("program %s: ask plugin: %w", c.Path, err)
	}
	return nil
}
