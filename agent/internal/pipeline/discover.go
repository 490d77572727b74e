package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// margin widens a range given by hand on both sides: a split's time says only
// roughly when its events happened, and only whole splits are chosen.
const margin = time.Hour

// A pass is one listing of a source and the tasks it led to.
type pass struct {
	tasks  sync.WaitGroup
	limit  int // new splits to take; 0: all
	seen   int // splits listed, those in flight included
	taken  int
	reread int
	failed atomic.Bool // a task was given up
	// announced says that the source told of the splits and waits to hear their end.
	announced bool
	beat      *beat // of the loop that lists; nil in a run with Once
}

// errEnough ends a listing that found as many new splits as the source may take.
var errEnough = errors.New("enough splits for now")

// wait returns when every task of the pass has come to an end, or ctx has.
func (ps *pass) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { ps.tasks.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// A sinkError is a sink's refusal, met while a source was listed.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

// list lists the splits of the last back (0: all) once, trying again while that fails.
// It takes at most limit new ones; 0 is no bound.
func (p *Pipeline) list(ctx context.Context, s *Source, back time.Duration, limit int, queue chan<- *task, beat *beat) (*pass, error) {
	var t tries
	for {
		ps := &pass{limit: limit, beat: beat}
		r := p.rangeOf(s, back)
		began := time.Now()
		beat.wait()
		err := s.Plugin.Discover(ctx, r, func(splits []sdk.Split) error {
			return p.offer(ctx, s, r, splits, ps, queue)
		})
		beat.work()
		if err == nil || errors.Is(err, errEnough) {
			p.logPass(s, ps, back)
			p.observed.listed(s, began, back, err == nil)
			return ps, err
		}
		if ctx.Err() != nil || errors.As(err, new(sinkError)) {
			return ps, err
		}
		t.failed()
		p.observed.failed(s, "list", err)
		if p.Once && (sdk.IsDenied(err) || t.exhausted()) {
			return ps, fmt.Errorf("list %s: %w", s.Type, err)
		}
		p.Log.Warn("listing failed, will retry", "source", s.Type, "tries", t.n, "err", err)
		beat.wait()
		if err := t.pause(ctx, err); err != nil {
			return ps, err
		}
	}
}

func (p *Pipeline) logPass(s *Source, ps *pass, back time.Duration) {
	if ps.reread > 0 {
		p.Log.Info("reading splits again that were read under another filter", "source", s.Type, "splits", ps.reread)
	}
	p.Log.Debug("listed", "source", s.Type, "back", back, "splits", ps.seen, "new", ps.taken)
}

// rangeOf is the range that is asked of a source: what the user chose, and of it the
// last back.
func (p *Pipeline) rangeOf(s *Source, back time.Duration) sdk.TimeRange {
	r := p.Range
	if !r.Since.IsZero() {
		r.Since = r.Since.Add(-margin)
	}
	if !r.Until.IsZero() {
		r.Until = r.Until.Add(margin)
	}
	if s.Since.After(r.Since) {
		r.Since = s.Since
	}
	if from := time.Now().Add(-back); back > 0 && from.After(r.Since) {
		r.Since = from
	}
	return r
}

// offer takes one page of a listing: it settles what every sink has, and queues the
// rest for those sinks that lack it.
func (p *Pipeline) offer(ctx context.Context, s *Source, r sdk.TimeRange, splits []sdk.Split, ps *pass, queue chan<- *task) error {
	ps.beat.work()
	defer ps.beat.wait() // for the source's next page
	if i := slices.IndexFunc(splits, func(s sdk.Split) bool { return len(s.ID) > sdk.MaxSplitID }); i >= 0 {
		return sdk.Denied(fmt.Errorf("the plugin lists a split whose ID has %d bytes, and no ledger takes more than %d (%.60q…): tell its author", len(splits[i].ID), sdk.MaxSplitID, splits[i].ID))
	}
	ps.seen += len(splits)
	p.observed.passed(s, splits, queue)
	pg := p.openPage(s, splits)
	defer p.closePage(pg)
	var fresh []sdk.Split
	var known []sdk.Settled
	for _, split := range splits {
		switch {
		case p.isInFlight(s, split, ps.announced):
		case r.Contains(split.Time):
			fresh = append(fresh, split)
		case ps.announced:
			// Nobody wants it, and the source waits to hear of it.
			known = append(known, sdk.Settled{Split: split})
		}
	}
	lacking, err := p.lacking(ctx, s, fresh, ps)
	if err != nil {
		return err
	}
	for i, split := range fresh {
		if len(lacking[i]) == 0 {
			known = append(known, sdk.Settled{Split: split})
			continue
		}
		if ps.limit > 0 && ps.taken == ps.limit {
			return errEnough
		}
		switch p.claim(s, split, pg, ps.announced) {
		case taken:
			continue
		case stored:
			known = append(known, sdk.Settled{Split: split})
			continue
		}
		ps.taken++
		ps.tasks.Add(1)
		p.stats.taken.Add(1)
		t := &task{source: s, split: split, lanes: lacking[i], pass: ps}
		p.observed.claimed(t)
		ps.beat.wait()
		select {
		case queue <- t:
			ps.beat.work()
		case <-ctx.Done():
			p.release(t, context.Cause(ctx))
			return context.Cause(ctx)
		}
	}
	p.stats.known.Add(int64(len(known)))
	p.observed.known(s, len(known))
	ps.beat.wait()
	p.settleKnown(ctx, s, known)
	return nil
}

// lacking asks every sink's ledger; for each split it returns the sinks that lack it.
func (p *Pipeline) lacking(ctx context.Context, s *Source, splits []sdk.Split, ps *pass) ([][]*lane, error) {
	ids := make([]string, len(splits))
	for i, split := range splits {
		ids[i] = split.ID
	}
	lacking := make([][]*lane, len(splits))
	if len(splits) == 0 {
		return lacking, nil
	}
	reread := make([]bool, len(splits))
	for _, l := range p.lanes {
		var states []sdk.SplitState
		ps.beat.wait()
		err := p.retrySink(ctx, l.sink.Name, "ask ledger", func() (err error) {
			states, err = l.sink.Plugin.Done(ctx, sdk.DoneQuery{Pipeline: p.Name, Source: s.Type, Filter: p.filterID, Splits: ids})
			if sdk.IsInvalid(err) && !p.Once {
				err = sdk.Retry(err) // there is no data in a question to leave out
			}
			return err
		})
		ps.beat.work()
		if err != nil {
			return nil, sinkError{fmt.Errorf("ask ledger of sink %s: %w", l.sink.Name, err)}
		}
		for i, state := range states {
			if state != sdk.SplitDone {
				lacking[i] = append(lacking[i], l)
			}
			reread[i] = reread[i] || state == sdk.SplitFiltered
		}
	}
	for _, again := range reread {
		if again {
			ps.reread++
			p.stats.reread.Add(1)
			p.observed.reread(s)
		}
	}
	return lacking, nil
}

// settleKnown tells the source of splits that every sink has. If it cannot be told it
// will list them again.
func (p *Pipeline) settleKnown(ctx context.Context, s *Source, known []sdk.Settled) {
	if len(known) == 0 {
		return
	}
	if err := s.Plugin.Settle(ctx, known); err != nil && ctx.Err() == nil {
		p.Log.Warn("source was not told of splits that are done", "source", s.Type, "splits", len(known), "err", err)
	}
}

func key(s *Source, split sdk.Split) string { return s.Type + "\x00" + split.ID }

// A flight is a split on its way.
type flight struct {
	// waiters are sources that announced the split meanwhile. Each hears of its end: the
	// task may be that of another source block, or end at this very moment.
	waiters []*Source
}

func (p *Pipeline) isInFlight(s *Source, split sdk.Split, announced bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.joins(s, split, announced)
}

// joins reports whether a split is on its way, and has a source that announced it wait
// for the end. The mutex is held.
func (p *Pipeline) joins(s *Source, split sdk.Split, announced bool) bool {
	f := p.inFlight[key(s, split)]
	if f != nil && announced && !slices.Contains(f.waiters, s) {
		f.waiters = append(f.waiters, s)
	}
	return f != nil
}

// A page is a part of a listing that is being offered. The ledger is asked once for all
// of it, and its last splits may wait long for their turn: a backfill's do, behind live
// work. What another listing brings to its end meanwhile is noted here, so that the
// ledger's old answer does not have it read again.
type page struct {
	stored map[string]bool // by key of the page's splits
}

// openPage has to be called before the ledger is asked.
func (p *Pipeline) openPage(s *Source, splits []sdk.Split) *page {
	pg := &page{stored: make(map[string]bool, len(splits))}
	for _, split := range splits {
		pg.stored[key(s, split)] = false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[pg] = struct{}{}
	return pg
}

func (p *Pipeline) closePage(pg *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pages, pg)
}

// claimed is what became of an attempt to claim a split.
type claimed uint8

const (
	free   claimed = iota // it is the caller's now
	taken                 // another listing has it
	stored                // another listing brought it to its end since the page was opened
)

// claim takes a split for this pipeline; two sources of a type may list the same one.
func (p *Pipeline) claim(s *Source, split sdk.Split, pg *page, announced bool) claimed {
	k := key(s, split)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.joins(s, split, announced):
		return taken
	case pg.stored[k]:
		return stored
	}
	p.inFlight[k] = &flight{}
	return free
}

// release ends a task, and returns who else waits to hear of it; why is nil if its split
// is stored everywhere. Another listing may take the split again, but for one that a run
// with Once has given up.
func (p *Pipeline) release(t *task, why error) (waiters []*Source) {
	k := key(t.source, t.split)
	p.mu.Lock()
	if why == nil {
		for pg := range p.pages {
			if _, listed := pg.stored[k]; listed {
				pg.stored[k] = true
			}
		}
	}
	if f := p.inFlight[k]; f != nil {
		waiters, f.waiters = f.waiters, nil
	}
	if why == nil || !p.Once {
		delete(p.inFlight, k)
	}
	p.mu.Unlock()
	p.observed.released(t)
	t.pass.tasks.Done()
	return waiters
}
