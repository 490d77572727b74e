package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// write stores a batch, trying again until the sink has it: no batch is ever dropped.
// It returns an error only when the run has to end, and then nothing of the batch is
// settled.
func (l *lane) write(ctx context.Context, b *batch) error {
	if err := l.store(ctx, b); err != nil {
		return err
	}
	l.durable(ctx, b)
	return nil
}

// store writes b's events, quarantine and completions. When the sink calls them
// invalid it halves the events until the culprits are alone and can be quarantined.
func (l *lane) store(ctx context.Context, b *batch) error {
	var res sdk.Result
	err := l.p.retrySink(ctx, l.sink.Name, "write", func() (err error) {
		res, err = l.sink.Plugin.Write(ctx, l.toWrite(b))
		return err
	})
	switch {
	case err == nil:
		l.account(b, res)
		l.alarm(b, res)
		return nil
	case !sdk.IsInvalid(err):
		return fmt.Errorf("write to sink %s: %w", l.sink.Name, err)
	case len(b.events) == 0:
		return l.insist(ctx, b, err)
	case len(b.events) == 1:
		l.p.Log.Error("sink refuses an event, it goes to quarantine", "sink", l.sink.Name, "event", b.events[0].ID, "err", err)
		b.condemn(err.Error())
		return l.store(ctx, b)
	}
	return l.bisect(ctx, b)
}

// bisect stores the two halves of b's events, then what else b carries: completions
// come last, when everything they count is durable.
func (l *lane) bisect(ctx context.Context, b *batch) error {
	first, second := b.halves()
	for _, half := range []*batch{first, second} {
		if err := l.store(ctx, half); err != nil {
			return err
		}
	}
	b.events, b.spans = nil, nil
	if len(b.quarantine) == 0 && len(b.completes) == 0 {
		return nil
	}
	return l.store(ctx, b)
}

// insist tries for ever what has no event left to blame: a ledger or quarantine that
// does not take its entries. Giving up would lose them.
func (l *lane) insist(ctx context.Context, b *batch, err error) error {
	err = fmt.Errorf("sink refuses ledger or quarantine entries: %w", err)
	if l.p.Once {
		return err
	}
	var t tries
	for {
		t.failed()
		l.p.Log.Error("sink failed, will retry", "sink", l.sink.Name, "tries", t.n, "err", err)
		if err := t.pause(ctx, sdk.Denied(err)); err != nil {
			return err
		}
		ended := l.p.observed.call(l.sink.Name, "write")
		_, err = l.sink.Plugin.Write(ctx, l.toWrite(b))
		ended(err)
		if err == nil {
			l.account(b, sdk.Result{})
			return nil
		}
	}
}

// toWrite is b in the contract's form. The completions hold what earlier writes
// reported, so it is made anew for each try.
func (l *lane) toWrite(b *batch) sdk.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := sdk.Batch{Pipeline: l.p.Name, Events: b.events}
	for _, s := range b.spans {
		a := s.share.attempt
		out.Spans = append(out.Spans, sdk.Span{Source: a.source.Type, Split: a.split.ID, Len: s.len})
	}
	for _, q := range b.quarantine {
		out.Quarantine = append(out.Quarantine, q.Quarantined)
	}
	for _, s := range b.completes {
		out.Completed = append(out.Completed, s.completion(l.p.filterID))
	}
	return out
}

// account adds what one successful Write did to the counts of its shares.
func (l *lane) account(b *batch, res sdk.Result) {
	rejected := make(map[int]bool, len(res.Rejected))
	for _, r := range res.Rejected {
		rejected[r.Index] = true
	}
	if len(res.Rejected) > 0 {
		first := res.Rejected[0]
		l.p.Log.Error("sink refuses events, they go to quarantine", "sink", l.sink.Name, "events", len(res.Rejected),
			"first", b.events[first.Index].ID, "reason", first.Reason)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := 0
	for _, s := range b.spans {
		for end := i + s.len; i < end; i++ {
			switch {
			case rejected[i]:
				s.share.quarantined++
			case res.New == nil || res.New[i]:
				s.share.stored++
			default:
				s.share.duplicate++
			}
		}
	}
	for _, q := range b.quarantine {
		q.share.quarantined++
	}
}

// alarm says that events came with the id of another, stored one: whoever can put an
// object into the bucket may try to hide an event that way, or to change it. The sink
// has kept them beside what is stored.
func (l *lane) alarm(b *batch, res sdk.Result) {
	if res.Variants == 0 {
		return
	}
	l.mu.Lock()
	l.stats.Variants += int64(res.Variants)
	l.mu.Unlock()
	l.p.Log.Error("records came with the id of a stored event but with other content: somebody may have made them up; the sink has kept both",
		"sink", l.sink.Name, "variants", res.Variants, "splits", b.repeating(res.New, maxNamed))
}

// maxNamed is how many splits of a batch one message names.
const maxNamed = 10

// repeating are the splits, the first ones, that have an event which is not new: a variant
// came in one of them. isNew may be nil, for not known.
func (b *batch) repeating(isNew []bool, most int) []string {
	var ids []string
	i := 0
	for _, s := range b.spans {
		end := i + s.len
		if id := s.share.attempt.split.ID; len(ids) < most && (isNew == nil || slices.Contains(isNew[i:end], false)) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		i = end
	}
	return ids
}

// durable gives back the batch's memory, lets completions follow that waited for it,
// and settles the splits that ended with it.
func (l *lane) durable(ctx context.Context, b *batch) {
	l.mu.Lock()
	for _, pc := range b.pieces {
		s := pc.share
		if s.pending--; s.pending == 0 && s.ended && !s.sent {
			s.sent = true
			l.ready = append(l.ready, s)
			poke(l.wake)
		}
	}
	for _, s := range b.completes {
		l.count(s)
	}
	l.mu.Unlock()
	for _, pc := range b.pieces {
		pc.lease.release()
	}
	l.p.completed(ctx, b.completes)
}

// condemn turns b's one event into a quarantine entry.
func (b *batch) condemn(reason string) {
	e, s := b.events[0], b.spans[0].share
	b.quarantine = append(b.quarantine, quarantined{share: s, Quarantined: sdk.Quarantined{
		Source: s.attempt.source.Type, Split: s.attempt.split.ID,
		EventID: e.ID, Time: e.Time, Reason: reason, Raw: e.Raw,
	}})
	b.events, b.spans = nil, nil
}

// halves cuts b's events into two batches that carry nothing else.
func (b *batch) halves() (first, second *batch) {
	cut := len(b.events) / 2
	first, second = &batch{events: b.events[:cut:cut]}, &batch{events: b.events[cut:]}
	at := 0
	for _, s := range b.spans {
		head := max(0, min(s.len, cut-at))
		if head > 0 {
			first.spans = append(first.spans, span{share: s.share, len: head})
		}
		if s.len > head {
			second.spans = append(second.spans, span{share: s.share, len: s.len - head})
		}
		at += s.len
	}
	return first, second
}
