package pipeline

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// completed notes that a batch's completions are durable in one lane. The splits that
// are so in all of theirs are settled, and only now their sources hear of it: one call a
// source.
func (p *Pipeline) completed(ctx context.Context, shares []*share) {
	var order []*Source
	over := make(map[*Source][]*task)
	for _, s := range shares {
		a := s.attempt
		if !a.completedIn() {
			continue
		}
		p.observed.settled(a, p.lanes)
		p.stats.settled.Add(1)
		p.stats.bytes.Add(a.split.Bytes)
		p.stats.read.Add(a.read)
		p.stats.filtered.Add(a.filtered)
		if over[a.source] == nil {
			order = append(order, a.source)
		}
		over[a.source] = append(over[a.source], a.task)
	}
	for _, source := range order {
		p.settle(ctx, source, over[source], nil)
	}
}

// completedIn notes one more lane, and reports whether it was the last.
func (a *attempt) completedIn() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remaining--
	return a.remaining == 0
}

// settleGivenUp tells the source that a split was left unread, so that it can let a
// queue's message go back.
func (p *Pipeline) settleGivenUp(ctx context.Context, t *task, err error) {
	p.settle(ctx, t.source, []*task{t}, err)
}

// settle ends tasks of one source; why is nil if their splits are stored. If the source
// cannot be told it will list them again, and the ledger will know.
func (p *Pipeline) settle(ctx context.Context, source *Source, tasks []*task, why error) {
	settled := make([]sdk.Settled, len(tasks))
	for i, t := range tasks {
		settled[i] = sdk.Settled{Split: t.split, Err: why}
	}
	p.tell(ctx, source, settled)
	for i, t := range tasks {
		for _, waiter := range p.release(t, why) {
			p.tell(ctx, waiter, settled[i:i+1])
		}
	}
}

func (p *Pipeline) tell(ctx context.Context, source *Source, settled []sdk.Settled) {
	if err := source.Plugin.Settle(ctx, settled); err != nil && ctx.Err() == nil {
		p.Log.Warn("source was not told the end of splits",
			"source", source.Type, "splits", len(settled), "first", settled[0].Split.ID, "err", err)
	}
}
