package pipeline_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// serve runs a pipeline as a service while the test goes on, in a bubble where time
// passes only while all wait, and drains it at the end. prepare makes what has to be made
// in the bubble.
func serve(t *testing.T, c pipeline.Config, during func(), prepare ...func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Once = false
		for _, s := range c.Sources {
			if source := s.Plugin.(*fakeSource); source.announces {
				source.announced = make(chan []sdk.Split) // of this bubble
			}
		}
		for _, f := range prepare {
			f()
		}
		p := pipeline.New(c)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		during()
		p.Drain()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAWindowedSourceIsListedFurtherBackEverMoreRarely(t *testing.T) {
	source, sink := newSource(), newSink()
	source.windowed = true
	serve(t, config(source, sink), func() { <-time.After(15 * 24 * time.Hour) })
	full := 0
	for _, r := range source.ranges {
		if r.Since.IsZero() {
			full++
		}
	}
	if full != 3 {
		t.Errorf("%d full listings in 15 days, want 3: at the start and once a week", full)
	}
	polls := 15 * 24 * 60
	if n := len(source.ranges) - full; n < polls-10 || n > polls+10 {
		t.Errorf("%d live listings in 15 days, want one a minute", n)
	}
}

func TestALateSplitIsFoundByALongerLookBack(t *testing.T) {
	for name, late := range map[string]time.Duration{"hours": 20 * time.Hour, "days": 20 * 24 * time.Hour, "months": 90 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			source, sink := newSource().add("a", 1), newSink()
			source.windowed = true
			serve(t, config(source, sink), func() {
				<-time.After(time.Hour)
				source.mu.Lock()
				source.times = map[string]time.Time{"late": time.Now().Add(-late)}
				source.mu.Unlock()
				source.add("late", 2)
				<-time.After(8 * 24 * time.Hour)
			})
			sink.check(t, 3)
		})
	}
}

func TestAnOldSplitThatWasGivenUpIsTriedAgainWithinTheHour(t *testing.T) {
	source, sink := newSource().add("old", 2), newSink()
	source.windowed = true
	source.times = map[string]time.Time{"old": time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)}
	source.fetch = func(_ string, attempt int) error {
		if attempt < 8 {
			return sdk.Denied(errDown)
		}
		return nil
	}
	serve(t, config(source, sink), func() { <-time.After(10 * time.Hour) })
	sink.check(t, 2)
}

func TestASmallSourceIsListedInFullThoughItIsWindowed(t *testing.T) {
	source, sink := newSource(), newSink()
	source.small = true
	serve(t, config(source, sink), func() {
		<-time.After(10 * time.Minute)
		source.mu.Lock()
		source.times = map[string]time.Time{"ancient": time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)}
		source.mu.Unlock()
		source.add("ancient", 2)
		<-time.After(2 * time.Minute)
	})
	sink.check(t, 2)
}

func TestASlowSourceDoesNotHoldUpAnother(t *testing.T) {
	slow, quick, sink := newSource(), newSource(), newSink()
	for i := range 100 {
		slow.add(time.Duration(i).String(), 1)
	}
	slow.fetch = func(string, int) error { <-time.After(time.Hour); return nil }
	quick.add("quick", 3)
	c := config(slow, sink)
	second := c.Sources[0]
	second.Type, second.Plugin = "other", quick
	c.Sources = append(c.Sources, second)
	serve(t, c, func() {
		<-time.After(time.Minute)
		sink.mu.Lock()
		defer sink.mu.Unlock()
		if sink.rows["quick-0"] == "" {
			t.Error("the quick source waits for the slow one")
		}
	})
}

func TestASourceThatIsNotWindowedIsListedInFull(t *testing.T) {
	source, sink := newSource(), newSink()
	serve(t, config(source, sink), func() { <-time.After(3 * time.Hour) })
	for _, r := range source.ranges {
		if !r.Since.IsZero() {
			t.Fatalf("listed only %v", r)
		}
	}
	if n := len(source.ranges); n < 175 || n > 185 {
		t.Errorf("%d listings in 3 hours, want one a minute", n)
	}
}

