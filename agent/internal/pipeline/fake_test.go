package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// errDown is an error that passes by itself.
var errDown = errors.New("destination is down")

// fakeSource holds splits in memory. fetch, if set, runs before a split is emitted
// and may fail it.
type fakeSource struct {
	mu       sync.Mutex
	splits   []string
	events   map[string][]sdk.Event
	fetch    func(split string, attempt int) error
	midway   func(split string, attempt int) error // after half of the events
	discover func(attempt int) error
	settle   error

	windowed  bool // and large: full listings show many splits that are done
	small     bool // windowed, with few splits
	announces bool
	announced chan []sdk.Split
	ranges    []sdk.TimeRange
	times     map[string]time.Time
	passes    map[string]string

	listings int
	fetched  map[string]int
	settled  map[string]error
	settles  int  // calls
	whole    bool // emit a split as one page, not event by event
}

func newSource() *fakeSource {
	return &fakeSource{events: make(map[string][]sdk.Event), fetched: make(map[string]int), settled: make(map[string]error)}
}

// add makes a split of n events with ids of their own.
func (s *fakeSource) add(split string, n int) *fakeSource {
	var events []sdk.Event
	for i := range n {
		id := fmt.Sprintf("%s-%d", split, i)
		events = append(events, sdk.Event{ID: id, Name: "Event", Raw: []byte(`{"eventID":"` + id + `"}`)})
	}
	return s.addEvents(split, events...)
}

func (s *fakeSource) addEvents(split string, events ...sdk.Event) *fakeSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.splits = append(s.splits, split)
	s.events[split] = events
	return s
}

func (s *fakeSource) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	s.mu.Lock()
	s.listings++
	s.ranges = append(s.ranges, r)
	n, splits := s.listings, slices.Clone(s.splits)
	s.mu.Unlock()
	if s.discover != nil {
		if err := s.discover(n); err != nil {
			return err
		}
	}
	if s.windowed && r.Since.IsZero() {
		done := make([]sdk.Split, 3000)
		for i := range done {
			done[i].ID = "done"
		}
		if err := found(done); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(splits, 3) {
		var out []sdk.Split
		s.mu.Lock()
		for _, id := range page {
			out = append(out, sdk.Split{ID: id, Time: s.times[id], Bytes: 100, Pass: s.passes[id]})
		}
		s.mu.Unlock()
		if err := found(out); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSource) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	s.mu.Lock()
	s.fetched[split.ID]++
	n, events := s.fetched[split.ID], slices.Clone(s.events[split.ID])
	s.mu.Unlock()
	if s.fetch != nil {
		if err := s.fetch(split.ID, n); err != nil {
			return err
		}
	}
	for i, e := range events {
		if i == len(events)/2 && s.midway != nil {
			if err := s.midway(split.ID, n); err != nil {
				return err
			}
		}
		if s.whole {
			continue
		}
		if err := emitted(emit, e); err != nil {
			return err
		}
	}
	if s.whole {
		return emitted(emit, events...)
	}
	return nil
}

// emitted emits a page, and spoils it when it is the source's again.
func emitted(emit func([]sdk.Event) error, events ...sdk.Event) error {
	page := slices.Clone(events)
	for i := range page {
		page[i].Raw = bytes.Clone(page[i].Raw)
	}
	err := emit(page)
	for i := range page {
		for j := range page[i].Raw {
			page[i].Raw[j] = '?'
		}
	}
	return err
}

func (s *fakeSource) Watch(ctx context.Context, found func([]sdk.Split) error) error {
	for s.announces {
		select {
		case splits := <-s.announced:
			if err := found(splits); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *fakeSource) Settle(_ context.Context, settled []sdk.Settled) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settle != nil {
		return s.settle
	}
	s.settles++
	for _, x := range settled {
		s.settled[x.Split.ID] = x.Err
	}
	return nil
}

// outcome is how a split was settled, if it was.
func (s *fakeSource) outcome(split string) (err error, settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, settled = s.settled[split]
	return err, settled
}

// fakeSink keeps rows and ledger in memory, and changes them together as a database's
// transaction would. write, if set, runs before and may fail the call; lost fails it
// after everything is stored.
type fakeSink struct {
	mu         sync.Mutex
	rows       map[string]string // event id to the split it came from
	ledger     map[string]sdk.Completion
	quarantine map[string]string // event id or split to reason
	write      func(n int, b sdk.Batch) error
	lost       func(n int) error
	done       func(n int) error
	reject     func(sdk.Event) string
	raw        func(id string) string // what an event's record has to be
	writers    int
	writes     int
	asked      int
	largest    int
	problems   []string
}

func newSink() *fakeSink {
	return &fakeSink{rows: make(map[string]string), ledger: make(map[string]sdk.Completion), quarantine: make(map[string]string), writers: 3}
}

func (s *fakeSink) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.largest = max(s.largest, len(b.Events))
	if s.write != nil {
		if err := s.write(s.writes, b); err != nil {
			return sdk.Result{}, err
		}
	}
	res := s.store(b)
	if s.lost != nil {
		if err := s.lost(s.writes); err != nil {
			return sdk.Result{}, err
		}
	}
	return res, nil
}

