package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
)

// A served is a daemon that runs as a service, until the test ends.
type served struct {
	*daemon.Daemon
	dir   string
	ended chan error
}

func startService(t *testing.T, pipelines ...config.Pipeline) *served {
	t.Helper()
	s := &served{dir: stateDir(t), ended: make(chan error, 1)}
	d, err := daemon.New(configuration(s.dir, pipelines...), plugins(), daemon.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.Daemon = d
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.ended <- d.Run(context.Background())
	}()
	t.Cleanup(func() {
		s.Drain()
		<-stopped
	})
	return s
}

func (s *served) reload(t *testing.T, pipelines ...config.Pipeline) daemon.Changes {
	t.Helper()
	changes, err := s.Reload(t.Context(), configuration(s.dir, pipelines...))
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// pids are the processes by block, once all of them run.
func (s *served) pids(t *testing.T) map[string]int {
	t.Helper()
	pids := make(map[string]int)
	until(t, "all plugins run", func() bool {
		clear(pids)
		for _, p := range s.Plugins() {
			if !p.Running {
				return false
			}
			pids[p.Block] = p.PID
		}
		return true
	})
	return pids
}

func (s *served) settled(t *testing.T, name string, splits int64) {
	t.Helper()
	until(t, "settled", func() bool {
		names, stats := s.Stats()
		i := slices.Index(names, name)
		return i >= 0 && stats[i].Settled+stats[i].Known >= splits
	})
}

func TestWhatAReloadDoesNotTouchGoesOn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a, b := carry("a", "lines", linesTo(out+"a")), carry("b", "lines", linesTo(out+"b"))
	s := startService(t, a, b)
	s.settled(t, "a", 20)
	before := s.pids(t)

	// The same file again, moved about in it, and described otherwise.
	a.Pos.Line, a.Description, a.Sources[0].Description = 7, "new", "words"
	a.Sources[0].Since, a.Sources[0].SinceText = time.Now().Add(-time.Hour), ""
	if got, want := s.reload(t, a, b).String(), "unchanged: a, b"; got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	if d := cmp.Diff(before, s.pids(t)); d != "" {
		t.Errorf("processes: %s", d)
	}

	// The filter of one: its plugins go on as well.
	b.Filter = filter.Config{EventNames: []string{"Nothing"}}
	if got, want := s.reload(t, a, b).String(), "changed: b; unchanged: a"; got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	if d := cmp.Diff(before, s.pids(t)); d != "" {
		t.Errorf("processes: %s", d)
	}

	// A sink's setting: that sink alone starts anew.
	b.Sinks[0].Settings = linesTo(out + "c")
	s.reload(t, a, b)
	after := s.pids(t)
	if after["b.lines"] == before["b.lines"] {
		t.Error("the sink that changed is still the same process")
	}
	delete(after, "b.lines")
	delete(before, "b.lines")
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("processes: %s", d)
	}
}

func TestAReloadAddsAndRemovesPipelinesAndBlocks(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a, b := carry("a", "lines", linesTo(out+"a")), carry("b", "lines", linesTo(out+"b"))
	s := startService(t, a)
	s.settled(t, "a", 20)
	before := s.pids(t)
	if got, want := s.reload(t, b, a).String(), "added: b; unchanged: a"; got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	s.settled(t, "b", 20)
	if ids, _ := written(t, out+"b"); len(ids) != 200 {
		t.Errorf("the new pipeline carried %d", len(ids))
	}
	if names, _ := s.Stats(); !slices.Equal(names, []string{"b", "a"}) {
		t.Errorf("order %v", names)
	}

	// A source in front of the one that runs takes its number, and not its process.
	more := a
	first := a.Sources[0]
	first.Settings = to(map[string]any{"splits": 25})
	more.Sources = []config.Source{first, a.Sources[0]}
	if got, want := s.reload(t, more).String(), "changed: a; removed: b"; got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	after := s.pids(t)
	if after["a.source.2"] != before["a.source.1"] || after["a.lines"] != before["a.lines"] || len(after) != 3 {
		t.Errorf("processes before %v, after %v", before, after)
	}
	s.settled(t, "a", 25)
	until(t, "carried the new ones", func() bool { ids, _ := written(t, out+"a"); return len(ids) == 250 })
	// The ledger knows what was carried before.
	if _, total := written(t, out+"a"); total != 250 {
		t.Errorf("%d lines", total)
	}
}

func TestAReloadThatFailsChangesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a := carry("a", "lines", linesTo(out+"a"))
	s := startService(t, a)
	s.settled(t, "a", 20)
	before := s.pids(t)
	changed, unknown, disabled := a, carry("b", "nothing", linesTo(out)), a
	changed.Filter = filter.Config{EventNames: []string{"Nothing"}}
	disabled.Enabled = false
	for name, c := range map[string][]config.Pipeline{
		"a sink that is not there": {changed, unknown},
		"nothing to run":           {disabled},
	} {
		if changes, err := s.Reload(t.Context(), configuration(s.dir, c...)); err == nil {
			t.Errorf("%s: %v", name, changes)
		}
		if d := cmp.Diff(before, s.pids(t)); d != "" {
			t.Errorf("%s: processes: %s", name, d)
		}
	}
	if got, want := s.reload(t, a).String(), "unchanged: a"; got != want {
		t.Errorf("afterwards %q, want %q", got, want)
	}
}

// The splits in hand are read to their end: nothing is read twice, and nothing is left.
func TestAReloadEndsAtTheBoundaryOfSplits(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a := carry("a", "lines", linesTo(out))
	a.Sources[0].Settings = to(map[string]any{"splits": 600})
	a.Sources[0].Interval = time.Second
	s := startService(t, a)
	for i := range 5 {
		until(t, "under way", func() bool {
			_, total := written(t, out)
			return total > i*500
		})
		a.Batch.MaxEvents = 30 + i
		s.reload(t, a)
	}
	s.settled(t, "a", 600)
	until(t, "all carried", func() bool { ids, _ := written(t, out); return len(ids) == 6000 })
	if _, total := written(t, out); total != 6000 {
		t.Errorf("%d lines for 6000 events", total)
	}
}

// A sink that never answers does not keep the old pipeline alive for ever.
func TestAReloadDoesNotWaitForASinkForEver(t *testing.T) {
	a := carry("a", "hostile", to(map[string]any{"how": "never answers"}))
	s := startService(t, a)
	s.pids(t)
	out := filepath.Join(t.TempDir(), "out")
	b := carry("a", "lines", linesTo(out))
	s.reload(t, b)
	s.settled(t, "a", 20)
}

func TestAStopDuringAReloadStops(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a := carry("a", "lines", linesTo(out))
	s := startService(t, a)
	s.pids(t)
	reloaded := make(chan error, 1)
	go func() {
		a.Batch.MaxEvents++
		_, err := s.Reload(t.Context(), configuration(s.dir, a))
		reloaded <- err
	}()
	s.Drain()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	if err := <-reloaded; err != nil {
		t.Log("the reload that the end met:", err) // it may come first, or not
	}
	if _, err := s.Reload(t.Context(), configuration(s.dir, a)); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("reload after the end: %v", err)
	}
}

func TestMemoryIsSharedAnew(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	a := carry("a", "lines", linesTo(out))
	s := startService(t, a)
	c := configuration(s.dir, a)
	c.Agent.MemoryLimit = 8 << 20
	c.Agent.StateDir = filepath.Join(t.TempDir(), "other")
	changes, err := s.Reload(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := changes.String(), "unchanged: a; at the next start: state_dir"; got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
}
