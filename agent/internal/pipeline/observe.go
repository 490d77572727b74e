package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// SourceStats tells what became of one source block, and how it is.
type SourceStats struct {
	Name string // the type; "-2" is added for the second block of a type, and so on
	Type string

	Known, Taken, Settled, Failed, Reread int64 // as in [Stats]
	Bytes, Read, Filtered, Unevaluable    int64
	// Sinks divide what the filter kept, in the order of the pipeline's sinks. Counts of
	// one snapshot belong together: for a sink that was given all of Read,
	// Read = Filtered + Stored + Duplicate + Quarantined.
	Sinks []SinkStats

	Backlog  Backlog
	Backfill Backfill
	// Listed is when the latest listing came to its end, Success when anything last
	// worked: a listing, or the storing of a split. Both are zero before the first time.
	Listed, Success time.Time
	// CaughtUp says that everything visible was read once since the start.
	CaughtUp bool
	// Unread is how many splits were given up and wait for another listing.
	Unread int
	// Failures are what does not work at present, LastError what last did not.
	Failures  []Failure
	LastError *Failure
	Streams   []Stream
	// Unwatched counts events of accounts and Regions beyond the first maxStreams.
	Unwatched int64
}

// Backlog is what is on its way.
type Backlog struct {
	Waiting, Reading, Writing int // splits
	Bytes                     int64
}

// Splits is how many splits are on their way.
func (b Backlog) Splits() int { return b.Waiting + b.Reading + b.Writing }

// Backfill is the progress of the listing that looks at everything.
type Backfill struct {
	Running    bool
	Began      time.Time
	Seen       int64 // splits that it came past, known ones included
	SeenBytes  int64
	Total      int64 // 0 until they have been counted
	TotalBytes int64
}

// Left estimates how long a backfill will take, at the speed it had so far; 0 is unknown.
func (b Backfill) Left(now time.Time) time.Duration {
	if !b.Running || b.Seen == 0 || b.Total <= b.Seen {
		return 0
	}
	return time.Duration(float64(now.Sub(b.Began)) * float64(b.Total-b.Seen) / float64(b.Seen))
}

// A Failure is something that did not work, until it does again.
type Failure struct {
	What   string // "list", "read", "watch" or "open" a source; "open", "ask ledger" or "write" a sink
	Err    string
	Denied bool // somebody has to act
	Since  time.Time
	Last   time.Time
	Count  int // tries that failed since
}

// SinkHealth tells how one sink is.
type SinkHealth struct {
	Name      string
	Success   time.Time // when a call last succeeded
	Failures  []Failure
	LastError *Failure
	// Waiting is since when the oldest call under way waits for its answer; zero if none.
	Waiting time.Time
}

// stage is where a task is.
type stage uint8

const (
	stageWaiting stage = iota
	stageFetching
	stageWriting
)

// observed keeps what can be told of a pipeline while it runs. It decides nothing.
type observed struct {
	mu      sync.Mutex
	order   []*sourceObserved
	sources map[*Source]*sourceObserved
	sinks   []*sinkObserved
}

type sourceObserved struct {
	stats   SourceStats
	failing failures
	// unread are the splits that were given up, with the time of the last try.
	unread   map[string]time.Time
	fulls    [2]time.Time // when the last two listings of everything began
	backfill chan<- *task
	whole    bool // a listing of everything has come to its end
	streams  map[streamKey]*stream
}

type sinkObserved struct {
	health  SinkHealth
	failing failures
	calls   map[int]time.Time
	lastID  int
}

func observe(c *Config) *observed {
	o := &observed{sources: make(map[*Source]*sourceObserved)}
	seen := make(map[string]int)
	for i := range c.Sources {
		s := &c.Sources[i]
		name := s.Type
		if seen[s.Type]++; seen[s.Type] > 1 {
			name = fmt.Sprintf("%s-%d", s.Type, seen[s.Type])
		}
		so := &sourceObserved{
			stats:  SourceStats{Name: name, Type: s.Type},
			unread: make(map[string]time.Time), streams: make(map[streamKey]*stream),
		}
		for _, k := range c.Sinks {
			so.stats.Sinks = append(so.stats.Sinks, SinkStats{Name: k.Name})
		}
		o.sources[s] = so
		o.order = append(o.order, so)
	}
	for _, k := range c.Sinks {
		o.sinks = append(o.sinks, &sinkObserved{health: SinkHealth{Name: k.Name}, calls: make(map[int]time.Time)})
	}
	return o
}