func (s *fakeSink) store(b sdk.Batch) sdk.Result {
	type counts struct{ stored, duplicate, quarantined int64 }
	here := make(map[string]*counts)
	at := func(split string) *counts {
		if here[split] == nil {
			here[split] = &counts{}
		}
		return here[split]
	}
	res := sdk.Result{New: make([]bool, len(b.Events))}
	i := 0
	for _, span := range b.Spans {
		for range span.Len {
			e := b.Events[i]
			if bytes.ContainsRune(e.Raw, '?') || s.raw != nil && s.raw(e.ID) != string(e.Raw) {
				s.problems = append(s.problems, fmt.Sprintf("the record of %s reads %.100q", e.ID, e.Raw))
			}
			switch reason := s.rejects(e); {
			case reason != "":
				res.Rejected = append(res.Rejected, sdk.Reject{Index: i, Reason: reason})
				s.quarantine[e.ID] = reason
				at(span.Split).quarantined++
			case s.rows[e.ID] != "":
				at(span.Split).duplicate++
			default:
				res.New[i] = true
				s.rows[e.ID] = span.Split
				at(span.Split).stored++
			}
			i++
		}
	}
	if i != len(b.Events) {
		s.problems = append(s.problems, fmt.Sprintf("spans cover %d of %d events", i, len(b.Events)))
	}
	for _, q := range b.Quarantine {
		name := q.EventID
		if name == "" {
			name = q.Split
		} else if bytes.ContainsRune(q.Raw, '?') || s.raw != nil && s.raw(q.EventID) != string(q.Raw) {
			s.problems = append(s.problems, fmt.Sprintf("the record of %s in quarantine reads %.100q", q.EventID, q.Raw))
		}
		s.quarantine[name] = q.Reason
		at(q.Split).quarantined++
	}
	for _, c := range b.Completed {
		n := at(c.Split.ID)
		c.Stored += n.stored
		c.Duplicate += n.duplicate
		c.Quarantined += n.quarantined
		if c.Read != c.Stored+c.Duplicate+c.Filtered+c.Quarantined {
			s.problems = append(s.problems, fmt.Sprintf("ledger entry does not add up: %+v", c))
		}
		s.ledger[c.Split.ID+"|"+c.Filter] = c
	}
	return res
}

func (s *fakeSink) rejects(e sdk.Event) string {
	if s.reject == nil {
		return ""
	}
	return s.reject(e)
}

func (s *fakeSink) Done(_ context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.done != nil {
		if err := s.done(s.asked); err != nil {
			return nil, err
		}
	}
	states := make([]sdk.SplitState, len(q.Splits))
	for i, id := range q.Splits {
		if id == "done" {
			states[i] = sdk.SplitDone
			continue
		}
		for k, c := range s.ledger {
			if c.Split.ID != id {
				continue
			}
			if c.Filtered == 0 || k == id+"|"+q.Filter {
				states[i] = sdk.SplitDone
			} else if states[i] == sdk.SplitNew {
				states[i] = sdk.SplitFiltered
			}
		}
	}
	return states, nil
}

// entry is the ledger entry of a split.
func (s *fakeSink) entry(t *testing.T, split string) sdk.Completion {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.ledger {
		if c.Split.ID == split {
			return c
		}
	}
	t.Errorf("no ledger entry for %s", split)
	return sdk.Completion{}
}

// check fails the test unless the sink holds exactly n rows and nothing odd happened.
func (s *fakeSink) check(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) != n {
		t.Errorf("rows = %d, want %d", len(s.rows), n)
	}
	for _, p := range s.problems {
		t.Error(p)
	}
}

// config is a pipeline from one source to sinks, with Once.
func config(source *fakeSource, sinks ...*fakeSink) pipeline.Config {
	c := pipeline.Config{
		Name: "test",
		Sources: []pipeline.Source{{
			Type: "fake", Plugin: source, Interval: time.Minute,
			Windowed: func(context.Context) (bool, error) { return source.windowed || source.small, nil },
		}},
		Batch:  pipeline.Batch{MaxEvents: 10, MaxBytes: 1 << 20, Linger: time.Second},
		Memory: 32 << 20,
		Once:   true,
		Log:    slog.New(slog.DiscardHandler),
	}
	for i, s := range sinks {
		c.Sinks = append(c.Sinks, pipeline.Sink{
			Name: fmt.Sprintf("sink%d", i), Plugin: s,
			Parallel: func(context.Context) (int, error) { return s.writers, nil },
		})
	}
	return c
}

func compile(t *testing.T, c filter.Config) *filter.Filter {
	t.Helper()
	f, faults := filter.Compile(c)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return f
}
