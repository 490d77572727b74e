package catalog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Source is a source block's plugin. Its calls go to the process that runs at the
// time; a call that a crash cuts off returns an error, and may be repeated.
type Source struct{ *instance }

var (
	_ sdk.Source  = (*Source)(nil)
	_ sdk.Settler = (*Source)(nil)
	_ sdk.Watcher = (*Source)(nil)
)

// Discover implements [sdk.Source].
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	p, err := s.use(ctx)
	if err != nil {
		return err
	}
	// A listing may be silent for as long as it finds nothing.
	return s.outcome(p, p.Source().Discover(ctx, r, named(found)))
}

// Fetch implements [sdk.Source].
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	return s.stream(ctx, func(ctx context.Context, p *running, alive func(func() error) error) error {
		return p.Source().Fetch(ctx, split, func(events []sdk.Event) error {
			identify(events)
			for i := range events {
				if e := &events[i]; e.Reject != "" {
					e.Reject = p.Concealed(e.Reject)
				}
			}
			return alive(func() error { return emit(events) })
		})
	})
}

// named refuses splits without an ID: all of them would be one in the ledger.
func named(found func([]sdk.Split) error) func([]sdk.Split) error {
	return func(splits []sdk.Split) error {
		for i := range splits {
			if splits[i].ID == "" {
				return errors.New("plugin listed a split without an ID")
			}
		}
		return found(splits)
	}
}

// identify keeps events without an ID from being taken for repeats of one another: they
// go to quarantine, each under an ID of its own.
func identify(events []sdk.Event) {
	for i := range events {
		e := &events[i]
		if e.ID != "" {
			continue
		}
		e.ID = fmt.Sprintf("sha256:%x", sha256.Sum256(e.Raw))
		if e.Reject == "" {
			e.Reject = "the source gave the event no ID, by which repeats are known"
		}
	}
}

// Settle implements [sdk.Settler]; it does nothing for a source that does not care.
func (s *Source) Settle(ctx context.Context, settled []sdk.Settled) error {
	return s.call(ctx, func(ctx context.Context, p *running) error {
		if !p.Settles {
			return nil
		}
		return p.Source().Settle(ctx, settled)
	})
}

// Watch implements [sdk.Watcher]. It returns nil at once for a source that is told of
// nothing.
func (s *Source) Watch(ctx context.Context, found func([]sdk.Split) error) error {
	p, err := s.use(ctx)
	if err != nil || !p.Watches {
		return err
	}
	return s.outcome(p, p.Source().Watch(ctx, named(found)))
}

// Windowed waits for the plugin to be open and tells whether it is [sdk.Windowed].
func (s *Source) Windowed(ctx context.Context) (bool, error) {
	p, err := s.use(ctx)
	if err != nil {
		return false, err
	}
	return p.Windowed, nil
}

// A Sink is a sink block's plugin. Its calls go to the process that runs at the
// time; a call that a crash cuts off returns an error, and may be repeated.
type Sink struct{ *instance }

var _ sdk.Sink = (*Sink)(nil)

// Write implements [sdk.Sink].
func (s *Sink) Write(ctx context.Context, b sdk.Batch) (res sdk.Result, err error) {
	err = s.call(ctx, func(ctx context.Context, p *running) (err error) {
		res, err = p.Sink().Write(ctx, b)
		for i := range res.Rejected {
			res.Rejected[i].Reason = p.Concealed(res.Rejected[i].Reason)
		}
		return err
	})
	return res, err
}

// Done implements [sdk.Ledger]; it may only be called if Features says so.
func (s *Sink) Done(ctx context.Context, q sdk.DoneQuery) (states []sdk.SplitState, err error) {
	err = s.call(ctx, func(ctx context.Context, p *running) (err error) {
		states, err = p.Sink().Done(ctx, q)
		return err
	})
	return states, err
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

// Check waits for the plugin to be open and asks it to try its access. ok is false for a
// plugin that has no checks of its own.
func (i *instance) Check(ctx context.Context) (findings []sdk.Finding, ok bool, err error) {
	err = i.call(ctx, func(ctx context.Context, p *running) (err error) {
		if ok = p.Checks; !ok {
			return nil
		}
		findings, err = p.Check(ctx)
		for i := range findings {
			findings[i].Detail = p.Concealed(findings[i].Detail)
		}
		return err
	})
	return findings, ok, err
}
