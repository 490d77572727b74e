package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const (
	writeTimeout  = time.Minute
	writeAttempts = 6
	firstBackoff  = 50 * time.Millisecond
)

// An outcome is what a sink answered about the events of a delivery.
type outcome struct {
	rejected map[string]string // reason by ID
	// fresh says by ID whether the sink stored the event now; nil if it does not tell.
	fresh map[string]bool
}

// deliver writes b the way the agent does: again after an error that passes, in halves
// after one that is the data's fault, until every event is stored or rejected.
func (p *process) deliver(b sdk.Batch) (outcome, error) {
	res, err := p.write(b)
	switch {
	case err == nil:
		return outcomeOf(b, res), nil
	case !sdk.IsInvalid(err):
		return outcome{}, err
	case len(b.Events) == 0:
		return outcome{}, fmt.Errorf("a batch without events is refused as invalid: %w", err)
	case len(b.Events) == 1:
		alone := outcome{rejected: map[string]string{b.Events[0].ID: err.Error()}}
		return alone, p.complete(b)
	}
	half := len(b.Events) / 2
	first := sdk.Batch{Pipeline: b.Pipeline, Events: b.Events[:half], Spans: spans(b, half)}
	rest := sdk.Batch{Pipeline: b.Pipeline, Events: b.Events[half:], Spans: spans(b, len(b.Events)-half)}
	one, err := p.deliver(first)
	if err != nil {
		return outcome{}, err
	}
	other, err := p.deliver(rest)
	if err != nil {
		return outcome{}, err
	}
	return join(one, other), p.complete(b)
}

// spans of a part of b; the checks' batches hold events of one split.
func spans(b sdk.Batch, n int) []sdk.Span {
	return []sdk.Span{{Source: b.Spans[0].Source, Split: b.Spans[0].Split, Len: n}}
}

// complete sends the completions of b alone, as the agent does after a batch in halves.
func (p *process) complete(b sdk.Batch) error {
	if len(b.Completed) == 0 {
		return nil
	}
	_, err := p.write(sdk.Batch{Pipeline: b.Pipeline, Completed: b.Completed})
	return err
}

// write repeats a write after errors that pass. It gives up sooner than the agent, which
// never does.
func (p *process) write(b sdk.Batch) (res sdk.Result, err error) {
	backoff := firstBackoff
	for range writeAttempts {
		// The sink may reorder what it gets, but this is a process of its own.
		ctx, cancel := context.WithTimeoutCause(p.trial.ctx, writeTimeout, fmt.Errorf("a write of %d events takes longer than %s", len(b.Events), writeTimeout))
		res, err = p.Sink().Write(ctx, b)
		cancel()
		if err == nil || sdk.IsInvalid(err) {
			return res, err
		}
		if sdk.IsDenied(err) {
			return res, fmt.Errorf("the sink says that it lacks rights or set-up, with the given settings: %w", err)
		}
		select {
		case <-time.After(backoff):
		case <-p.Exited():
			return res, fmt.Errorf("the plugin's process ended during a write: %w", err)
		case <-p.trial.ctx.Done():
			return res, context.Cause(p.trial.ctx)
		}
		backoff *= 2
	}
	return res, fmt.Errorf("%d attempts of a write failed: %w", writeAttempts, err)
}

func outcomeOf(b sdk.Batch, res sdk.Result) outcome {
	o := outcome{rejected: map[string]string{}}
	for _, r := range res.Rejected {
		o.rejected[b.Events[r.Index].ID] = r.Reason
	}
	if res.New == nil {
		return o
	}
	o.fresh = map[string]bool{}
	for i, fresh := range res.New {
		o.fresh[b.Events[i].ID] = fresh
	}
	return o
}

// join puts two outcomes together. If one of the two does not tell what was new, the
// sum does not.
func join(a, b outcome) outcome {
	sum := outcome{rejected: maps.Clone(a.rejected)}
	maps.Copy(sum.rejected, b.rejected)
	if a.fresh == nil || b.fresh == nil {
		return sum
	}
	sum.fresh = maps.Clone(a.fresh)
	maps.Copy(sum.fresh, b.fresh)
	return sum
}

// accepted delivers b and demands that nothing of it is rejected.
func (p *process) accepted(b sdk.Batch) (outcome, error) {
	o, err := p.deliver(b)
	if err != nil {
		return o, err
	}
	for id, reason := range o.rejected {
		return o, fmt.Errorf("it rejects the ordinary event %s: %s", id, reason)
	}
	return o, nil
}

// holds looks whether the destination holds the events; exactly says that none may be
// there twice.
func (t *trial) holds(events []sdk.Event, except map[string]string, exactly bool) error {
	if t.options.Stored == nil {
		return nil
	}
	ids, err := t.options.Stored(t.ctx)
	if err != nil {
		return fmt.Errorf("look at what is stored: %w", err)
	}
	count := make(map[string]int, len(ids))
	for _, id := range ids {
		count[id]++
	}
	var missing, twice []string
	for _, e := range events {
		if _, rejected := except[e.ID]; rejected {
			continue
		}
		switch n := count[e.ID]; {
		case n == 0:
			missing = append(missing, e.ID)
		case n > 1 && exactly:
			twice = append(twice, e.ID)
		}
	}
	var errs []error
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d acknowledged events are not stored, such as %s", len(missing), len(events), missing[0]))
	}
	if len(twice) > 0 {
		errs = append(errs, fmt.Errorf("the sink tells new events from repeated ones, but %d of %d are stored more than once, such as %s", len(twice), len(events), twice[0]))
	}
	return errors.Join(errs...)
}

// mustLook skips a check that is worth nothing without a look at the destination.
func (t *trial) mustLook() error {
	if t.options.Stored == nil {
		return Skipped{"it must look at what is stored, and nothing says how"}
	}
	return nil
}
