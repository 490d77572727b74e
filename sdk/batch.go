package sdk

import "time"

// A Batch is what one Write stores. A sink that only cares for events reads
// Events; the other fields matter to a sink that keeps the [Ledger].
type Batch struct {
	// Pipeline is the label of the pipeline that the events come through.
	Pipeline string
	// Events may be empty when the batch only completes splits.
	Events []Event
	// Spans say which split the events come from: the first Spans[0].Len events
	// from the first split, and so on. The lengths add up to len(Events), and a
	// split may have several spans.
	Spans []Span
	// Completed are the splits that end with this batch: all their other events
	// are durable already.
	Completed []Completion
	// Quarantine holds records and splits that are kept aside with their reason.
	Quarantine []Quarantined
}

// A Span is a run of events from one split.
type Span struct {
	Source string // the source's type
	Split  string // the split's ID
	Len    int
}

// A Completion is the end of one split, an entry for the [Ledger].
//
// Stored, Duplicate and Quarantined hold what earlier Writes reported of the
// split. The sink adds what its own transaction stores of it, so that the entry
// satisfies Read = Stored + Duplicate + Filtered + Quarantined. When a split had to
// be repeated after a crash the sum stays exact, while rows of the first attempt
// count as duplicates.
type Completion struct {
	Source string
	Split  Split
	Filter string // fingerprint of the filter the split was read under
	Status Status
	Reason string // why, unless Status is [StatusStored]

	Read, Filtered                 int64
	Stored, Duplicate, Quarantined int64
}

// Status is how a split ended.
type Status string

// A split is stored, could not be read because it is no longer there, or is
// invalid: quarantined as a whole with its reason. One that was gone is read if it is
// listed again.
const (
	StatusStored  Status = "stored"
	StatusGone    Status = "gone"
	StatusInvalid Status = "invalid"
)

// Quarantined is a record, or a whole split, that is kept aside with its reason. Each
// counts as one quarantined record of its split.
type Quarantined struct {
	Source  string
	Split   string
	EventID string    // empty for a whole split
	Time    time.Time // the event's or the split's; may be zero
	Reason  string
	Raw     []byte // the record's bytes; nil for a whole split
}

// Result is a sink's account of a Write that succeeded.
type Result struct {
	// Rejected lists events that the sink will never be able to store, by index.
	// The agent quarantines them. A sink that keeps the [Ledger] has quarantined
	// them itself, in the same transaction.
	Rejected []Reject
	// New says for each event whether it was stored now (true) or had been there
	// before. nil where the sink cannot know.
	New []bool
	// Variants is how many events of the batch came with the ID of an event that is
	// stored with other content, and were kept beside it now. They count as duplicates,
	// but AWS writes no such records: the agent raises an alarm. 0 where the sink does
	// not compare.
	Variants int
}

// Reject is one event that a sink refuses for good.
type Reject struct {
	Index  int // into Batch.Events
	Reason string
}
