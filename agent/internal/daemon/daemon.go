// Package daemon turns a configuration into running pipelines: it starts their
// plugins, runs them side by side, and stops everything in reverse.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// closeTimeout bounds the closing of plugins after their last call.
const closeTimeout = 5 * time.Second

// Options choose what of a configuration runs, and how.
type Options struct {
	Once     bool
	Range    sdk.TimeRange
	Events   []string  // replaces event_names of every filter
	Pipeline string    // only this one
	Source   string    // only sources of this type
	DryRun   io.Writer // prints what would be stored, stores nothing
	Log      *slog.Logger
}

// A Daemon runs the pipelines of one configuration. It is made by New and run once.
type Daemon struct {
	catalog   *catalog.Catalog
	ledger    *ledger.File // for sinks that keep none
	pipelines []*pipeline.Pipeline
	log       *slog.Logger
}

// New builds the enabled pipelines of c and starts their plugins, external ones included.
// c must have been loaded with config.Options.Strict. The plugins stop when Run returns,
// so Run must be called if New succeeds.
func New(c *config.Config, cat *catalog.Catalog, o Options) (_ *Daemon, err error) {
	cat.Configure(c.Agent, c.Plugins)
	d := &Daemon{catalog: cat, ledger: ledger.New(c.Agent.StateDir, o.Log), log: o.Log}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	chosen, err := choose(c, o)
	if err != nil {
		return nil, err
	}
	for _, pc := range chosen {
		p, err := d.build(pc, c.Agent.MemoryLimit/int64(len(chosen)), o)
		if err != nil {
			return nil, fmt.Errorf("pipeline %q: %w", pc.Name, err)
		}
		d.pipelines = append(d.pipelines, p)
	}
	return d, nil
}

func (d *Daemon) build(pc config.Pipeline, memory int64, o Options) (*pipeline.Pipeline, error) {
	f, err := compile(pc.Filter, o.Events)
	if err != nil {
		return nil, err
	}
	out := pipeline.Config{
		Name: pc.Name, Filter: f, Memory: memory, Range: o.Range, Once: o.Once,
		Batch: pipeline.Batch{MaxEvents: pc.Batch.MaxEvents, MaxBytes: pc.Batch.MaxBytes, Linger: pc.Batch.Linger},
		Log:   o.Log.With("pipeline", pc.Name),
	}
	for i, s := range pc.Sources {
		if s.Settings == nil {
			return nil, notSet("source", s.Type)
		}
		plugin, err := d.catalog.Source(fmt.Sprintf("%s.source.%d", pc.Name, i+1), s.Type, s.Settings)
		if err != nil {
			return nil, err
		}
		out.Sources = append(out.Sources, pipeline.Source{
			Type: s.Type, Plugin: plugin, Windowed: plugin.Windowed,
			Interval: s.Interval, Since: s.Since, MaxFiles: s.MaxFiles,
		})
	}
	if o.DryRun != nil {
		for i := range out.Sources {
			out.Sources[i].MaxFiles = 0 // it counts what the ledger lacks, and a dry run has none
		}
		out.Sinks = []pipeline.Sink{{Name: "dry-run", Plugin: &printer{w: o.DryRun}, Parallel: one}}
		return pipeline.New(out), nil
	}
	for _, s := range pc.Sinks {
		if s.Settings == nil {
			return nil, notSet("sink", s.Type)
		}
		plugin, err := d.catalog.Sink(fmt.Sprintf("%s.%s", pc.Name, s.Name), s.Type, s.Settings)
		if err != nil {
			return nil, err
		}
		out.Sinks = append(out.Sinks, newLedgered(s.Name, plugin, d.ledger).sink(s.Name))
	}
	return pipeline.New(out), nil
}

// notSet is about a block of a disabled pipeline that is run by name: its variables are
// only warned about.
func notSet(kind, typ string) error {
	return fmt.Errorf("%s %q needs a variable or credential that is not set; agent validate shows which", kind, typ)
}

func one(context.Context) (int, error) { return 1, nil }

// compile makes the filter that runs. The configuration's own has been checked, so a
// fault is about the names given by hand.
func compile(c filter.Config, events []string) (*filter.Filter, error) {
	if len(events) > 0 {
		c.EventNames = events
	}
	f, faults := filter.Compile(c)
	if len(faults) > 0 {
		return nil, fmt.Errorf("filter %s: %s: %s", faults[0].Attribute, faults[0].Summary, faults[0].Detail)
	}
	return f, nil
}

// Run runs all pipelines until Drain, or with Once until each has read everything
// visible. It returns the first error of each pipeline. When ctx ends everything stops
// where it is.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.close()
	errs := make([]error, len(d.pipelines))
	var wg sync.WaitGroup
	for i, p := range d.pipelines {
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				errs[i] = fmt.Errorf("pipeline %q: %w", p.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Drain makes Run return once what has been fetched is written.
func (d *Daemon) Drain() {
	for _, p := range d.pipelines {
		p.Drain()
	}
}

// Plugins tells how the plugin of each block is.
func (d *Daemon) Plugins() []catalog.State { return d.catalog.States() }

// Stats tells what each pipeline did so far, by name, in the file's order.
func (d *Daemon) Stats() (names []string, stats []pipeline.Stats) {
	for _, p := range d.pipelines {
		names = append(names, p.Name)
		stats = append(stats, p.Stats())
	}
	return names, stats
}

func (d *Daemon) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	d.catalog.Close(ctx)
}
