package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// longWait is longer than any watchdog's time.
const longWait = 24 * time.Hour

// during runs a pipeline as a service while check looks at it, and ends it by force.
func during(t *testing.T, c pipeline.Config, check func(t *testing.T, p *pipeline.Pipeline)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Once = false
		p := pipeline.New(c)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		check(t, p)
		cancel()
		if err := <-ended; err == nil {
			t.Error("Run ended as if it had come to an end by itself")
		}
	})
}

// What takes long is not wedged: no event for days, a database that is away, a source that
// does not open, a split that is not read to its end, a listing without an end.
func TestWaitingIsNotWedged(t *testing.T) {
	tests := map[string]func(*fakeSource, *fakeSink, *pipeline.Config){
		"nothing to do":      func(*fakeSource, *fakeSink, *pipeline.Config) {},
		"the past is listed": func(s *fakeSource, _ *fakeSink, _ *pipeline.Config) { s.windowed = true },
		"the database is away": func(_ *fakeSource, k *fakeSink, _ *pipeline.Config) {
			k.write = func(int, sdk.Batch) error { return errors.New("connection refused") }
		},
		"the sink does not open": func(_ *fakeSource, _ *fakeSink, c *pipeline.Config) {
			c.Sinks[0].Parallel = func(context.Context) (int, error) { return 0, sdk.Denied(errors.New("refused")) }
		},
		"the source does not open": func(_ *fakeSource, _ *fakeSink, c *pipeline.Config) {
			c.Sources[0].Windowed = func(context.Context) (bool, error) { return false, errors.New("crashed") }
		},
		"the bucket is denied": func(s *fakeSource, _ *fakeSink, _ *pipeline.Config) {
			s.discover = func(int) error { return sdk.Denied(errors.New("AccessDenied")) }
		},
		"a split takes for ever": func(s *fakeSource, _ *fakeSink, _ *pipeline.Config) {
			s.fetch = func(string, int) error { <-time.After(2 * longWait); return nil }
		},
		"a listing takes for ever": func(s *fakeSource, _ *fakeSink, _ *pipeline.Config) {
			s.discover = func(int) error { <-time.After(2 * longWait); return nil }
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			source, sink := newSource().add("a", 25), newSink()
			c := config(source, sink)
			arrange(source, sink, &c)
			during(t, c, func(t *testing.T, p *pipeline.Pipeline) {
				for range 48 {
					<-time.After(longWait / 48)
					if what := p.Wedged(time.Minute); what != "" {
						t.Fatalf("%s is wedged", what)
					}
				}
			})
		})
	}
}

// stuckLog blocks in one message: a stand-in for a bug that has a loop wait for what
// never comes.
type stuckLog struct {
	slog.Handler
	message string
	release chan struct{}
}

func (h stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (h stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		<-h.release
	}
	return nil
}

func TestALoopThatDoesNotComeRoundIsWedged(t *testing.T) {
	for _, tc := range []struct {
		message, loop string
		windowed      bool
	}{
		{"listed", "poll of fake", false},
		{"listed everything", "backfill of fake", true},
	} {
		source, sink := newSource().add("a", 5), newSink()
		source.small = tc.windowed
		c := config(source, sink)
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			c.Once = false
			c.Log = slog.New(stuckLog{slog.DiscardHandler, tc.message, release})
			p := pipeline.New(c)
			ended := make(chan error)
			go func() { ended <- p.Run(t.Context()) }()
			<-time.After(30 * time.Second)
			if what := p.Wedged(time.Minute); what != "" {
				t.Errorf("%s is wedged after half a minute", what)
			}
			<-time.After(time.Minute)
			if what := p.Wedged(time.Minute); what != tc.loop {
				t.Errorf("wedged is %q, want %q", what, tc.loop)
			}
			close(release)
			synctest.Wait()
			if what := p.Wedged(time.Minute); what != "" {
				t.Errorf("%s is wedged though it goes on", what)
			}
			p.Drain()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// Finish reads what is in hand to its end; Drain would have given it up.
func TestFinishEndsAtTheBoundaryOfSplits(t *testing.T) {
	source, sink := newSource().add("a", 25).add("b", 25), newSink()
	var once sync.Once
	var reading chan struct{}
	source.midway = func(string, int) error {
		once.Do(func() { close(reading) })
		<-time.After(time.Hour)
		return nil
	}
	c := config(source, sink)
	synctest.Test(t, func(t *testing.T) {
		reading = make(chan struct{}) // of this bubble
		c.Once = false
		p := pipeline.New(c)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		<-reading
		synctest.Wait()
		p.Finish()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		sink.check(t, 50)
		if source.fetched["a"] != 1 || source.fetched["b"] != 1 {
			t.Errorf("fetched %v", source.fetched)
		}
		if s := p.Stats(); s.Settled != 2 || s.Sinks[0].Stored != 50 || s.Sinks[0].Duplicate != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDrainAfterFinishDoesNotWaitForASplit(t *testing.T) {
	source, sink := newSource().add("a", 25), newSink()
	c := config(source, sink)
	synctest.Test(t, func(t *testing.T) {
		reading := make(chan struct{})
		source.fetch = func(string, int) error { close(reading); <-time.After(time.Hour); return nil }
		c.Once = false
		p := pipeline.New(c)
		ended := make(chan error)
		began := time.Now()
		go func() { ended <- p.Run(t.Context()) }()
		<-reading
		p.Finish()
		<-time.After(time.Minute)
		p.Drain()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		// The fake does not look at its context, so it takes its hour; nothing of it is
		// stored.
		if took := time.Since(began); took > 61*time.Minute {
			t.Errorf("took %v", took)
		}
		if s := p.Stats(); s.Settled != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A pipeline that gets more memory while it waits for some goes on.
func TestMemoryCanBeChangedWhileItRuns(t *testing.T) {
	source, sink := newSource().add("a", 30).add("b", 30), newSink()
	c := config(source, sink)
	c.Memory = 1
	during(t, c, func(t *testing.T, p *pipeline.Pipeline) {
		p.SetMemory(32 << 20)
		p.SetMemory(1 << 10)
		<-time.After(time.Minute)
		if s := p.Stats(); s.Settled != 2 {
			t.Errorf("stats %+v", s)
		}
	})
	sink.check(t, 60)
}
