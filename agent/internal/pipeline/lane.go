package pipeline

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A lane carries events to one sink: it gathers pieces into batches and writes
// several batches at a time.
type lane struct {
	p    *Pipeline
	sink Sink
	in   chan piece
	work chan *batch
	// hurry asks for the open batch because memory is short, wake for a look at ready.
	hurry, wake chan struct{}
	spare       chan []sdk.Event // of batches that were written, empty, for the next ones
	writing     sync.WaitGroup   // batches handed to the writers

	beat *beat // of gather, its only user

	mu    sync.Mutex
	ready []*share // ended, durable, completion not sent yet
	stats SinkStats
	// passes lack their names.
	passes map[passKey]PassStats
}

// maxSpare bounds what waits to be used again: one for the batch that is being filled, and one
// for the next.
const maxSpare = 2

// maxPasses bounds how many passes are told apart: their names come from plugins.
const maxPasses = 100

type passKey struct{ source, pass string }

// A batch is what one Write will store.
type batch struct {
	events     []sdk.Event
	spans      []span
	quarantine []quarantined
	completes  []*share
	pieces     []piece
	bytes      int64
}

// A span is a run of a batch's events that belong to one share.
type span struct {
	share *share
	len   int
}

type quarantined struct {
	sdk.Quarantined
	share *share
}

func newLane(p *Pipeline, s Sink) *lane {
	return &lane{
		p: p, sink: s,
		in: make(chan piece), work: make(chan *batch),
		hurry: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		spare: make(chan []sdk.Event, maxSpare),
		stats: SinkStats{Name: s.Name}, passes: make(map[passKey]PassStats),
	}
}

// run gathers and writes until in is closed and all of it is written. It calls fail
// when the sink refuses for good, which only ends a run with Once. intake ends the
// waiting for a sink that does not open: what was fetched for it is read again.
func (l *lane) run(intake, ctx context.Context, fail func(error)) {
	var writers int
	err := l.p.retrySink(intake, l.sink.Name, "open", func() (err error) {
		writers, err = l.sink.Parallel(intake)
		return err
	})
	if err != nil {
		if intake.Err() == nil {
			fail(err)
		}
		for range l.in {
			continue // let go of what was fetched
		}
		return
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for b := range l.work {
				if err := l.write(ctx, b); err != nil {
					fail(err)
				} else {
					l.recycle(b)
				}
				l.writing.Done()
			}
		})
	}
	l.gather(ctx)
	close(l.work)
	wg.Wait()
}

