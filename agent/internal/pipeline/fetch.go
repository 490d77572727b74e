package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// eventOverhead is about what an event costs in memory beyond its raw bytes.
const eventOverhead = 256

// goneTries is how often a split is tried again that is said to be gone: a proxy may say
// so in passing, or a file system that is away for a moment.
const goneTries = 3

// fetch reads one split to its end, trying again while that fails. ctx ends the
// reading, alive what has been read.
func (p *Pipeline) fetch(ctx, alive context.Context, t *task) {
	p.observed.moved(t, stageFetching)
	var tr tries
	for {
		err := p.attempt(ctx, alive, t, tr.n >= goneTries)
		if err == nil {
			return // the lanes have it now, and release it when it is durable
		}
		tr.failed()
		if ctx.Err() != nil || p.givesUp(tr, err) || tr.pause(ctx, err) != nil {
			p.giveUp(alive, t, err)
			return
		}
	}
}

// givesUp reports whether a split is left for the next listing, which finds it missing
// in the ledger again.
func (p *Pipeline) givesUp(t tries, err error) bool {
	if sdk.IsDenied(err) {
		return true
	}
	if p.Once {
		return t.exhausted()
	}
	return t.n >= minAttempts
}

// attempt reads the split once. Only a reading that came to its end, or to an error
// that is final for the split, is handed over as complete; that the split is gone is
// final if goneCounts says so, or if a part of it was read before.
func (p *Pipeline) attempt(ctx, alive context.Context, t *task, goneCounts bool) error {
	a := newAttempt(t)
	r := &reading{p: p, attempt: a}
	if err := r.reserve(ctx); err != nil {
		return err
	}
	err := t.source.Plugin.Fetch(ctx, t.split, func(events []sdk.Event) error { return r.take(ctx, events) })
	final := sdk.IsInvalid(err) || sdk.IsGone(err) && (goneCounts || a.read > 0)
	switch {
	case err == nil && r.rejected > 0:
		p.Log.Error("records are no events, they go to quarantine", "source", t.source.Type, "split", t.split.ID, "records", r.rejected, "reason", r.rejection)
	case err == nil:
	case ctx.Err() != nil || !final:
		r.discard()
		return fmt.Errorf("read %s: %w", t.split.ID, err)
	default:
		r.conclude(err)
	}
	p.stats.unevaluable.Add(r.unevaluable)
	a.unevaluable = r.unevaluable
	p.observed.moved(t, stageWriting)
	return r.handOver(alive, true)
}

// giveUp leaves a split unread for now.
func (p *Pipeline) giveUp(ctx context.Context, t *task, err error) {
	defer p.settleGivenUp(ctx, t, err)
	if errors.Is(err, errDraining) || ctx.Err() != nil {
		if p.Once {
			p.unread(errCutShort)
		}
		return
	}
	p.stats.failed.Add(1)
	t.pass.failed.Store(true)
	p.observed.gaveUp(t, err)
	if p.Once {
		p.unread(err)
		p.Log.Error("left unread", "source", t.source.Type, "split", t.split.ID, "err", err)
		return
	}
	p.Log.Warn("left for the next listing", "source", t.source.Type, "split", t.split.ID, "err", err)
}

// A reading gathers an attempt's events into pieces and accounts for their memory.
type reading struct {
	p           *Pipeline
	attempt     *attempt
	events      []sdk.Event
	quarantine  []sdk.Quarantined
	slabs       []*slab // have the records of events and quarantine
	bytes       int64   // held in events and quarantine
	reserved    int64   // taken from the budget for them
	unevaluable int64
	rejected    int64  // records that are no events
	rejection   string // why the first of them is none
	kept        []int  // of the page at hand, what the filter keeps
}

// What a split's first piece is taken to need: CloudTrail's JSON inflates about tenfold,
// and a split of unknown size is a window of a few minutes. add corrects it.
const (
	inflation    = 12
	smallestRoom = 64 << 10
	unknownRoom  = 256 << 10
)

// reserve takes what the next piece will probably need.
func (r *reading) reserve(ctx context.Context) error {
	n := r.p.Batch.MaxBytes
	if r.attempt.read == 0 {
		room := int64(unknownRoom)
		if size := r.attempt.split.Bytes; size > 0 {
			room = inflation*size + smallestRoom
		}
		n = min(n, room)
	}
	if err := r.p.memory.reserve(ctx, n); err != nil {
		return err
	}
	r.reserved = n
	return nil
}

// take filters a page of events and keeps the rest. The page is the source's, so that what is
// kept of its records is copied.
func (r *reading) take(ctx context.Context, page []sdk.Event) error {
	r.attempt.read += int64(len(page))
	r.kept = r.kept[:0]
	for i := range page {
		if r.keeps(&page[i]) {
			r.kept = append(r.kept, i)
		}
	}
	r.attempt.filtered += int64(len(page) - len(r.kept))
	for k := range r.kept {
		if err := r.add(ctx, page, r.kept[k:]); err != nil {
			return err
		}
	}
	return nil
}

