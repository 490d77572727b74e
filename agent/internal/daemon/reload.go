package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

// What a pipeline that is exchanged may take: to read the splits in hand to their end, and
// then to write what has been fetched. Whatever it does not manage is read again.
const (
	finishTimeout = 15 * time.Second
	retireTimeout = 15 * time.Second
)

// Changes are what a reload did, by names of pipelines.
type Changes struct {
	Added, Removed, Changed, Kept []string
	// Later are settings that differ, and take effect at the next start only.
	Later []string
}

func (c Changes) String() string {
	var parts []string
	for _, p := range []struct {
		names []string
		what  string
	}{
		{c.Changed, "changed"},
		{c.Added, "added"},
		{c.Removed, "removed"},
		{c.Kept, "unchanged"},
	} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", p.what, strings.Join(p.names, ", ")))
		}
	}
	if len(c.Later) > 0 {
		parts = append(parts, "at the next start: "+strings.Join(c.Later, ", "))
	}
	return strings.Join(parts, "; ")
}

var errReplaced = errors.New("another configuration was taken over; what was not stored is read again")

// Reload takes over another configuration of the same program: pipelines and plugins that
// it does not touch go on, with the same processes; the others end at the boundary of
// splits, and start anew. After an error nothing has changed. A call waits for Run, and for
// the call before.
func (d *Daemon) Reload(ctx context.Context, c *config.Config) (Changes, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	draining := false
	d.await(func() bool {
		draining = d.draining
		return draining || d.launch != nil
	})
	if draining {
		return Changes{}, errors.New("the agent is stopping")
	}
	x, err := d.plan(c)
	if err != nil {
		return Changes{}, err
	}
	d.exchange(ctx, x)
	x.changes.Later = later(d.config.Agent, c.Agent)
	d.config = c
	return x.changes, nil
}

// later names what of the agent block is not taken over. The log's level and memory are.
func later(old, now config.Agent) []string {
	var names []string
	if old.StateDir != now.StateDir {
		names = append(names, "state_dir")
	}
	if old.LogFormat != now.LogFormat {
		names = append(names, "log format")
	}
	return names
}

// An exchange is what a reload is going to do.
type exchange struct {
	changes Changes
	units   []*unit         // that run afterwards
	fresh   []*unit         // those of them that do not run yet
	old     []*unit         // that end
	leave   []catalog.Block // plugins that nobody uses afterwards
	memory  int64           // of each pipeline
}

// plan builds what changes beside what runs.
func (d *Daemon) plan(c *config.Config) (_ *exchange, err error) {
	chosen, err := choose(c, d.options)
	if err != nil {
		return nil, err
	}
	x := &exchange{memory: c.Agent.MemoryLimit / int64(len(chosen))}
	d.catalog.Configure(c.Agent, c.Plugins)
	old := d.current()
	var shelves []*shelf
	defer func() {
		if err == nil {
			return
		}
		d.catalog.Configure(d.config.Agent, d.config.Plugins)
		var started []catalog.Block
		for _, s := range shelves {
			started = append(started, s.started...)
		}
		d.stop(started)
	}()
	for _, pc := range chosen {
		i := slices.IndexFunc(old, func(u *unit) bool { return u.Name == pc.Name })
		s := &shelf{}
		if i >= 0 {
			if u := old[i]; !u.over() && d.same(u, pc) {
				x.units = append(x.units, u)
				x.changes.Kept = append(x.changes.Kept, u.Name)
				continue
			}
			s.units = append(s.units, old[i])
			x.changes.Changed = append(x.changes.Changed, pc.Name)
		} else {
			x.changes.Added = append(x.changes.Added, pc.Name)
		}
		shelves = append(shelves, s)
		u, err := d.build(pc, x.memory, s)
		if err != nil {
			return nil, fmt.Errorf("pipeline %q: %w", pc.Name, err)
		}
		x.units, x.fresh = append(x.units, u), append(x.fresh, u)
	}
	x.retire(old)
	return x, nil
}

// retire notes what of the old units ends.
func (x *exchange) retire(old []*unit) {
	used := make(map[catalog.Block]bool)
	for _, u := range x.units {
		for _, b := range u.blocks() {
			used[b] = true
		}
	}
	for _, u := range old {
		if slices.Contains(x.units, u) {
			continue
		}
		x.old = append(x.old, u)
		if !slices.ContainsFunc(x.units, func(n *unit) bool { return n.Name == u.Name }) {
			x.changes.Removed = append(x.changes.Removed, u.Name)
		}
		for _, b := range u.blocks() {
			if !used[b] {
				x.leave = append(x.leave, b)
			}
		}
	}
}

