package catalog

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Source is a source block's plugin. Its calls go to the process that runs at the
// time; a call that a crash cuts off returns an error, and may be repeated.
type Source struct{ *instance }

var (
	_ sdk.Source  = (*Source)(nil)
	_ sdk.Settler = (*Source)(nil)
)

// Discover implements [sdk.Source].
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	p, err := s.use(ctx)
	if err != nil {
		return err
	}
	return s.worked(p, p.Source().Discover(ctx, r, found))
}

// Fetch implements [sdk.Source].
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	p, err := s.use(ctx)
	if err != nil {
		return err
	}
	return s.worked(p, p.Source().Fetch(ctx, split, emit))
}

// Settle implements [sdk.Settler]; it does nothing for a source that does not care.
func (s *Source) Settle(ctx context.Context, settled []sdk.Settled) error {
	p, err := s.use(ctx)
	if err != nil || !p.Settles {
		return err
	}
	return s.worked(p, p.Source().Settle(ctx, settled))
}

// A Sink is a sink block's plugin. Its calls go to the process that runs at the
// time; a call that a crash cuts off returns an error, and may be repeated.
type Sink struct{ *instance }

var _ sdk.Sink = (*Sink)(nil)

// Write implements [sdk.Sink].
func (s *Sink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	p, err := s.use(ctx)
	if err != nil {
		return sdk.Result{}, err
	}
	res, err := p.Sink().Write(ctx, b)
	return res, s.worked(p, err)
}

// Done implements [sdk.Ledger]; it may only be called if Features says so.
func (s *Sink) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	p, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	states, err := p.Sink().Done(ctx, q)
	return states, s.worked(p, err)
}

// Features waits for the plugin to be open and tells whether it keeps the ledger,
// and how many writes at a time serve it best.
func (s *Sink) Features(ctx context.Context) (ledger bool, parallel int, err error) {
	p, err := s.use(ctx)
	if err != nil {
		return false, 0, err
	}
	return p.Ledger, p.Parallel, nil
}