func TestAnnouncedSplitsAreReadAndSettled(t *testing.T) {
	source, sink := newSource(), newSink()
	source.add("told", 3)
	source.splits = nil // no listing shows it
	source.announces = true
	serve(t, config(source, sink), func() {
		source.announced <- []sdk.Split{{ID: "told"}}
		<-time.After(time.Minute)
		source.mu.Lock()
		delete(source.settled, "told")
		source.mu.Unlock()
		source.announced <- []sdk.Split{{ID: "told"}} // again: the ledger knows it
		<-time.After(time.Minute)
		if err, ok := source.outcome("told"); !ok || err != nil {
			t.Errorf("a split that was announced twice was not settled twice: %v %v", ok, err)
		}
	})
	sink.check(t, 3)
	if source.fetched["told"] != 1 {
		t.Errorf("fetched %d times", source.fetched["told"])
	}
}

// Two blocks may see one split: one lists it, the other is told of it and has a message in
// hand until it hears the end.
func TestASplitThatAnotherBlockReadsIsSettledForTheOneThatAnnouncedIt(t *testing.T) {
	lister, teller, sink := newSource().add("both", 3), newSource(), newSink()
	lister.fetch = func(string, int) error { <-time.After(10 * time.Second); return nil }
	teller.announces = true
	c := config(lister, sink)
	c.Sources = append(c.Sources, config(teller).Sources...)
	serve(t, c, func() {
		<-time.After(5 * time.Second)
		teller.announced <- []sdk.Split{{ID: "both"}}
		<-time.After(time.Second)
		if _, ok := teller.outcome("both"); ok {
			t.Error("the split was settled while it was read")
		}
		<-time.After(20 * time.Second)
		for name, s := range map[string]*fakeSource{"that read it": lister, "that announced it": teller} {
			if err, ok := s.outcome("both"); !ok || err != nil {
				t.Errorf("source %s was not told its end: %v %v", name, ok, err)
			}
		}
	})
	sink.check(t, 3)
}

func TestAnAnnouncedSplitThatCannotBeReadGoesBack(t *testing.T) {
	source, sink := newSource(), newSink()
	source.add("told", 3)
	source.splits = nil
	source.fetch = func(string, int) error { return errDown }
	source.announces = true
	serve(t, config(source, sink), func() {
		source.announced <- []sdk.Split{{ID: "told"}}
		<-time.After(time.Minute)
		if err, _ := source.outcome("told"); !errors.Is(err, errDown) {
			t.Errorf("settled with %v, want the error", err)
		}
	})
	sink.check(t, 0)
}

func TestAnnouncedSplitsOutsideTheRangeAreSettledUnread(t *testing.T) {
	source, sink := newSource(), newSink()
	source.add("old", 3)
	source.splits = nil
	source.announces = true
	c := config(source, sink)
	c.Range.Since = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	serve(t, c, func() {
		source.announced <- []sdk.Split{{ID: "old", Time: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}}
		<-time.After(time.Minute)
		if err, ok := source.outcome("old"); !ok || err != nil {
			t.Errorf("settled: %v %v", ok, err)
		}
	})
	sink.check(t, 0)
}

func TestLiveSplitsGoBeforeTheBackfill(t *testing.T) {
	source, sink := newSource(), newSink()
	source.windowed = true
	source.times = make(map[string]time.Time)
	for i := range 400 {
		id := time.Duration(i).String()
		source.add(id, 1)
		source.times[id] = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	source.fetch = func(string, int) error { <-time.After(time.Minute); return nil }
	serve(t, config(source, sink), func() {
		<-time.After(90 * time.Second)
		source.add("new", 1)
		<-time.After(3*time.Minute + time.Second)
		sink.mu.Lock()
		defer sink.mu.Unlock()
		if sink.rows["new-0"] == "" {
			t.Error("a new split waits behind the backfill")
		}
		if len(sink.rows) > 200 {
			t.Errorf("the backfill is over after %d rows, the test shows nothing", len(sink.rows))
		}
	})
}