// source changes what is known of a source.
func (o *observed) source(s *Source, change func(*sourceObserved)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o.sources[s])
}

// sourceStats tells how each source is; it may be called at any time.
func (p *Pipeline) sourceStats() []SourceStats {
	p.observed.mu.Lock()
	defer p.observed.mu.Unlock()
	var all []SourceStats
	for _, so := range p.observed.order {
		s := so.stats
		s.Sinks = slices.Clone(s.Sinks)
		s.Failures = so.failing.list()
		s.LastError = so.failing.latest()
		s.Unread = len(so.unread)
		s.Streams = so.streamList()
		so.stats.CaughtUp = so.stats.CaughtUp || so.whole && s.Backlog.Splits() == 0
		s.CaughtUp = so.stats.CaughtUp
		all = append(all, s)
	}
	return all
}

// sinkHealth tells how each sink is.
func (p *Pipeline) sinkHealth() []SinkHealth {
	p.observed.mu.Lock()
	defer p.observed.mu.Unlock()
	var all []SinkHealth
	for _, so := range p.observed.sinks {
		h := so.health
		h.Failures, h.LastError = so.failing.list(), so.failing.latest()
		for _, began := range so.calls {
			if h.Waiting.IsZero() || began.Before(h.Waiting) {
				h.Waiting = began
			}
		}
		all = append(all, h)
	}
	return all
}

// works notes that something of a source works; failed what does not.
func (o *observed) works(s *Source, what string) {
	o.source(s, func(so *sourceObserved) {
		so.failing.clear(what)
		if what != "open" { // that says nothing of what is behind the plugin
			so.stats.Success = time.Now()
		}
	})
}

func (o *observed) failed(s *Source, what string, err error) {
	o.source(s, func(so *sourceObserved) { so.failing.add(what, err) })
}

// listed notes a listing that worked: of everything if back is 0 and no limit cut it off.
func (o *observed) listed(s *Source, began time.Time, back time.Duration, whole bool) {
	o.source(s, func(so *sourceObserved) {
		now := time.Now()
		so.failing.clear("list")
		so.stats.Listed, so.stats.Success = now, now
		if back > 0 || !whole {
			return
		}
		so.whole = true
		// What the listing before last met, the last one has tried again, unless it is
		// not there any more.
		for split, tried := range so.unread {
			if tried.Before(so.fulls[0]) {
				delete(so.unread, split)
			}
		}
		so.readAgain()
		so.fulls = [2]time.Time{so.fulls[1], began}
	})
}

// known notes splits that every sink has, reread one that is read again.
func (o *observed) known(s *Source, n int) {
	o.source(s, func(so *sourceObserved) { so.stats.Known += int64(n) })
}

func (o *observed) reread(s *Source) {
	o.source(s, func(so *sourceObserved) { so.stats.Reread++ })
}

// claimed notes a new task.
func (o *observed) claimed(t *task) {
	o.source(t.source, func(so *sourceObserved) {
		so.stats.Taken++
		t.stage = stageWaiting
		so.move(t, 1)
	})
}

// moved notes where a task is now.
func (o *observed) moved(t *task, to stage) {
	o.source(t.source, func(so *sourceObserved) {
		so.move(t, -1)
		t.stage = to
		so.move(t, 1)
	})
}

// released notes the end of a task.
func (o *observed) released(t *task) {
	o.source(t.source, func(so *sourceObserved) { so.move(t, -1) })
}

func (so *sourceObserved) move(t *task, n int) {
	b := &so.stats.Backlog
	switch t.stage {
	case stageWaiting:
		b.Waiting += n
	case stageFetching:
		b.Reading += n
	case stageWriting:
		b.Writing += n
	}
	b.Bytes += int64(n) * t.split.Bytes
}

// maxUnread bounds how many splits that cannot be read are told apart.
const maxUnread = 10_000

// gaveUp notes a split that was left for the next listing.
func (o *observed) gaveUp(t *task, err error) {
	o.source(t.source, func(so *sourceObserved) {
		so.stats.Failed++
		if _, known := so.unread[t.split.ID]; known || len(so.unread) < maxUnread {
			so.unread[t.split.ID] = time.Now()
		}
		so.failing.add("read", err)
	})
}

// readAgain clears the failure of reading when no split is left that failed.
func (so *sourceObserved) readAgain() {
	if len(so.unread) == 0 {
		so.failing.clear("read")
	}
}

