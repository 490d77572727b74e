package pipeline_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// lateLedger is a sink whose ledger's first answer is held back.
type lateLedger struct {
	*fakeSink
	held     atomic.Bool
	answered chan struct{} // closed when the first answer is ready
	hold     chan struct{} // until it is closed
}

func (l *lateLedger) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	states, err := l.fakeSink.Done(ctx, q)
	if l.held.CompareAndSwap(false, true) {
		close(l.answered)
		<-l.hold
	}
	return states, err
}

func TestASplitThatWasStoredAfterTheLedgerWasAskedIsNotReadAgain(t *testing.T) {
	source, sink := newSource().add("a", 2).add("b", 2), newSink()
	source.announces = true
	c := config(source, sink)
	ledger := &lateLedger{fakeSink: sink}
	c.Sinks[0].Plugin = ledger
	serve(t, c, func() {
		<-time.After(time.Second)
		<-ledger.answered // of the listing: neither is done
		source.announced <- []sdk.Split{{ID: "a"}}
		<-time.After(10 * time.Second)
		if _, settled := source.outcome("a"); !settled {
			t.Error("the announced split is not stored, so that the test shows nothing")
		}
		close(ledger.hold)
		<-time.After(10 * time.Second)
	}, func() { ledger.answered, ledger.hold = make(chan struct{}), make(chan struct{}) })
	sink.check(t, 4)
	if source.fetched["a"] != 1 || source.fetched["b"] != 1 {
		t.Errorf("fetched %v, want each split once", source.fetched)
	}
}

func TestSplitsOfABatchAreSettledInOneCall(t *testing.T) {
	source, sink := newSource(), newSink()
	for i := range 90 {
		source.add(fmt.Sprint(i), 1)
	}
	if _, err := runOnce(t, config(source, sink)); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 90)
	if len(source.settled) != 90 || source.settles > sink.writes {
		t.Errorf("%d splits settled in %d calls after %d writes", len(source.settled), source.settles, sink.writes)
	}
}

func TestALookBackThatMaxFilesCutIsStillDue(t *testing.T) {
	source, sink := newSource(), newSink()
	source.windowed = true
	c := config(source, sink)
	c.Sources[0].MaxFiles = 2
	serve(t, c, func() {
		<-time.After(30 * time.Minute)
		times := make(map[string]time.Time)
		for i := range 9 {
			times[fmt.Sprint("late", i)] = time.Now().Add(-20 * time.Hour)
		}
		source.mu.Lock()
		source.times = times
		source.mu.Unlock()
		for i := range 9 {
			source.add(fmt.Sprint("late", i), 1)
		}
		<-time.After(31 * time.Minute) // the hourly look-back takes the first of them
		source.mu.Lock()
		source.times["new"] = time.Now()
		source.mu.Unlock()
		source.add("new", 1)
		<-time.After(90 * time.Second)
		sink.mu.Lock()
		if sink.rows["new-0"] == "" {
			t.Error("a new split waits behind the rest of a look-back")
		}
		sink.mu.Unlock()
		<-time.After(8 * time.Minute) // well before the next look-back
		sink.check(t, 10)
	})
}