// keeps asks the filter. A record that is no good event passes, into quarantine.
func (r *reading) keeps(e *sdk.Event) bool {
	if e.Reject != "" {
		return true
	}
	r.attempt.seen.note(e)
	v := r.p.Filter.Match(e)
	if v.Unevaluable != nil {
		r.unevaluable++
	}
	return v.Keep
}

// add keeps the first of the events of page that kept names, handing over a piece when one is
// full.
func (r *reading) add(ctx context.Context, page []sdk.Event, kept []int) error {
	e := page[kept[0]]
	size := r.size(&e)
	if r.held() > 0 && r.fills(r.held(), r.bytes+size) {
		if err := r.handOver(ctx, false); err != nil {
			return err
		}
		if err := r.reserve(ctx); err != nil {
			return err
		}
	}
	if r.bytes += size; r.bytes > r.reserved {
		r.p.memory.adjust(r.bytes - r.reserved)
		r.reserved = r.bytes
	}
	if n := len(r.slabs); n == 0 || !r.slabs[n-1].has(len(e.Raw)) {
		r.slabs = append(r.slabs, r.p.slabs.take(r.room(page, kept)))
	}
	e.Raw = r.slabs[len(r.slabs)-1].copy(e.Raw)
	if e.Reject == "" {
		r.events = append(r.events, e)
		return nil
	}
	if r.rejected++; r.rejected == 1 {
		r.rejection = e.Reject
	}
	r.quarantine = append(r.quarantine, sdk.Quarantined{
		Source: r.attempt.source.Type, Split: r.attempt.split.ID,
		EventID: e.ID, Time: e.Time, Reason: e.Reject, Raw: e.Raw,
	})
	return nil
}

// size is what an event counts for the budget.
func (r *reading) size(e *sdk.Event) int64 {
	n := int64(len(e.Raw)) + eventOverhead
	if e.Reject != "" { // each entry of the quarantine names its split
		n += int64(len(r.attempt.split.ID) + len(e.Reject))
	}
	return n
}

func (r *reading) held() int { return len(r.events) + len(r.quarantine) }

// fills reports whether another event is too many for a piece that holds so many and would
// have so many bytes with it.
func (r *reading) fills(events int, bytes int64) bool {
	return events >= r.p.Batch.MaxEvents || bytes > r.p.Batch.MaxBytes
}

// room is how many bytes the records have of the events that kept names, as far as they will be
// in the present piece, of which the first is.
func (r *reading) room(page []sdk.Event, kept []int) int {
	n, bytes := 0, r.bytes
	for k, i := range kept {
		e := &page[i]
		if k > 0 {
			if bytes += r.size(e); r.fills(r.held()+k, bytes) {
				break
			}
		}
		n += len(e.Raw)
	}
	return n
}

// conclude ends an attempt on an error that is final for the split. What was gathered
// is dropped: nothing counts of a split that cannot be read to its end, except what
// pieces before carried already. An invalid split is quarantined as a whole and counts
// as one record read.
func (r *reading) conclude(err error) {
	a := r.attempt
	a.reason = err.Error()
	a.read -= int64(len(r.events) + len(r.quarantine))
	r.events, r.quarantine, r.slabs, r.bytes = nil, nil, nil, 0
	if sdk.IsGone(err) {
		a.status = sdk.StatusGone
		r.p.Log.Error("split is gone, and is read if it is listed again", "source", a.source.Type, "split", a.split.ID, "err", err)
		return
	}
	a.status = sdk.StatusInvalid
	a.read++
	r.quarantine = []sdk.Quarantined{{Source: a.source.Type, Split: a.split.ID, Time: a.split.Time, Reason: a.reason}}
	r.p.Log.Error("split is invalid and goes to quarantine", "source", a.source.Type, "split", a.split.ID, "err", err)
}

// handOver gives what is gathered to every lane.
func (r *reading) handOver(ctx context.Context, last bool) error {
	r.p.memory.adjust(r.bytes - r.reserved)
	lanes := r.attempt.lanes
	pc := piece{
		events: r.events, quarantine: r.quarantine, bytes: r.bytes, last: last,
		lease: &lease{memory: r.p.memory, bytes: r.bytes, pool: &r.p.slabs, slabs: r.slabs, lanes: len(lanes)},
	}
	r.events, r.quarantine, r.slabs, r.bytes, r.reserved = nil, nil, nil, 0, 0
	for i, l := range lanes {
		pc.share = r.attempt.shares[i]
		if err := l.take(ctx, pc); err != nil {
			return err
		}
	}
	return nil
}

// discard gives back the memory of a reading that failed.
func (r *reading) discard() {
	r.p.memory.adjust(-r.reserved)
	r.events, r.quarantine, r.slabs, r.bytes, r.reserved = nil, nil, nil, 0, 0
}
