package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// runOnce runs a pipeline in a bubble where time passes only while all wait.
func runOnce(t *testing.T, c pipeline.Config) (pipeline.Stats, error) {
	t.Helper()
	var stats pipeline.Stats
	var err error
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(c)
		err = p.Run(t.Context())
		stats = p.Stats()
	})
	return stats, err
}

func TestEveryEventOfEverySplitIsStored(t *testing.T) {
	for _, sizes := range [][]int{{}, {0}, {1}, {10}, {11}, {100}, {3, 0, 4, 25, 1, 10, 9}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			source, sink, total := newSource(), newSink(), 0
			for i, n := range sizes {
				source.add(fmt.Sprintf("split%d", i), n)
				total += n
			}
			stats, err := runOnce(t, config(source, sink))
			if err != nil {
				t.Fatal(err)
			}
			sink.check(t, total)
			if len(sink.ledger) != len(sizes) || int(stats.Settled) != len(sizes) || int(stats.Read) != total {
				t.Errorf("ledger %d, settled %d, read %d; want %d splits of %d events", len(sink.ledger), stats.Settled, stats.Read, len(sizes), total)
			}
			if sink.largest > 10 {
				t.Errorf("a batch held %d events, at most 10 were asked for", sink.largest)
			}
			for i := range sizes {
				if err, ok := source.settled[fmt.Sprintf("split%d", i)]; !ok || err != nil {
					t.Errorf("split%d settled: %v, %v", i, ok, err)
				}
			}
		})
	}
}

func TestASecondRunFetchesNothing(t *testing.T) {
	source, sink := newSource().add("a", 5).add("b", 30), newSink()
	for range 2 {
		if _, err := runOnce(t, config(source, sink)); err != nil {
			t.Fatal(err)
		}
	}
	sink.check(t, 35)
	if source.fetched["a"] != 1 || source.fetched["b"] != 1 {
		t.Errorf("fetched %v, want each split once", source.fetched)
	}
}

// What a later look finds that the earlier ones did not is how late events are.
func TestWhatEachPassFindsNewIsCounted(t *testing.T) {
	source, sink := newSource().add("5m", 5), newSink()
	late := sdk.Event{ID: "late", Name: "Event", Raw: []byte(`{"eventID":"late"}`)}
	source.addEvents("1h", append(slices.Clone(source.events["5m"]), late)...).add("other", 3)
	source.passes = map[string]string{"5m": "5m/1m", "1h": "1h/1h"}
	first := source.splits
	source.splits = first[:1]
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	source.splits = first[1:]
	stats, err := runOnce(t, config(source, sink))
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.PassStats{{Sink: "sink0", Source: "fake", Pass: "1h/1h", Splits: 1, Stored: 1}}
	if diff := cmp.Diff(want, stats.Passes); diff != "" {
		t.Errorf("passes (-want +got):\n%s", diff)
	}
}

func TestSmallSplitsShareABatch(t *testing.T) {
	source, sink := newSource(), newSink()
	for i := range 100 {
		source.add(fmt.Sprint(i), 1)
	}
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 100)
	if sink.writes > 30 {
		t.Errorf("%d writes for 100 splits of one event each", sink.writes)
	}
}

func TestASplitIsCompletedOnlyAfterAllItsEventsAreDurable(t *testing.T) {
	source, sink := newSource().add("big", 95), newSink()
	sink.write = func(_ int, b sdk.Batch) error {
		if len(b.Completed) == 1 && len(sink.rows)+len(b.Events) != 95 {
			t.Errorf("completed after %d of 95 events", len(sink.rows)+len(b.Events))
		}
		return nil
	}
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 95)
	if c := sink.entry(t, "big"); c.Read != 95 || c.Stored != 95 {
		t.Errorf("entry %+v", c)
	}
}