// exchange ends the old units, and then starts the new ones: two pipelines never use a
// plugin, or read a split, at the same time.
func (d *Daemon) exchange(ctx context.Context, x *exchange) {
	d.change(func() { d.swapping = true })
	var ending sync.WaitGroup
	for _, u := range x.old {
		ending.Go(func() { d.end(ctx, u) })
	}
	ending.Wait()
	d.stop(x.leave)
	d.change(func() {
		d.swapping = false
		if d.draining {
			return // the old ones have ended as they should, and no other is to start
		}
		d.units = x.units
		for _, u := range x.units {
			u.SetMemory(x.memory)
		}
		for _, u := range x.fresh {
			u.adopt()
			if d.launch != nil {
				d.launch(u)
			}
		}
	})
}

// end ends a unit: at the boundary of splits if it can, and in any case.
func (d *Daemon) end(ctx context.Context, u *unit) {
	if u.cancel == nil {
		return
	}
	for _, step := range []struct {
		do      func()
		patient time.Duration
	}{
		{u.Finish, finishTimeout},
		{u.Drain, retireTimeout},
		{func() { u.cancel(errReplaced) }, 0},
	} {
		step.do()
		if step.patient == 0 {
			<-u.ended
			return
		}
		select {
		case <-u.ended:
			return
		case <-time.After(step.patient):
		case <-ctx.Done():
		}
		if ctx.Err() == nil {
			d.log.Info("a pipeline that changes takes its time to end", "pipeline", u.Name)
		}
	}
}

// same reports whether a pipeline would be built as it runs.
func (d *Daemon) same(u *unit, pc config.Pipeline) bool {
	if !reflect.DeepEqual(placeless(u.config), placeless(pc)) {
		return false
	}
	for i, s := range u.sources {
		if !d.catalog.Same(s, "source", pc.Sources[i].Type, pc.Sources[i].Settings) {
			return false
		}
	}
	for i, s := range u.sinks {
		if !d.catalog.Same(s, "sink", pc.Sinks[i].Type, pc.Sinks[i].Settings) {
			return false
		}
	}
	return true
}

// placeless is a pipeline without what may differ though it means the same: where it stands,
// what describes it, and the time that an age has come to.
func placeless(pc config.Pipeline) config.Pipeline {
	pc.Pos, pc.Description = config.Pos{}, ""
	pc.Sources, pc.Sinks = slices.Clone(pc.Sources), slices.Clone(pc.Sinks)
	for i := range pc.Sources {
		s := &pc.Sources[i]
		s.Pos, s.Description, s.Since = config.Pos{}, "", time.Time{}
	}
	for i := range pc.Sinks {
		pc.Sinks[i].Pos = config.Pos{}
	}
	return pc
}

// stop stops plugins that nobody uses any more.
func (d *Daemon) stop(blocks []catalog.Block) {
	if len(blocks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	d.catalog.Stop(ctx, blocks...)
}

// A shelf holds units whose plugins may be used again, each once.
type shelf struct {
	units   []*unit
	taken   []catalog.Block
	started []catalog.Block // those that were not on the shelf
}

func (s *shelf) source(c *catalog.Catalog, name string, sc config.Source) (*catalog.Source, error) {
	for _, u := range s.units {
		for _, b := range u.sources {
			if s.take(c, b, "source", sc.Type, sc.Settings) {
				return b, nil
			}
		}
	}
	b, err := c.Source(name, sc.Type, sc.Settings)
	if err == nil {
		s.started = append(s.started, b)
	}
	return b, err
}

func (s *shelf) sink(c *catalog.Catalog, name string, sc config.Sink) (*catalog.Sink, error) {
	for _, u := range s.units {
		for _, b := range u.sinks {
			if s.take(c, b, "sink", sc.Type, sc.Settings) {
				return b, nil
			}
		}
	}
	b, err := c.Sink(name, sc.Type, sc.Settings)
	if err == nil {
		s.started = append(s.started, b)
	}
	return b, err
}

func (s *shelf) take(c *catalog.Catalog, b catalog.Block, kind, typ string, settings []byte) bool {
	if slices.Contains(s.taken, b) || !c.Same(b, kind, typ, settings) {
		return false
	}
	s.taken = append(s.taken, b)
	return true
}

// blocks are the plugins of a unit.
func (u *unit) blocks() []catalog.Block {
	var all []catalog.Block
	for _, s := range u.sources {
		all = append(all, s)
	}
	for _, s := range u.sinks {
		all = append(all, s)
	}
	return all
}

// adopt gives plugins that served other blocks the names of this unit's.
func (u *unit) adopt() {
	for i, s := range u.sources {
		s.Rename(fmt.Sprintf("%s.source.%d", u.Name, i+1))
	}
	for i, s := range u.sinks {
		s.Rename(u.Name + "." + u.config.Sinks[i].Name)
	}
}
