package pipeline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// What the budget does not count must not be much, whatever comes in a page and however
// little fits a batch.
func TestRecordsLieInLittleMoreMemoryThanTheBudgetCounts(t *testing.T) {
	page := func(events, size int) []sdk.Event {
		p := make([]sdk.Event, events)
		for i := range p {
			p[i] = sdk.Event{ID: "id", Raw: bytes.Repeat([]byte("x"), size)}
		}
		return p
	}
	for name, tc := range map[string]struct {
		page  []sdk.Event
		limit Batch
	}{
		"a usual page":                          {page(170, 1500), Batch{MaxEvents: 10_000, MaxBytes: 3 << 20}},
		"ten events in a batch":                 {page(170, 1500), Batch{MaxEvents: 10, MaxBytes: 3 << 20}},
		"one event in a batch":                  {page(170, 1500), Batch{MaxEvents: 1, MaxBytes: 3 << 20}},
		"a page of another's plugin":            {page(10_000, 1500), Batch{MaxEvents: 10_000, MaxBytes: 3 << 20}},
		"the same, and little in a batch":       {page(10_000, 1500), Batch{MaxEvents: 10_000, MaxBytes: 64 << 10}},
		"records of which none fits in a batch": {page(20, 700_000), Batch{MaxEvents: 100, MaxBytes: 64 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(Config{Batch: tc.limit, Memory: 1 << 40})
			r := &reading{p: p, attempt: newAttempt(&task{lanes: []*lane{newLane(p, Sink{})}})}
			var counted, lent int64
			p.lanes = r.attempt.lanes
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				for pc := range p.lanes[0].in {
					counted += pc.bytes
					for _, b := range pc.lease.slabs {
						lent += int64(cap(b.used))
					}
				}
			}()
			if err := r.reserve(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := r.take(context.Background(), tc.page); err != nil {
				t.Fatal(err)
			}
			if err := r.handOver(context.Background(), true); err != nil {
				t.Fatal(err)
			}
			close(p.lanes[0].in)
			<-taken
			if lent > counted*5/4 {
				t.Errorf("the budget counts %d bytes, the records lie in %d", counted, lent)
			}
		})
	}
}

// refusing is a sink for which somebody has to act.
type refusing struct{ sdk.Ledger }

func (refusing) Write(context.Context, sdk.Batch) (sdk.Result, error) {
	return sdk.Result{}, sdk.Denied(errors.New("no rights"))
}

// A ledger beside a sink knows a batch that is not recorded yet by its memory: a later one
// in the same place would be taken for stored.
func TestABatchThatWasNotWrittenKeepsItsMemory(t *testing.T) {
	sink := Sink{Name: "sink", Plugin: refusing{}, Parallel: func(context.Context) (int, error) { return 1, nil }}
	p := New(Config{
		Once: true, Sinks: []Sink{sink}, Memory: 1 << 20, Log: slog.New(slog.DiscardHandler),
		Batch: Batch{MaxEvents: 10, MaxBytes: 1 << 20, Linger: time.Millisecond},
	})
	l := newLane(p, sink)
	p.lanes = []*lane{l}
	a := newAttempt(&task{source: &Source{Type: "fake"}, lanes: p.lanes})
	failed := make(chan error, 1)
	go func() {
		l.in <- piece{share: a.shares[0], events: []sdk.Event{{ID: "1"}}, bytes: 1, lease: &lease{memory: p.memory, lanes: 1, pool: &p.slabs}}
		close(l.in)
	}()
	l.run(t.Context(), t.Context(), func(err error) { failed <- err })
	if err := <-failed; !sdk.IsDenied(err) {
		t.Errorf("the run fails with %v", err)
	}
	if n := len(l.spare); n != 0 {
		t.Errorf("the memory of %d batches is used again", n)
	}
}
