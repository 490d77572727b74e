package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Sink is one that keeps no ledger of its own, with its part of the agent's.
type Sink struct {
	file *File
	name string
	sink sdk.Sink

	mu sync.Mutex
	// unrecorded are the answers to batches that the sink has and the ledger could not
	// take, on a full disk for one. They are tried again, without the sink.
	unrecorded map[batchID]sdk.Result
}

// A batchID tells a batch that is tried again from every other: its events are the very
// same ones.
type batchID struct {
	first *sdk.Event
	size  int
}

var (
	_ sdk.Sink   = (*Sink)(nil)
	_ sdk.Ledger = (*Sink)(nil)
)

// Sink gives a sink a ledger in f. name tells it from the other sinks of its pipeline,
// and must be the same in every run.
func (f *File) Sink(name string, s sdk.Sink) *Sink {
	return &Sink{file: f, name: name, sink: s, unrecorded: make(map[batchID]sdk.Result)}
}

// Write writes the events to the sink, and only after its acknowledgement records what
// ends with them. A crash in between repeats the events; their ids are the same. Where the
// ledger cannot be written, the same call again writes the ledger alone.
func (s *Sink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	if len(b.Events) == 0 {
		return sdk.Result{}, s.record(ctx, b, sdk.Result{})
	}
	id := batchID{&b.Events[0], len(b.Events)}
	s.mu.Lock()
	res, written := s.unrecorded[id]
	s.mu.Unlock()
	if !written {
		var err error
		// What the ledger is for does not concern a sink without one.
		if res, err = s.sink.Write(ctx, sdk.Batch{Pipeline: b.Pipeline, Events: b.Events, Spans: b.Spans}); err != nil {
			return sdk.Result{}, err
		}
	}
	err := s.record(ctx, b, res)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.unrecorded[id] = res
		return sdk.Result{}, err
	}
	delete(s.unrecorded, id)
	return res, nil
}

// record enters what ended with a batch that the sink has answered with res.
func (s *Sink) record(ctx context.Context, b sdk.Batch, res sdk.Result) error {
	kept, err := quarantineOf(b, res)
	if err != nil {
		return err
	}
	completed, err := completionsOf(b, res)
	if err != nil {
		return err
	}
	if len(completed) == 0 && len(kept) == 0 {
		return nil
	}
	return s.file.Record(ctx, s.name, b.Pipeline, completed, kept)
}

// Done asks the agent's ledger.
func (s *Sink) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	return s.file.Done(ctx, s.name, q)
}

// quarantineOf is what b keeps aside, and the events that the sink refused.
func quarantineOf(b sdk.Batch, res sdk.Result) ([]sdk.Quarantined, error) {
	kept := slices.Clone(b.Quarantine)
	for _, r := range res.Rejected {
		span, ok := spanOf(b.Spans, r.Index)
		if !ok {
			return nil, fmt.Errorf("event %d of the batch belongs to no split", r.Index)
		}
		e := b.Events[r.Index]
		kept = append(kept, sdk.Quarantined{
			Source: span.Source, Split: span.Split, EventID: e.ID, Time: e.Time, Reason: r.Reason, Raw: e.Raw,
		})
	}
	return kept, nil
}

func spanOf(spans []sdk.Span, index int) (sdk.Span, bool) {
	end := 0
	for _, s := range spans {
		if end += s.Len; index < end {
			return s, true
		}
	}
	return sdk.Span{}, false
}

// tally counts what one write did for one split.
type tally struct{ stored, duplicate, quarantined int64 }

// completionsOf are b's completions, with what this very write did of their splits
// added. Each has to add up: else a record is missing, and nobody would notice.
func completionsOf(b sdk.Batch, res sdk.Result) ([]sdk.Completion, error) {
	tallies := talliesOf(b, res)
	completed := slices.Clone(b.Completed)
	for i := range completed {
		c := &completed[i]
		if t := tallies[[2]string{c.Source, c.Split.ID}]; t != nil {
			c.Stored += t.stored
			c.Duplicate += t.duplicate
			c.Quarantined += t.quarantined
		}
		if c.Read != c.Stored+c.Duplicate+c.Filtered+c.Quarantined {
			return nil, fmt.Errorf("split %s does not add up: %d read, but %d stored, %d duplicate, %d filtered, %d quarantined",
				c.Split.ID, c.Read, c.Stored, c.Duplicate, c.Filtered, c.Quarantined)
		}
	}
	return completed, nil
}

func talliesOf(b sdk.Batch, res sdk.Result) map[[2]string]*tally {
	rejected := make(map[int]bool, len(res.Rejected))
	for _, r := range res.Rejected {
		rejected[r.Index] = true
	}
	tallies := make(map[[2]string]*tally)
	of := func(source, split string) *tally {
		key := [2]string{source, split}
		if tallies[key] == nil {
			tallies[key] = &tally{}
		}
		return tallies[key]
	}
	i := 0
	for _, s := range b.Spans {
		t := of(s.Source, s.Split)
		for end := i + s.Len; i < end; i++ {
			switch {
			case rejected[i]:
				t.quarantined++
			case res.New == nil || res.New[i]:
				t.stored++
			default:
				t.duplicate++
			}
		}
	}
	for _, q := range b.Quarantine {
		of(q.Source, q.Split).quarantined++
	}
	return tallies
}
