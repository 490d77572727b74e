package pipeline

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// completed notes that an attempt's completion is durable in one lane. When it is in
// all of them the split is settled, and only now the source hears of it.
func (p *Pipeline) completed(ctx context.Context, a *attempt) {
	a.mu.Lock()
	a.remaining--
	over := a.remaining == 0
	a.mu.Unlock()
	if !over {
		return
	}
	p.observed.settled(a, p.lanes)
	p.stats.settled.Add(1)
	p.stats.bytes.Add(a.split.Bytes)
	p.stats.read.Add(a.read)
	p.stats.filtered.Add(a.filtered)
	p.settle(ctx, a.task, nil)
}

// settleGivenUp tells the source that a split was left unread, so that it can let a
// queue's message go back.
func (p *Pipeline) settleGivenUp(ctx context.Context, t *task, err error) {
	p.settle(ctx, t, err)
}

// settle ends a task. If the source cannot be told it will list the split again, and
// the ledger will know.
func (p *Pipeline) settle(ctx context.Context, t *task, why error) {
	if err := t.source.Plugin.Settle(ctx, []sdk.Settled{{Split: t.split, Err: why}}); err != nil && ctx.Err() == nil {
		p.Log.Warn("source was not told the end of a split", "source", t.source.Type, "split", t.split.ID, "err", err)
	}
	p.release(t, why == nil || !p.Once)
}