func TestWritesAreRepeatedUntilTheSinkHasThem(t *testing.T) {
	for name, prepare := range map[string]func(*fakeSink){
		"the sink is down for a while": func(s *fakeSink) {
			s.write = func(n int, _ sdk.Batch) error {
				if n < 20 {
					return errDown
				}
				return nil
			}
		},
		"the answer is lost after the commit": func(s *fakeSink) {
			s.lost = func(n int) error {
				if n%3 == 0 {
					return errDown
				}
				return nil
			}
		},
		"the ledger cannot be asked at first": func(s *fakeSink) {
			s.done = func(n int) error {
				if n < 5 {
					return errDown
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, sink := newSource().add("a", 5).add("b", 42), newSink()
			prepare(sink)
			if _, err := runOnce(t, config(source, sink)); err != nil {
				t.Fatal(err)
			}
			sink.check(t, 47)
		})
	}
}

func TestASplitReadAgainAfterAFaultIsCountedOnce(t *testing.T) {
	source, sink := newSource().add("big", 95).add("small", 4), newSink()
	source.midway = func(_ string, attempt int) error {
		if attempt < 3 {
			return errDown
		}
		return nil
	}
	stats, err := runOnce(t, config(source, sink))
	if err != nil {
		t.Fatal(err)
	}
	sink.check(t, 99)
	if c := sink.entry(t, "big"); c.Read != 95 || c.Stored+c.Duplicate != 95 {
		t.Errorf("entry of the split that was read three times: %+v", c)
	}
	if stats.Read != 99 {
		t.Errorf("read %d, want 99", stats.Read)
	}
}

func TestOneInvalidEventDoesNotTakeItsNeighboursWithIt(t *testing.T) {
	for _, culprits := range [][]string{{"a-0"}, {"a-7"}, {"b-3", "b-4", "a-1"}} {
		t.Run(strings.Join(culprits, ","), func(t *testing.T) {
			source, sink := newSource().add("a", 8).add("b", 33), newSink()
			sink.write = func(_ int, b sdk.Batch) error {
				for _, e := range b.Events {
					for _, c := range culprits {
						if e.ID == c {
							return sdk.Invalid(fmt.Errorf("cannot hold %s", c))
						}
					}
				}
				return nil
			}
			stats, err := runOnce(t, config(source, sink))
			if err != nil {
				t.Fatal(err)
			}
			sink.check(t, 41-len(culprits))
			for _, c := range culprits {
				if sink.quarantine[c] != "cannot hold "+c {
					t.Errorf("quarantine reason of %s = %q", c, sink.quarantine[c])
				}
			}
			if got := stats.Sinks[0].Quarantined; got != int64(len(culprits)) {
				t.Errorf("quarantined %d, want %d", got, len(culprits))
			}
		})
	}
}

func TestEventsThatTheSinkRejectsAreCountedAsQuarantined(t *testing.T) {
	source, sink := newSource().add("a", 8), newSink()
	sink.reject = func(e sdk.Event) string {
		if e.ID == "a-3" {
			return "too odd"
		}
		return ""
	}
	stats, err := runOnce(t, config(source, sink))
	if err != nil {
		t.Fatal(err)
	}
	sink.check(t, 7)
	if stats.Sinks[0] != (pipeline.SinkStats{Name: "sink0", Stored: 7, Quarantined: 1}) {
		t.Errorf("stats %+v", stats.Sinks[0])
	}
}

func TestRecordsThatAreNoEventsGoToQuarantine(t *testing.T) {
	sink := newSink()
	source := newSource().addEvents("a", sdk.Event{ID: "good", Raw: []byte("{}")}, sdk.Event{ID: "bad", Raw: []byte("7"), Reject: "not an object"})
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 1)
	if sink.quarantine["bad"] != "not an object" {
		t.Errorf("quarantine %v", sink.quarantine)
	}
}

