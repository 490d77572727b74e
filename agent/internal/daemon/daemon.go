// Package daemon turns a configuration into running pipelines: it starts their
// plugins, runs them side by side, and stops everything in reverse.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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

// A Daemon runs the pipelines of a configuration. It is made by New and run once.
type Daemon struct {
	catalog *catalog.Catalog
	ledger  *ledger.File // for sinks that keep none
	options Options
	log     *slog.Logger

	reloading sync.Mutex // held while a configuration is taken over
	config    *config.Config

	mu       sync.Mutex
	units    []*unit     // in the file's order
	launch   func(*unit) // nil before Run
	draining bool
	swapping bool          // units are being exchanged, so that none may run for a while
	changed  chan struct{} // closed at each change of the above, and when a unit ends
}

// A unit is one pipeline with the plugins of its blocks.
type unit struct {
	*pipeline.Pipeline
	config  config.Pipeline
	sources []*catalog.Source // by config.Sources
	sinks   []*catalog.Sink   // by config.Sinks; none in a dry run

	cancel context.CancelCauseFunc // ends it where it is; nil before it runs
	ended  chan struct{}
	err    error // once it has ended
}

// New builds the enabled pipelines of c and starts their plugins, external ones included.
// c must have been loaded with config.Options.Strict. The plugins stop when Run returns,
// so Run must be called if New succeeds.
func New(c *config.Config, cat *catalog.Catalog, o Options) (_ *Daemon, err error) {
	cat.Configure(c.Agent, c.Plugins)
	d := &Daemon{
		catalog: cat, ledger: ledger.New(c.Agent.StateDir, o.Log), options: o, log: o.Log,
		config: c, changed: make(chan struct{}),
	}
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
		u, err := d.build(pc, c.Agent.MemoryLimit/int64(len(chosen)), &shelf{})
		if err != nil {
			return nil, fmt.Errorf("pipeline %q: %w", pc.Name, err)
		}
		d.units = append(d.units, u)
	}
	return d, nil
}

// build makes a pipeline. Plugins that would be started as they run already are taken from
// the shelf.
func (d *Daemon) build(pc config.Pipeline, memory int64, old *shelf) (*unit, error) {
	o := d.options
	f, err := compile(pc.Filter, o.Events)
	if err != nil {
		return nil, err
	}
	u := &unit{config: pc, ended: make(chan struct{})}
	out := pipeline.Config{
		Name: pc.Name, Filter: f, Memory: memory, Range: o.Range, Once: o.Once,
		Batch: pipeline.Batch{MaxEvents: pc.Batch.MaxEvents, MaxBytes: pc.Batch.MaxBytes, Linger: pc.Batch.Linger},
		Log:   o.Log.With("pipeline", pc.Name),
	}
	for i, s := range pc.Sources {
		if s.Settings == nil {
			return nil, notSet("source", s.Type)
		}
		plugin, err := old.source(d.catalog, fmt.Sprintf("%s.source.%d", pc.Name, i+1), s)
		if err != nil {
			return nil, err
		}
		u.sources = append(u.sources, plugin)
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
		u.Pipeline = pipeline.New(out)
		return u, nil
	}
	for _, s := range pc.Sinks {
		if s.Settings == nil {
			return nil, notSet("sink", s.Type)
		}
		plugin, err := old.sink(d.catalog, fmt.Sprintf("%s.%s", pc.Name, s.Name), s)
		if err != nil {
			return nil, err
		}
		u.sinks = append(u.sinks, plugin)
		out.Sinks = append(out.Sinks, newLedgered(s.Name, plugin, d.ledger).sink(s.Name))
	}
	u.Pipeline = pipeline.New(out)
	return u, nil
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
	var running sync.WaitGroup
	defer running.Wait()
	d.change(func() {
		d.launch = func(u *unit) {
			ctx, cancel := context.WithCancelCause(ctx)
			u.cancel = cancel
			running.Go(func() {
				defer cancel(nil)
				if err := u.Run(ctx); err != nil {
					u.err = fmt.Errorf("pipeline %q: %w", u.Name, err)
				}
				close(u.ended)
				d.change(func() {})
			})
		}
		for _, u := range d.units {
			d.launch(u)
		}
	})
	units := d.await(func() bool {
		return !d.swapping && !slices.ContainsFunc(d.units, func(u *unit) bool { return !u.over() })
	})
	var errs []error
	for _, u := range units {
		errs = append(errs, u.err)
	}
	return errors.Join(errs...)
}

// change changes what mu guards, for all who wait for it.
func (d *Daemon) change(what func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what()
	close(d.changed)
	d.changed = make(chan struct{})
}

// await waits until a condition holds, and returns the units of that moment.
func (d *Daemon) await(holds func() bool) []*unit {
	for {
		d.mu.Lock()
		over, units, changed := holds(), d.units, d.changed
		d.mu.Unlock()
		if over {
			return units
		}
		<-changed
	}
}

func (u *unit) over() bool {
	select {
	case <-u.ended:
		return true
	default:
		return false
	}
}

// Drain makes Run return once what has been fetched is written.
func (d *Daemon) Drain() {
	d.change(func() {
		d.draining = true
		for _, u := range d.units {
			u.Drain()
		}
	})
}

// Answered waits until the plugin of each block has been opened or has failed to, and ends
// waiting with ctx. It returns the blocks whose plugins are not open then, with the reason.
func (d *Daemon) Answered(ctx context.Context) map[string]error {
	silent := make(map[string]error)
	for _, u := range d.current() {
		for i, s := range u.sources {
			if err := s.Answered(ctx); err != nil {
				silent[fmt.Sprintf("%s.source.%d", u.Name, i+1)] = err
			}
		}
		for i, s := range u.sinks {
			if err := s.Answered(ctx); err != nil {
				silent[u.Name+"."+u.config.Sinks[i].Name] = err
			}
		}
	}
	return silent
}

// Wedged names a loop of a pipeline that has not come round for longer than limit, although
// it waits for nothing, or returns "".
func (d *Daemon) Wedged(limit time.Duration) string {
	for _, u := range d.current() {
		if what := u.Wedged(limit); what != "" {
			return fmt.Sprintf("pipeline %q, %s", u.Name, what)
		}
	}
	return ""
}

// current are the units of this moment.
func (d *Daemon) current() []*unit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.units
}

// Plugins tells how the plugin of each block is.
func (d *Daemon) Plugins() []catalog.State { return d.catalog.States() }

// Stats tells what each pipeline did so far, by name, in the file's order.
func (d *Daemon) Stats() (names []string, stats []pipeline.Stats) {
	for _, u := range d.current() {
		names = append(names, u.Name)
		stats = append(stats, u.Stats())
	}
	return names, stats
}

func (d *Daemon) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	d.catalog.Close(ctx)
}
