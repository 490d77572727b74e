// Package pipeline carries events from sources to sinks: discover, ask the ledger,
// fetch, filter, batch, write, settle. It is the only place that knows this order.
//
// What crosses a crash is the ledger alone, kept by each sink with its rows. A crash
// anywhere repeats whole splits, which the events' ids make harmless.
//
// The files follow the event: poll.go, discover.go, fetch.go, lane.go (batching),
// write.go, settle.go.
package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Config says what one pipeline does.
type Config struct {
	Name    string
	Sources []Source
	Filter  *filter.Filter // nil keeps everything
	Sinks   []Sink         // at least one
	Batch   Batch
	// Memory bounds the bytes of events between sources and sinks. It may be
	// exceeded by what the fetches in flight underestimate, and by a page of each.
	Memory int64
	// Range limits what is read to the splits that lie in it, whole ones.
	Range sdk.TimeRange
	// Once makes Run end when everything visible has been read, and gives up on what
	// cannot be read instead of trying for ever.
	Once bool
	Log  *slog.Logger
}

// A Source is one source block.
type Source struct {
	Type   string
	Plugin interface {
		sdk.Source
		sdk.Settler
		sdk.Watcher
	}
	// Windowed tells whether the source is [sdk.Windowed], once it is open.
	Windowed func(context.Context) (bool, error)
	Interval time.Duration // from the end of one listing to the next
	Since    time.Time     // splits before are not read; zero: all
	MaxFiles int           // new splits taken per listing; 0: all
}

// A Sink is one sink block with the ledger of what it holds.
type Sink struct {
	Name   string
	Plugin interface {
		sdk.Sink
		sdk.Ledger
	}
	// Parallel tells how many writes at a time serve the sink best, once it is open.
	Parallel func(context.Context) (int, error)
}

// Batch bounds the batches of every sink.
type Batch struct {
	MaxEvents int
	MaxBytes  int64
	Linger    time.Duration // how long an event may wait for its batch to fill
}

// A Pipeline is made by New and run once.
type Pipeline struct {
	Config
	filterID string // the fingerprint that ledger entries carry
	lanes    []*lane
	memory   *budget
	slabs    slabs
	drain    chan struct{}
	drained  sync.Once
	finish   chan struct{}
	finished sync.Once

	mu       sync.Mutex
	inFlight map[string]*flight // by source type and split id
	pages    map[*page]struct{}
	failure  error // the first thing that stayed unread in a run with Once

	stats    stats
	observed *observed
	pulse    *pulse
}

// fetchers is how many splits of a source are read at a time: enough to hide a store's
// latency.
const fetchers = 16

// New makes a pipeline; it does no I/O.
func New(c Config) *Pipeline {
	p := &Pipeline{
		Config:   c,
		filterID: c.Filter.Fingerprint(),
		memory:   newBudget(c.Memory),
		drain:    make(chan struct{}),
		finish:   make(chan struct{}),
		inFlight: make(map[string]*flight),
		pulse:    newPulse(),
		pages:    make(map[*page]struct{}),
	}
	p.observed = observe(&p.Config)
	for _, s := range c.Sinks {
		p.lanes = append(p.lanes, newLane(p, s))
	}
	p.memory.starved = func() {
		for _, l := range p.lanes {
			poke(l.hurry)
		}
	}
	return p
}

// Drain makes Run stop discovering, give up fetches, finish writes and return. It may
// be called at any time, and more than once.
func (p *Pipeline) Drain() { p.drained.Do(func() { close(p.drain) }) }

// Finish makes Run stop discovering, read the splits in hand to their end, finish writes
// and return: it ends at the boundary of splits, where Drain leaves some to be read again.
// How long that takes depends on the splits; Drain may follow. It may be called at any
// time, and more than once.
func (p *Pipeline) Finish() { p.finished.Do(func() { close(p.finish) }) }

// SetMemory changes Config.Memory. It may be called at any time.
func (p *Pipeline) SetMemory(bytes int64) { p.memory.resize(bytes) }