// On the wire each entry of the quarantine names its split, and a key may have a thousand bytes.
func TestTheNameOfTheSplitCountsForEachQuarantinedRecord(t *testing.T) {
	source, sink, split := newSource(), newSink(), strings.Repeat("k", 1000)
	bad := make([]sdk.Event, 8)
	for i := range bad {
		bad[i] = sdk.Event{ID: fmt.Sprint(i), Raw: []byte("7"), Reject: "not an object"}
	}
	source.addEvents(split, bad...)
	c := config(source, sink)
	c.Batch.MaxBytes = 3 * 1300
	sink.write = func(_ int, b sdk.Batch) error {
		if n := len(b.Quarantine); n > 3 {
			t.Errorf("%d entries in a write of at most %d bytes", n, c.Batch.MaxBytes)
		}
		return nil
	}
	if _, err := runOnce(t, c); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 0)
	if len(sink.quarantine) != len(bad) {
		t.Errorf("%d records in quarantine, want %d", len(sink.quarantine), len(bad))
	}
}

func TestSplitsThatCannotBeReadForGood(t *testing.T) {
	for name, tc := range map[string]struct {
		err        error
		status     sdk.Status
		quarantine string
	}{
		"an object that is gone is recorded":   {sdk.Gone(errors.New("no such key")), sdk.StatusGone, ""},
		"an invalid object goes to quarantine": {sdk.Invalid(errors.New("bad gzip")), sdk.StatusInvalid, "bad gzip"},
	} {
		for _, size := range []int{6, 70} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				source, sink := newSource().add("bad", size).add("good", 3), newSink()
				source.midway = func(split string, _ int) error {
					if split == "bad" {
						return tc.err
					}
					return nil
				}
				if _, err := runOnce(t, config(source, sink)); err != nil {
					t.Fatal(err)
				}
				c := sink.entry(t, "bad")
				sink.check(t, 3+int(c.Stored))
				if c.Status != tc.status || sink.quarantine["bad"] != tc.quarantine {
					t.Errorf("status %s, quarantine %q", c.Status, sink.quarantine["bad"])
				}
				if size == 6 && c.Stored != 0 {
					t.Errorf("%d events of an object that could not be read to its end were stored", c.Stored)
				}
				if err, ok := source.settled["bad"]; !ok || err != nil {
					t.Errorf("settled %v %v", ok, err)
				}
			})
		}
	}
}

func TestARunWithOnceFailsIfSomethingStaysUnread(t *testing.T) {
	denied := sdk.Denied(errors.New("access denied"))
	for name, prepare := range map[string]func(*fakeSource, *fakeSink){
		"a split that is denied":         func(s *fakeSource, _ *fakeSink) { s.fetch = failFor("b", denied) },
		"a split that fails for long":    func(s *fakeSource, _ *fakeSink) { s.fetch = failFor("b", errDown) },
		"a listing that is denied":       func(s *fakeSource, _ *fakeSink) { s.discover = func(int) error { return denied } },
		"an ID over a ledger's limit":    func(s *fakeSource, _ *fakeSink) { s.add(strings.Repeat("i", sdk.MaxSplitID+1), 1) },
		"a listing that fails for long":  func(s *fakeSource, _ *fakeSink) { s.discover = func(int) error { return errDown } },
		"a sink that denies writing":     func(_ *fakeSource, k *fakeSink) { k.write = func(int, sdk.Batch) error { return denied } },
		"a sink that denies its ledger":  func(_ *fakeSource, k *fakeSink) { k.done = func(int) error { return denied } },
		"a ledger that refuses entries":  func(_ *fakeSource, k *fakeSink) { k.write = refuseCompletions },
		"a split that fails with limits": func(s *fakeSource, _ *fakeSink) { s.fetch = failFor("b", errDown) },
	} {
		t.Run(name, func(t *testing.T) {
			source, sink := newSource().add("a", 5).add("b", 5).add("c", 5), newSink()
			prepare(source, sink)
			c := config(source, sink)
			if strings.Contains(name, "limits") {
				c.Sources[0].MaxFiles = 1
			}
			if _, err := runOnce(t, c); err == nil {
				t.Error("Run returned nil")
			}
			if strings.HasPrefix(name, "a split") {
				sink.check(t, 10)
				if source.settled["b"] == nil {
					t.Error("the source was not told that the split was given up")
				}
			}
		})
	}
}