// settled counts a split that is durable in every sink that lacked it. The lanes are
// done with its shares.
func (o *observed) settled(a *attempt, lanes []*lane) {
	o.source(a.source, func(so *sourceObserved) {
		st := &so.stats
		st.Success = time.Now()
		st.Settled++
		st.Bytes += a.split.Bytes
		st.Read += a.read
		st.Filtered += a.filtered
		st.Unevaluable += a.unevaluable
		for i, l := range a.lanes {
			n := &st.Sinks[slices.Index(lanes, l)]
			n.Stored += a.shares[i].stored
			n.Duplicate += a.shares[i].duplicate
			n.Quarantined += a.shares[i].quarantined
		}
		delete(so.unread, a.split.ID)
		so.readAgain()
		so.meet(a.seen, st.Success)
	})
}

// backfilling notes the start of a listing of everything, and returns what notes its end.
func (p *Pipeline) backfilling(ctx context.Context, s *Source, q *queue) (ended func()) {
	p.observed.source(s, func(so *sourceObserved) {
		so.stats.Backfill = Backfill{Running: true, Began: time.Now()}
		so.backfill = q.backfill
	})
	ctx, cancel := context.WithCancel(ctx)
	var counting sync.WaitGroup
	counting.Go(func() { p.count(ctx, s) })
	return func() {
		cancel()
		counting.Wait()
		p.observed.source(s, func(so *sourceObserved) { so.stats.Backfill.Running = false })
	}
}

// passed notes what a listing came past, if it is the backfill's.
func (o *observed) passed(s *Source, splits []sdk.Split, queue chan<- *task) {
	n := bytesOf(splits)
	o.source(s, func(so *sourceObserved) {
		if so.backfill != queue {
			return
		}
		so.stats.Backfill.Seen += int64(len(splits))
		so.stats.Backfill.SeenBytes += n
	})
}

func bytesOf(splits []sdk.Split) (n int64) {
	for _, split := range splits {
		n += split.Bytes
	}
	return n
}

// countAfter is how long a backfill runs before it is worth a listing more to tell how
// long it will take.
const countAfter = 10 * time.Second

// count lists everything once more, only to count it, until ctx ends. A backfill's own
// listing knows the sum when it is over: it waits while its splits are read.
func (p *Pipeline) count(ctx context.Context, s *Source) {
	if wait(ctx, countAfter) != nil {
		return
	}
	r := p.rangeOf(s, 0)
	var total, bytes int64
	err := s.Plugin.Discover(ctx, r, func(splits []sdk.Split) error {
		total += int64(len(splits))
		bytes += bytesOf(splits)
		return ctx.Err()
	})
	if err != nil {
		return // the backfill itself meets it too, and says so
	}
	p.observed.source(s, func(so *sourceObserved) {
		so.stats.Backfill.Total, so.stats.Backfill.TotalBytes = total, bytes
	})
}

// call notes one call of a sink; ended must be called with its outcome.
func (o *observed) call(sink, what string) (ended func(error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.sinks, func(so *sinkObserved) bool { return so.health.Name == sink })
	so := o.sinks[i]
	so.lastID++
	id := so.lastID
	so.calls[id] = time.Now()
	return func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(so.calls, id)
		if err == nil || sdk.IsInvalid(err) { // it works, and does not like the data
			so.failing.clear(what)
			if what != "open" { // that says nothing of what is behind the plugin
				so.health.Success = time.Now()
			}
			return
		}
		so.failing.add(what, err)
	}
}

// failures are what fails at present, by what was tried.
type failures struct {
	now  []Failure
	last *Failure
}

// maxErr bounds the text of an error that is told again and again.
const maxErr = 500

func (f *failures) add(what string, err error) {
	i := slices.IndexFunc(f.now, func(x Failure) bool { return x.What == what })
	if i < 0 {
		i = len(f.now)
		f.now = append(f.now, Failure{What: what, Since: time.Now()})
	}
	x := &f.now[i]
	x.Err, x.Denied, x.Last = shorten(err.Error(), maxErr), sdk.IsDenied(err), time.Now()
	x.Count++
	last := *x
	f.last = &last
}

func (f *failures) clear(what string) {
	f.now = slices.DeleteFunc(f.now, func(x Failure) bool { return x.What == what })
}

func (f *failures) list() []Failure { return slices.Clone(f.now) }

func (f *failures) latest() *Failure {
	if f.last == nil {
		return nil
	}
	last := *f.last
	return &last
}

// shorten cuts s to at most n bytes, at the end of a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
