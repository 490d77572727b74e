package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// errSilent ends a call that the plugin does not answer.
var errSilent = errors.New("plugin gives no answer")

// call makes one call, which must be answered in time.
func (i *instance) call(ctx context.Context, do func(context.Context, *running) error) error {
	r, err := i.use(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, i.timing.answer, errSilent)
	defer cancel()
	return i.outcome(r, do(ctx, r))
}

// stream makes one call that answers piece by piece: do calls alive around what it does
// with each, and the next must come in time.
func (i *instance) stream(ctx context.Context, do func(ctx context.Context, r *running, alive func(func() error) error) error) error {
	r, err := i.use(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(i.timing.answer, func() { cancel(errSilent) })
	defer silence.Stop()
	return i.outcome(r, do(ctx, r, func(take func() error) error {
		silence.Stop() // while the agent is busy the plugin has to wait
		defer silence.Reset(i.timing.answer)
		return take()
	}))
}

// outcome notes how a call ended. A plugin that worked is started again at once when it
// ends. One that left a call without an answer is killed: it may still be busy with
// that call, and must not meet its repetition.
func (i *instance) outcome(r *running, err error) error {
	switch {
	case err == nil || sdk.IsInvalid(err) || sdk.IsGone(err):
		r.worked.Store(true)
	case errors.Is(err, errSilent):
		select {
		case r.hangs <- struct{}{}:
		default:
		}
		return fmt.Errorf("%w for %s", err, i.timing.answer)
	}
	return err
}
