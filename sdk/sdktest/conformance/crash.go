package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// checkGivenUp ends writes before their answers, as the agent does when it stops. The
// sink must stay usable and take the same events again.
func checkGivenUp(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	var all []sdk.Event
	for i := range 5 {
		l := t.events(fullBatch)
		ctx, cancel := context.WithTimeout(t.ctx, time.Duration(i*i)*2*time.Millisecond)
		_, err := p.Sink().Write(ctx, l.batch())
		cancel()
		if sdk.IsInvalid(err) || sdk.IsDenied(err) {
			return fmt.Errorf("a write that was given up looks like a fault of the data or the set-up: %w", err)
		}
		if _, err := p.accepted(l.batch()); err != nil {
			return fmt.Errorf("the same batch after a write that was given up: %w", err)
		}
		all = append(all, l.events...)
	}
	return errors.Join(p.stop(), t.holds(all, nil, false))
}

// slowFor is how long a write waits for the destination before it is given up: long enough
// that it has come to the plugin also on a busy machine.
const slowFor = 3 * time.Second

// checkSlow makes the destination stop answering. Meanwhile the plugin must answer the
// agent's question for its health, let go of a write that is given up, and stop in time.
func checkSlow(t *trial) error {
	if t.options.Slow == nil {
		return Skipped{"nothing says how to slow the destination down"}
	}
	p, err := t.open()
	if err != nil {
		return err
	}
	if _, err := p.accepted(t.events(1).batch()); err != nil {
		return err
	}
	t.options.Slow(true)
	defer t.options.Slow(false)
	l := t.events(10)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	written := make(chan error, 1)
	go func() {
		_, err := p.Sink().Write(ctx, l.batch())
		written <- err
	}()
	select {
	case <-time.After(slowFor):
	case err := <-written: // a sink may have a limit of its own
		written <- err
	}
	healthCtx, stopAsking := context.WithTimeoutCause(t.ctx, answerTimeout, fmt.Errorf("no answer within %s", answerTimeout))
	defer stopAsking()
	if err := p.Healthy(healthCtx); err != nil {
		return fmt.Errorf("health while the destination is slow: %w", err)
	}
	cancel()
	if err := <-written; err == nil {
		return errors.New("a write succeeds although the destination does not answer")
	}
	if err := p.stop(); err != nil {
		return fmt.Errorf("while the destination is slow: %w", err)
	}
	t.options.Slow(false)
	if p, err = t.open(); err != nil {
		return err
	}
	if _, err := p.accepted(l.batch()); err != nil {
		return err
	}
	return t.holds(l.events, nil, false)
}

// checkKilledAfter kills the sink as soon as it has acknowledged: what it acknowledged
// must be durable by then, not in a buffer.
func checkKilledAfter(t *trial) error {
	if err := t.mustLook(); err != nil {
		return err
	}
	var all []sdk.Event
	for _, n := range []int{1, 10, 500} {
		p, err := t.open()
		if err != nil {
			return err
		}
		l := t.events(n)
		if _, err := p.accepted(l.batch()); err != nil {
			return err
		}
		p.Kill()
		all = append(all, l.events...)
	}
	return t.holds(all, nil, false)
}

// spread is how many moments of a write are tried at even distances, closing how many more
// move in on its end: what is durable in the wrong order is so for an instant before the
// answer, and an even grid steps over it.
const spread, closing = 12, 10

// checkKilledDuring kills the sink at moments of a write and writes the same batch again
// with a new process, as the agent does.
func checkKilledDuring(t *trial) error {
	took, err := t.timeWrite()
	if err != nil {
		return err
	}
	var all []sdk.Event
	exactly := false
	kill := func(after time.Duration) (acknowledged bool, err error) {
		l := t.events(fullBatch)
		acknowledged, again, err := t.killAndRepeat(l, after)
		if err != nil {
			return acknowledged, fmt.Errorf("killed %s after the begin of a write: %w", after.Round(time.Millisecond), err)
		}
		exactly = again.fresh != nil
		all = append(all, l.events...)
		return acknowledged, nil
	}
	for i := range spread {
		if _, err := kill(took * time.Duration(i) / (spread - 1)); err != nil {
			return err
		}
	}
	// Earlier after a write that was answered, later after one that was not. The step grows
	// on the way to the end of a write and shrinks around it, so the kills find it also
	// where writes have become slower or faster than the one that was timed.
	after, step, before := took, took/8, false
	for i := range closing {
		acknowledged, err := kill(after)
		if err != nil {
			return err
		}
		if i > 0 && acknowledged == before {
			step *= 2
		} else {
			step = max(step/4, took/16)
		}
		before = acknowledged
		if acknowledged {
			after = max(after-step, 0)
		} else {
			after += step
		}
	}
	return t.holds(all, nil, exactly)
}

// timeWrite is how long a full batch takes.
func (t *trial) timeWrite() (time.Duration, error) {
	p, err := t.open()
	if err != nil {
		return 0, err
	}
	if _, err := p.accepted(t.events(fullBatch).batch()); err != nil {
		return 0, err
	}
	l := t.events(fullBatch)
	begun := time.Now()
	_, err = p.accepted(l.batch())
	return time.Since(begun), err
}

// killAndRepeat kills the sink some time after the begin of a write, and has the batch
// written by the next process. It says whether the write had been answered before.
func (t *trial) killAndRepeat(l load, after time.Duration) (acknowledged bool, again outcome, err error) {
	p, err := t.open()
	if err != nil {
		return false, outcome{}, err
	}
	written := make(chan error, 1)
	go func() {
		_, err := p.Sink().Write(t.ctx, l.batch())
		written <- err
	}()
	select {
	case <-time.After(after):
	case <-t.ctx.Done():
	}
	p.Kill()
	acknowledged = <-written == nil

	if p, err = t.open(); err != nil {
		return acknowledged, outcome{}, fmt.Errorf("open again: %w", err)
	}
	if err := t.agrees(p, l, acknowledged); err != nil {
		return acknowledged, outcome{}, err
	}
	again, err = p.accepted(l.batch())
	return acknowledged, again, err
}

// agrees holds the ledger against the events: a split is known as done exactly if its
// events are durable.
func (t *trial) agrees(p *process, l load, acknowledged bool) error {
	if !p.Ledger {
		return nil
	}
	state, err := p.state(l.split, fingerprint)
	if err != nil {
		return err
	}
	if state == sdk.SplitDone {
		return t.holds(l.events, nil, false)
	}
	if acknowledged {
		return errors.New("a write that completed a split was acknowledged, but the ledger does not know the split")
	}
	return nil
}
