// Package sdk is the contract between the agent and its plugins, and all that
// the author of a plugin reads.
//
// A plugin is a process that serves one source or one sink. A [Source] lists
// splits and reads them, a [Sink] stores events. The program itself is one call
// of plugin.ServeSource or plugin.ServeSink in package
// github.com/s-developer-team-inu/inu-logsmith/sdk/plugin; settings, logging,
// the wire and the process's life are theirs to care for.
//
// Delivery is at least once: after an error or a crash the agent reads whole
// splits again and writes their events again, under the same [Event.ID]. What
// makes each event one row is a sink that recognises those IDs.
//
// A source or sink may have more methods than the contract asks for. The agent
// finds them by type assertion: [Settler], [Watcher], [Windowed], [Ledger],
// [Parallel], [Checker] and [io.Closer], whose Close is called once, when every other
// call has returned; its error is logged. A value that wraps another one hides them,
// unless it has them too.
package sdk

import (
	"context"
	"time"
)

// A Source lists what can be read and reads it. Its methods may be called
// concurrently; several splits are fetched at once.
type Source interface {
	// Discover calls found with pages of splits that lie in r, in any order, and
	// returns nil once it has listed all it can see. It lists everything each
	// time: the agent knows which splits are done. found blocks while the agent
	// is busy, keeps its slice, and is never called concurrently; an error it
	// returns ends the listing.
	Discover(ctx context.Context, r TimeRange, found func([]Split) error) error

	// Fetch emits every event of s. Returning nil says: this was all of it. A split
	// read twice yields the same events, in the same order. emit blocks while the
	// agent is busy and is never called concurrently; the slice and the bytes in it
	// are the source's again when it returns. An error it returns ends the fetch.
	//
	// An error that is [Gone] or [Invalid] is final for the split; [Denied] is
	// retried slowly, any other error with backoff.
	Fetch(ctx context.Context, s Split, emit func([]Event) error) error
}

// A Settler is a Source that wants to hear what became of its splits, for
// instance to delete a message from a queue.
type Settler interface {
	// Settle is called once the splits are durable in every sink, or given up. It may be
	// called concurrently, also with the other methods, and may keep the slice. nil says
	// that the source has heard it; an error is logged, and the splits are settled again
	// when they are listed next. After a crash that may happen too, for the same splits.
	Settle(ctx context.Context, settled []Settled) error
}

// Settled tells a [Settler] the end of one split.
type Settled struct {
	Split Split
	// Err is nil for a split that is stored, and says why one was given up.
	Err error
}

// A Watcher is a Source that is told of new splits, for instance by a queue. The
// listing goes on beside it, as the net: what nobody announced is found there.
type Watcher interface {
	// Watch calls found with splits as they are announced, until ctx ends or an error
	// stops it; the agent then calls it again. It is called once at a time, and only
	// while the agent runs as a service. found blocks while the agent is busy and
	// keeps its slice. A split that was announced is settled in the end, see [Settler],
	// also one that the agent knew or was reading already.
	Watch(ctx context.Context, found func([]Split) error) error
}

// Windowed is a Source for which listing a recent range costs much less than listing
// everything, and whose splits rarely turn up long after their time. The agent then
// lists the last hours at every poll, the last days every hour, five weeks every day,
// and everything at the start and once a week. Any other source lists everything at
// every poll.
type Windowed interface {
	// Windowed is never called.
	Windowed()
}

// A Sink stores events.
type Sink interface {
	// Write returns nil once every event that the result does not reject is
	// durable. The batch is the sink's until Write returns; it may reorder it but
	// not keep it, nor the bytes in it, which are used again for another batch: nor may
	// a goroutine that it started, such as one that sends a request with them.
	// Delivery is at least once: after an error or a crash the agent writes the same
	// events again, and [Event.ID] recognises repeats. Write is called one at a time
	// unless the sink has [Parallel].
	//
	// An error that is [Invalid] makes the agent halve the batch until it has found
	// the events at fault; [Denied] is retried slowly, any other error with backoff.
	// No batch is ever dropped.
	Write(ctx context.Context, b Batch) (Result, error)
}

// Parallel is a Sink whose Write may be called concurrently.
type Parallel interface {
	// Parallel is asked once, when the sink is open: how many calls of Write at a
	// time serve it best. Less than 2 means one at a time.
	Parallel() int
}

// A Ledger is a Sink that keeps the agent's record of finished splits beside its
// events: it stores [Batch.Completed] and [Batch.Quarantine] in the transaction
// of the events, so that a split is known as done exactly if its events are durable.
// For any other sink the agent keeps the ledger itself.
type Ledger interface {
	// Done answers for each split of q, in order, what the ledger knows of it; nil for
	// the error says that there is an answer for each. It may be called concurrently,
	// with Write too, and may keep q. An error is retried as one of Write is.
	Done(ctx context.Context, q DoneQuery) ([]SplitState, error)
}

// DoneQuery asks which splits of one pipeline and source are done.
type DoneQuery struct {
	Pipeline string   // the pipeline's label
	Source   string   // the source's type, within which split IDs are unique
	Filter   string   // fingerprint of the filter that reads now
	Splits   []string // split IDs
}

// SplitState is what a ledger knows of a split.
type SplitState uint8

const (
	// SplitNew says that the ledger has no entry for the split, or only one of
	// StatusGone: that it is asked for says that it is there again.
	SplitNew SplitState = iota
	// SplitDone says that there is nothing left to read under the present filter:
	// an entry was made under it, or under another one that filtered nothing.
	SplitDone
	// SplitFiltered says that the split was read, but under another filter, and
	// that events were left out then.
	SplitFiltered
)

// TimeRange bounds a listing. A zero bound is open.
type TimeRange struct {
	Since time.Time // inclusive
	Until time.Time // exclusive
}

// Contains reports whether t lies in r. A split without a time lies in every range.
func (r TimeRange) Contains(t time.Time) bool {
	if t.IsZero() {
		return true
	}
	return (r.Since.IsZero() || !t.Before(r.Since)) && (r.Until.IsZero() || t.Before(r.Until))
}

// MaxSplitID is how many bytes the ID of a split may have. It is part of the ledger's key,
// and PostgreSQL's B-tree takes no key over a third of a page
// (postgresql.org/docs/current/btree.html, "Implementation").
const MaxSplitID = 2000

// A Split is a piece of a source that can be read again with the same result: one
// version of an S3 object, one pass over a LookupEvents window, one file.
type Split struct {
	// ID names the split, its version included. It is unique within the source's
	// type, says everything Fetch needs, and is the same in every run. It has at
	// most [MaxSplitID] bytes.
	ID string
	// Time is when the split's events happened, roughly; the zero time if unknown.
	// Listing ranges and progress go by it, correctness does not.
	Time time.Time
	// Bytes is the size as stored, compressed if it is; 0 if unknown. Progress and
	// the share of memory a fetch asks for go by it.
	Bytes int64
	// Pass names one of few looks that the source takes at the same time, such as how
	// long after it; empty where there is but one. The agent counts what each of them
	// stored: what a later look finds new tells how late events are. It is for that
	// number alone, and no part of the split's identity.
	Pass string
}