// take hands a piece to the lane. It blocks while the lane is busy.
func (l *lane) take(ctx context.Context, pc piece) error {
	l.mu.Lock()
	pc.share.pending++
	pc.share.ended = pc.last
	l.mu.Unlock()
	select {
	case l.in <- pc:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// gather fills batches with whole pieces until in is closed.
func (l *lane) gather(ctx context.Context) {
	b := l.newBatch()
	l.beat = l.p.pulse.loop("batching for sink " + l.sink.Name)
	defer l.beat.end()
	var due <-chan time.Time // set while something waits for its batch to fill
	flush := func() {
		l.flush(ctx, b)
		b, due = l.newBatch(), nil
	}
	for {
		l.beat.wait()
		select {
		case pc, open := <-l.in:
			l.beat.work()
			if !open {
				flush()
				l.finish(ctx)
				return
			}
			if !b.hasRoom(pc, l.p.Batch) {
				flush()
			}
			b.add(pc)
			if b.isFull(l.p.Batch) {
				flush()
				continue
			}
		case <-l.hurry:
			flush()
			continue
		case <-due:
			flush()
			continue
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		if due == nil {
			due = time.After(l.p.Batch.Linger)
		}
	}
}

func (l *lane) newBatch() *batch {
	select {
	case events := <-l.spare:
		return &batch{events: events}
	default:
		return &batch{}
	}
}

// recycle keeps the room for a batch's events, which nobody may use any more.
func (l *lane) recycle(b *batch) {
	if cap(b.events) == 0 {
		return
	}
	clear(b.events)
	select {
	case l.spare <- b.events[:0]:
	default:
	}
}

// finish writes the completions that become ready while the last batches are written.
func (l *lane) finish(ctx context.Context) {
	for ctx.Err() == nil {
		l.beat.wait()
		l.writing.Wait()
		l.beat.work()
		l.mu.Lock()
		over := len(l.ready) == 0
		l.mu.Unlock()
		if over {
			return
		}
		l.flush(ctx, &batch{})
	}
}

// flush hands a batch to the writers, with the completions that may go with it.
func (l *lane) flush(ctx context.Context, b *batch) {
	l.beat.work()
	l.mu.Lock()
	b.completes = append(l.completing(b), l.ready...)
	l.ready = nil
	l.mu.Unlock()
	if len(b.pieces) == 0 && len(b.completes) == 0 {
		return
	}
	l.writing.Add(1)
	l.beat.wait()
	defer l.beat.work()
	select {
	case l.work <- b:
	case <-ctx.Done():
		l.writing.Done()
	}
}

// completing returns the shares that end with b: all their pieces that are not
// durable yet are in it. l.mu is held.
func (l *lane) completing(b *batch) []*share {
	here := make(map[*share]int)
	for _, pc := range b.pieces {
		here[pc.share]++
	}
	var completes []*share
	for _, pc := range b.pieces {
		s := pc.share
		if s.ended && !s.sent && here[s] == s.pending {
			s.sent = true
			completes = append(completes, s)
		}
	}
	return completes
}

func (l *lane) totals() SinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *lane) passTotals() []PassStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []PassStats
	for k, n := range l.passes {
		n.Sink, n.Source, n.Pass = l.sink.Name, k.source, k.pass
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b PassStats) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Pass, b.Pass))
	})
	return all
}

// count adds a share that is complete and durable to the totals. The mutex is held.
func (l *lane) count(s *share) {
	l.stats.Stored += s.stored
	l.stats.Duplicate += s.duplicate
	l.stats.Quarantined += s.quarantined
	k := passKey{source: s.attempt.source.Type, pass: s.attempt.split.Pass}
	n, known := l.passes[k]
	if k.pass == "" || !known && len(l.passes) == maxPasses {
		return
	}
	n.Splits++
	n.Stored += s.stored
	l.passes[k] = n
}

func (b *batch) hasRoom(pc piece, limit Batch) bool {
	return b.size()+len(pc.events)+len(pc.quarantine) <= limit.MaxEvents && b.bytes+pc.bytes <= limit.MaxBytes && !b.mixes(pc.share)
}

// mixes reports whether b holds events of another reading of s's split. Sinks count by
// split: with both in one batch they would count the events of the reading that failed
// to the one that is completed.
func (b *batch) mixes(s *share) bool {
	for _, pc := range b.pieces {
		o := pc.share
		if o != s && o.attempt.split.ID == s.attempt.split.ID && o.attempt.source.Type == s.attempt.source.Type {
			return true
		}
	}
	return false
}

func (b *batch) isFull(limit Batch) bool {
	return b.size() >= limit.MaxEvents || b.bytes >= limit.MaxBytes || len(b.pieces) >= limit.MaxEvents
}

func (b *batch) size() int { return len(b.events) + len(b.quarantine) }

func (b *batch) add(pc piece) {
	b.pieces = append(b.pieces, pc)
	b.bytes += pc.bytes
	b.events = append(b.events, pc.events...)
	if len(pc.events) > 0 {
		b.spans = append(b.spans, span{share: pc.share, len: len(pc.events)})
	}
	for _, q := range pc.quarantine {
		b.quarantine = append(b.quarantine, quarantined{Quarantined: q, share: pc.share})
	}
}

// poke sends on a channel of capacity 1 that means "look again".
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
