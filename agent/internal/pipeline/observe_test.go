package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// observe runs a pipeline as a service in a bubble while the test looks at it.
func observe(t *testing.T, c func() pipeline.Config, during func(p *pipeline.Pipeline)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		config := c()
		config.Once = false
		p := pipeline.New(config)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		during(p)
		p.Drain()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// at makes an event of a stream.
func at(id, account, region string, when time.Time) sdk.Event {
	return sdk.Event{ID: id, Name: "Event", Account: account, Region: region, Time: when, Raw: []byte(`{}`)}
}

func TestCountsOfEachSourceAddUp(t *testing.T) {
	first, second := newSource().add("a", 25), newSource().add("b", 7)
	first.addEvents("odd", sdk.Event{ID: "bad", Reject: "no event", Raw: []byte(`x`)}, sdk.Event{ID: "a-3", Name: "Event", Raw: []byte(`{}`)})
	sink := newSink()
	c := config(first, sink)
	c.Sources = append(c.Sources, c.Sources[0])
	c.Sources[1].Plugin = second
	c.Filter = compile(t, filter.Config{EventNames: []string{"Event"}})
	p := pipeline.New(c)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := p.Stats().Sources
	if len(got) != 2 || got[0].Name != "fake" || got[1].Name != "fake-2" {
		t.Fatalf("sources %+v", got)
	}
	for i, want := range []struct{ splits, read, quarantined int64 }{{2, 27, 1}, {1, 7, 0}} {
		s := got[i]
		k := s.Sinks[0]
		if s.Settled != want.splits || s.Read != want.read || k.Quarantined != want.quarantined || s.Read != s.Filtered+k.Stored+k.Duplicate+k.Quarantined {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if s.Backlog != (pipeline.Backlog{}) {
			t.Errorf("%s: backlog at the end %+v", s.Name, s.Backlog)
		}
	}
}

func TestAFailureIsToldUntilItWorksAgain(t *testing.T) {
	denied := sdk.Denied(errors.New("AccessDenied: no ListBucket"))
	var source *fakeSource
	var broken atomic.Bool
	observe(t, func() pipeline.Config {
		source = newSource().add("a", 1)
		source.discover = func(int) error {
			if broken.Load() {
				return denied
			}
			return nil
		}
		return config(source, newSink())
	}, func(p *pipeline.Pipeline) {
		<-time.After(10 * time.Second)
		synctest.Wait()
		s := p.Stats().Sources[0]
		if len(s.Failures) > 0 || s.LastError != nil || s.Listed.IsZero() || !s.CaughtUp {
			t.Errorf("while all is well: %+v", s)
		}
		broken.Store(true)
		<-time.After(5 * time.Minute)
		synctest.Wait()
		s = p.Stats().Sources[0]
		if len(s.Failures) != 1 || s.Failures[0].What != "list" || !s.Failures[0].Denied || s.Failures[0].Err != denied.Error() || s.Failures[0].Count < 2 {
			t.Errorf("while the listing is denied: %+v", s.Failures)
		}
		broken.Store(false)
		<-time.After(2 * time.Minute)
		synctest.Wait()
		s = p.Stats().Sources[0]
		if len(s.Failures) > 0 || s.LastError == nil || s.LastError.Err != denied.Error() {
			t.Errorf("after it works again: %+v, last %+v", s.Failures, s.LastError)
		}
	})
}

func TestASplitThatCannotBeReadIsToldUntilItIsReadOrGone(t *testing.T) {
	for name, mend := range map[string]func(*fakeSource, *bool){
		"read": func(_ *fakeSource, broken *bool) { *broken = false },
		"gone": func(s *fakeSource, _ *bool) { s.splits = s.splits[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			var source *fakeSource
			broken := true
			observe(t, func() pipeline.Config {
				source = newSource().add("good", 1).add("bad", 1)
				source.fetch = func(split string, _ int) error {
					source.mu.Lock()
					defer source.mu.Unlock()
					if broken && split == "bad" {
						return sdk.Denied(errors.New("AccessDenied: no kms:Decrypt"))
					}
					return nil
				}
				return config(source, newSink())
			}, func(p *pipeline.Pipeline) {
				<-time.After(5 * time.Minute)
				synctest.Wait()
				if s := p.Stats().Sources[0]; s.Unread != 1 || len(s.Failures) != 1 || s.Failures[0].What != "read" {
					t.Errorf("while it fails: unread %d, %+v", s.Unread, s.Failures)
				}
				source.mu.Lock()
				mend(source, &broken)
				source.mu.Unlock()
				<-time.After(10 * time.Minute)
				synctest.Wait()
				if s := p.Stats().Sources[0]; s.Unread != 0 || len(s.Failures) != 0 {
					t.Errorf("afterwards: unread %d, %+v", s.Unread, s.Failures)
				}
			})
		})
	}
}

func TestASinkThatIsAwayIsTold(t *testing.T) {
	var sink *fakeSink
	down := true
	observe(t, func() pipeline.Config {
		sink = newSink()
		sink.write = func(int, sdk.Batch) error {
			if down {
				return errDown
			}
			return nil
		}
		return config(newSource().add("a", 1), sink)
	}, func(p *pipeline.Pipeline) {
		<-time.After(time.Minute)
		synctest.Wait()
		h := p.Stats().Health[0]
		if len(h.Failures) != 1 || h.Failures[0].What != "write" || h.Failures[0].Denied || time.Since(h.Failures[0].Since) < 50*time.Second {
			t.Errorf("while it is down: %+v", h)
		}
		if s := p.Stats().Sources[0]; s.Backlog.Writing != 1 || s.Backlog.Bytes != 100 {
			t.Errorf("backlog %+v", s.Backlog)
		}
		sink.mu.Lock()
		down = false
		sink.mu.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		if h := p.Stats().Health[0]; len(h.Failures) > 0 || h.LastError == nil || h.Success.IsZero() {
			t.Errorf("when it is back: %+v", h)
		}
	})
}

func TestAnAnswerThatDoesNotComeIsTold(t *testing.T) {
	var sink *fakeSink
	observe(t, func() pipeline.Config {
		sink = newSink()
		sink.write = func(int, sdk.Batch) error { <-time.After(time.Hour); return nil }
		return config(newSource().add("a", 1), sink)
	}, func(p *pipeline.Pipeline) {
		<-time.After(10 * time.Minute)
		if h := p.Stats().Health[0]; time.Since(h.Waiting) < 9*time.Minute {
			t.Errorf("%+v", h)
		}
		<-time.After(2 * time.Hour)
	})
}

func TestAWatchThatHearsNothingWorksAgain(t *testing.T) {
	var tries atomic.Int64
	observe(t, func() pipeline.Config {
		c := config(newSource(), newSink())
		c.Sources[0].Plugin = watched{c.Sources[0].Plugin.(*fakeSource), func() bool { return tries.Add(1) < 4 }}
		return c
	}, func(p *pipeline.Pipeline) {
		<-time.After(2 * time.Second)
		if s := p.Stats().Sources[0]; len(s.Failures) != 1 || s.Failures[0].What != "watch" {
			t.Errorf("while it fails: %+v", s.Failures)
		}
		<-time.After(2 * time.Minute)
		if s := p.Stats().Sources[0]; len(s.Failures) != 0 {
			t.Errorf("afterwards: %+v", s.Failures)
		}
	})
}

// watched is a source whose queue is refused while fails says so, and empty then.
type watched struct {
	*fakeSource
	fails func() bool
}

func (w watched) Watch(ctx context.Context, _ func([]sdk.Split) error) error {
	if w.fails() {
		return errDown
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestStreamsTellTheNewestEventAndTheirHabit(t *testing.T) {
	source := newSource()
	now := time.Now().Truncate(time.Minute)
	for i := range 20 { // one event in five minutes of one stream, and one in twenty of another
		source.addEvents(fmt.Sprintf("s%d", i),
			at(fmt.Sprintf("a%d", i), "111111111111", "ap-northeast-2", now.Add(-time.Duration(i)*5*time.Minute)),
			at(fmt.Sprintf("b%d", i), "111111111111", "us-east-1", now.Add(-time.Duration(i)*20*time.Minute)),
		)
	}
	source.addEvents("future", at("f", "111111111111", "us-east-1", now.Add(48*time.Hour)))
	source.addEvents("old", at("o", "222222222222", "eu-west-1", now.Add(-300*24*time.Hour)))
	source.addEvents("hostile", at("h", "<script>", "x\x1b[31m", now))
	p := pipeline.New(config(source, newSink()))
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]pipeline.Stream)
	for _, s := range p.Stats().Sources[0].Streams {
		got[s.Account+"/"+s.Region] = s
	}
	seoul, east, old := got["111111111111/ap-northeast-2"], got["111111111111/us-east-1"], got["222222222222/eu-west-1"]
	if !seoul.Newest.Equal(now) || seoul.Events != 20 || seoul.Usual != 5*time.Minute || seoul.Quiet != 30*time.Minute || !seoul.Live || !seoul.Current {
		t.Errorf("Seoul %+v", seoul)
	}
	if !east.Newest.Equal(now) || east.Usual != 20*time.Minute || east.Quiet != 2*time.Hour {
		t.Errorf("us-east-1 %+v: an event of the day after tomorrow is not believed", east)
	}
	if old.Live || old.Quiet != 0 {
		t.Errorf("a stream of long ago %+v", old)
	}
	if _, ok := got["odd/odd"]; !ok || len(got) != 4 {
		t.Errorf("streams %v", got)
	}
}

func TestNightsAreAHabitAndOneOutageIsNot(t *testing.T) {
	now := time.Date(2026, 11, 25, 18, 0, 0, 0, time.UTC)
	habit := func(quiet func(time.Time) bool) pipeline.Stream {
		var events []sdk.Event
		for m := now.Add(-6 * 24 * time.Hour); !m.After(now); m = m.Add(5 * time.Minute) {
			if !quiet(m) {
				events = append(events, at(m.String(), "1", "r", m))
			}
		}
		source := newSource().addEvents("s", events...)
		var streams []pipeline.Stream
		synctest.Test(t, func(t *testing.T) { // the clock of a bubble starts in 2000
			<-time.After(time.Until(now))
			p := pipeline.New(config(source, newSink()))
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			streams = p.Stats().Sources[0].Streams
		})
		return streams[0]
	}
	nights := habit(func(m time.Time) bool { return m.Hour() < 8 })
	if nights.Quiet < 12*time.Hour || nights.Quiet > 13*time.Hour {
		t.Errorf("quiet for %s with nights of 8 hours, want about 12h", nights.Quiet)
	}
	outage := habit(func(m time.Time) bool { return m.Day() == 22 && m.Hour() < 8 })
	if outage.Quiet > 40*time.Minute {
		t.Errorf("quiet for %s with one outage of 8 hours, want about 30m", outage.Quiet)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	source := newSource()
	for i := range 60 {
		var events []sdk.Event
		for j := range 40 {
			n := i*40 + j
			events = append(events, at(fmt.Sprint(n), fmt.Sprintf("%012d", n), "r", time.Now()))
		}
		source.addEvents(fmt.Sprint(i), events...)
	}
	p := pipeline.New(config(source, newSink()))
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := p.Stats().Sources[0]
	if len(s.Streams) != 2000 || s.Unwatched != 400 {
		t.Errorf("%d streams, %d events of others", len(s.Streams), s.Unwatched)
	}
}

func TestALongBackfillTellsHowLongItTakes(t *testing.T) {
	observe(t, func() pipeline.Config {
		source := newSource()
		source.small = true
		for i := range 400 {
			source.add(fmt.Sprint(i), 1)
		}
		source.fetch = func(string, int) error { <-time.After(time.Minute); return nil }
		source.times = map[string]time.Time{}
		for i := range 400 { // not in sight of the live listings
			source.times[fmt.Sprint(i)] = time.Now().Add(-100 * 24 * time.Hour)
		}
		return config(source, newSink())
	}, func(p *pipeline.Pipeline) {
		<-time.After(12*time.Minute + 30*time.Second)
		b := p.Stats().Sources[0].Backfill
		if !b.Running || b.Total != 400 || b.TotalBytes != 40_000 || b.Seen < 180 || b.Seen > 220 {
			t.Errorf("half way: %+v", b)
		}
		if left := b.Left(time.Now()); left < 10*time.Minute || left > 16*time.Minute {
			t.Errorf("left %s", left)
		}
		<-time.After(20 * time.Minute)
		if b := p.Stats().Sources[0].Backfill; b.Running || b.Left(time.Now()) != 0 {
			t.Errorf("at the end: %+v", b)
		}
	})
}