func failFor(split string, err error) func(string, int) error {
	return func(s string, _ int) error {
		if s == split {
			return err
		}
		return nil
	}
}

func refuseCompletions(_ int, b sdk.Batch) error {
	if len(b.Completed) > 0 {
		return sdk.Invalid(errors.New("ledger row too long"))
	}
	return nil
}

func TestMaxFilesLimitsAListingNotTheRun(t *testing.T) {
	source, sink := newSource(), newSink()
	for i := range 7 {
		source.add(fmt.Sprint(i), 2)
	}
	c := config(source, sink)
	c.Sources[0].MaxFiles = 2
	if _, err := runOnce(t, c); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 14)
	if source.listings != 4 {
		t.Errorf("%d listings for 7 splits by 2", source.listings)
	}
}

func TestFilteredEventsAreCountedAndAWidenedFilterReadsAgain(t *testing.T) {
	sink := newSink()
	source := newSource().addEvents("a",
		sdk.Event{ID: "1", Name: "ConsoleLogin", Raw: []byte("{}")},
		sdk.Event{ID: "2", Name: "AssumeRole", Raw: []byte("{}")}).
		addEvents("b", sdk.Event{ID: "3", Name: "ConsoleLogin", Raw: []byte("{}")})
	c := config(source, sink)
	c.Filter = compile(t, filter.Config{EventNames: []string{"ConsoleLogin"}})
	stats, err := runOnce(t, c)
	if err != nil {
		t.Fatal(err)
	}
	sink.check(t, 2)
	if stats.Filtered != 1 || stats.Read != 3 {
		t.Errorf("read %d, filtered %d", stats.Read, stats.Filtered)
	}

	c.Filter = nil
	stats, err = runOnce(t, c)
	if err != nil {
		t.Fatal(err)
	}
	sink.check(t, 3)
	if stats.Reread != 1 || source.fetched["b"] != 1 {
		t.Errorf("read again %d splits, b fetched %d times; only a had filtered events", stats.Reread, source.fetched["b"])
	}
}

// The records of a page lie in one piece of memory, so that few events which a filter
// keeps would hold far more than the budget knows.
func TestFewEventsThatAFilterKeepsDoNotHoldTheirPage(t *testing.T) {
	page := []byte(strings.Repeat("x", 10))
	source, sink := newSource(), newSink()
	var events []sdk.Event
	for i, name := range []string{"Drop", "Drop", "Keep", "Drop"} {
		events = append(events, sdk.Event{ID: fmt.Sprint(i), Name: name, Raw: page[2*i : 2*i+2]})
	}
	source.addEvents("split", events...)
	c := config(source, sink)
	c.Filter = compile(t, filter.Config{EventNames: []string{"Keep"}})
	source.whole = true
	stored := make(map[string]string)
	sink.write = func(_ int, b sdk.Batch) error {
		clear(page) // as if it had been given back and used for something else
		for _, e := range b.Events {
			stored[e.ID] = string(e.Raw)
		}
		return nil
	}
	if _, err := runOnce(t, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"2": "xx"}, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestEachSinkGetsWhatItLacks(t *testing.T) {
	source, first, second := newSource().add("a", 12).add("b", 3), newSink(), newSink()
	if _, err := runOnce(t, config(source, first)); err != nil {
		t.Fatal(err)
	}
	source.add("c", 4)
	if _, err := runOnce(t, config(source, first, second)); err != nil {
		t.Fatal(err)
	}
	first.check(t, 19)
	second.check(t, 19)
	if got := first.entry(t, "a"); got.Duplicate != 0 {
		t.Errorf("the first sink was given a split again that it had: %+v", got)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	source, sink := newSource(), newSink()
	for i := range 50 {
		source.add(fmt.Sprint(i), 40)
	}
	source.midway = func(_ string, attempt int) error {
		if attempt == 1 {
			return errDown
		}
		return nil
	}
	c := config(source, sink)
	c.Memory = 1 // every reservation has to wait for all memory
	if _, err := runOnce(t, c); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 2000)
}

func TestTheServicePollsAndRetriesAtTheNextListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, sink := newSource().add("a", 3).add("b", 3), newSink()
		source.fetch = func(split string, attempt int) error {
			if split == "b" && attempt < 10 {
				return errDown
			}
			return nil
		}
		c := config(source, sink)
		c.Once = false
		p := pipeline.New(c)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		<-time.After(10 * time.Minute) // of the bubble's time
		source.add("late", 2)
		<-time.After(5 * time.Minute) // of the bubble's time
		p.Drain()
		p.Drain()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		sink.check(t, 8)
	})
}

func TestDrainWritesWhatWasFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, sink := newSource().add("a", 3).add("b", 300), newSink()
		block := make(chan struct{})
		source.midway = func(split string, _ int) error {
			if split == "b" {
				<-block
			}
			return nil
		}
		c := config(source, sink)
		c.Once = false
		c.Batch.Linger = time.Hour
		p := pipeline.New(c)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		synctest.Wait()
		p.Drain()
		close(block)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if sink.entry(t, "a").Stored != 3 {
			t.Error("a split that had been fetched was not written")
		}
		if _, ok := sink.rows["b-299"]; ok {
			t.Error("a fetch went on after the drain")
		}
		sink.check(t, len(sink.rows))
	})
}

func TestAnInterruptedRunWithOnceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, sink := newSource().add("a", 3).add("b", 3), newSink()
		source.fetch = func(string, int) error { return errDown }
		p := pipeline.New(config(source, sink))
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		synctest.Wait()
		p.Drain()
		if err := <-ended; err == nil {
			t.Error("a run that left splits unread succeeded")
		}
	})
}

func TestStopAtOnceLeavesTheRestToTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, sink := newSource().add("a", 30), newSink()
		sink.write = func(int, sdk.Batch) error { return errDown }
		c := config(source, sink)
		ctx, cancel := context.WithCancelCause(t.Context())
		p := pipeline.New(c)
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		<-time.After(time.Minute) // of the bubble's time
		why := errors.New("second signal")
		cancel(why)
		if err := <-ended; !errors.Is(err, why) {
			t.Errorf("Run = %v, want the cause", err)
		}
		sink.write = nil
		if err := pipeline.New(c).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		sink.check(t, 30)
	})
}

// Sinks count by split, so a reading that failed must not share a batch with the one
// that is completed.
func TestTwoReadingsOfASplitDoNotShareABatch(t *testing.T) {
	source, sink := newSource().add("big", 9), newSink()
	c := config(source, sink)
	c.Batch.MaxBytes = 2 * 280 // two events of a reading are a piece that is not full
	source.midway = func(_ string, attempt int) error {
		if attempt == 1 {
			return errDown
		}
		return sdk.Gone(errors.New("deleted meanwhile"))
	}
	if _, err := runOnce(t, c); err != nil {
		t.Fatal(err)
	}
	sink.check(t, len(sink.rows))
	if got := sink.entry(t, "big"); got.Status != sdk.StatusGone {
		t.Errorf("entry %+v", got)
	}
}

func TestASourceThatCannotBeToldDoesNotStopTheListing(t *testing.T) {
	source, sink := newSource().add("a", 1).add("b", 1).add("c", 1).add("d", 1), newSink()
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	source.add("e", 1)
	source.settle = sdk.Denied(errors.New("no rights"))
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Error(err)
	}
	sink.check(t, 5)
}