// Run carries events until Drain or Finish, or with Once until everything visible is read. It
// returns nil then, the first thing that stayed unread with Once, or why a sink
// refuses everything. When ctx ends Run stops where it is; what is not settled then
// is read again by the next run.
func (p *Pipeline) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	intake, stopIntake := context.WithCancelCause(ctx)
	defer stopIntake(nil)
	go func() {
		select {
		case <-p.drain:
			stopIntake(errDraining)
		case <-intake.Done():
		}
	}()
	listing, stopListing := context.WithCancelCause(intake)
	defer stopListing(nil)
	go func() {
		select {
		case <-p.finish:
			stopListing(errDraining)
		case <-listing.Done():
		}
	}()

	var reading, writing sync.WaitGroup
	for i := range p.Sources {
		reading.Go(func() { p.read(listing, intake, ctx, &p.Sources[i], fail) })
	}
	for _, l := range p.lanes {
		writing.Go(func() { l.run(intake, ctx, fail) })
	}

	reading.Wait()
	for _, l := range p.lanes {
		close(l.in)
	}
	writing.Wait()
	return p.outcome(ctx)
}

// read polls one source and fetches what its sinks lack. Each source has fetchers of its
// own: one that is slow, or has a quota, must not hold up another.
func (p *Pipeline) read(listing, intake, ctx context.Context, s *Source, fail func(error)) {
	q := newQueue()
	var fetching sync.WaitGroup
	for range fetchers {
		fetching.Go(func() {
			for t := q.next(); t != nil; t = q.next() {
				p.fetch(intake, ctx, t)
			}
		})
	}
	p.poll(listing, s, q, fail)
	q.close()
	fetching.Wait()
}

// errDraining ends what takes in events, while writes go on.
var errDraining = errors.New("the agent is stopping")

func (p *Pipeline) outcome(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// unread notes that something visible was not read.
func (p *Pipeline) unread(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = err
	}
}

// Stats counts what a pipeline did. A split counts when it is settled, so a repeated
// one counts once.
type Stats struct {
	Known    int64 // splits listed that the ledgers knew as done, at each listing
	Taken    int64 // splits taken to be read
	Settled  int64 // splits read to their end and durable
	Failed   int64 // splits given up for now
	Reread   int64 // splits read again because the filter changed
	Bytes    int64 // of settled splits, as stored
	Read     int64 // events of settled splits
	Filtered int64
	// Unevaluable counts events that were kept because their filter failed on them.
	Unevaluable int64
	Sinks       []SinkStats
	Sources     []SourceStats // in the configuration's order
	Passes      []PassStats   // in the order of sinks, then by source and pass
	Health      []SinkHealth  // in the order of Sinks
}

// SinkStats counts what became of the events that the filter kept.
type SinkStats struct {
	Name                           string
	Stored, Duplicate, Quarantined int64
	// Variants counts duplicates that came with other content than what is stored under
	// their id: somebody makes up records. It counts when they are written.
	Variants int64
}

// PassStats counts what one pass of a source, see [sdk.Split.Pass], found that the sink
// did not have. Of a sink that cannot tell new events from repeated ones all count.
type PassStats struct {
	Sink, Source   string // name and type
	Pass           string
	Splits, Stored int64
}

type stats struct {
	taken, known, settled, failed, reread, bytes, read, filtered, unevaluable atomic.Int64
}

// Stats may be called at any time.
func (p *Pipeline) Stats() Stats {
	s := Stats{
		Taken: p.stats.taken.Load(), Known: p.stats.known.Load(), Settled: p.stats.settled.Load(),
		Failed: p.stats.failed.Load(), Reread: p.stats.reread.Load(), Bytes: p.stats.bytes.Load(),
		Read: p.stats.read.Load(), Filtered: p.stats.filtered.Load(), Unevaluable: p.stats.unevaluable.Load(),
	}
	for _, l := range p.lanes {
		s.Sinks = append(s.Sinks, l.totals())
		s.Passes = append(s.Passes, l.passTotals()...)
	}
	s.Sources, s.Health = p.sourceStats(), p.sinkHealth()
	return s
}
