package pipeline

import (
	"sync"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A task is one split on its way through the pipeline.
type task struct {
	source *Source
	split  sdk.Split
	lanes  []*lane // the sinks whose ledger lacks it
	pass   *pass
	stage  stage // guarded by observed
}

// An attempt is one reading of a task's split. A reading that fails is thrown away
// with its counts, whatever of it was written already: the next one starts at the
// split's first event, and the rows of the failed one count as its duplicates. That is
// why stored + duplicate is exact in the ledger, and their division only for a split
// that was read once.
type attempt struct {
	*task
	status         sdk.Status
	reason         string
	read, filtered int64
	shares         []*share
	unevaluable    int64
	seen           sees

	mu        sync.Mutex
	remaining int // shares whose completion is not durable yet
}

// A share is an attempt's part in one lane. The lane's mutex guards it.
type share struct {
	attempt *attempt
	pending int  // pieces handed over that are not durable yet
	ended   bool // no piece will follow
	sent    bool // the completion is in a batch

	stored, duplicate, quarantined int64
}

func newAttempt(t *task) *attempt {
	a := &attempt{task: t, status: sdk.StatusStored, remaining: len(t.lanes)}
	for range t.lanes {
		a.shares = append(a.shares, &share{attempt: a})
	}
	return a
}

// completion is the ledger entry as far as earlier writes know it. The lane's mutex
// is held.
func (s *share) completion(filterID string) sdk.Completion {
	a := s.attempt
	return sdk.Completion{
		Source: a.source.Type, Split: a.split, Filter: filterID, Status: a.status, Reason: a.reason,
		Read: a.read, Filtered: a.filtered,
		Stored: s.stored, Duplicate: s.duplicate, Quarantined: s.quarantined,
	}
}

// A piece is a run of an attempt's events, small enough for one batch. It is handed
// to every lane of the task.
type piece struct {
	share      *share
	events     []sdk.Event
	quarantine []sdk.Quarantined
	bytes      int64
	last       bool // no other piece follows
	lease      *lease
}

// A lease is the part of the memory budget that a piece holds until it is durable in
// every lane, and the memory itself that its records lie in.
type lease struct {
	memory *budget
	bytes  int64
	pool   *slabs
	slabs  []*slab

	mu    sync.Mutex
	lanes int
}

func (l *lease) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes--; l.lanes > 0 {
		return
	}
	for _, b := range l.slabs {
		l.pool.give(b)
	}
	l.slabs = nil
	l.memory.adjust(-l.bytes)
}
