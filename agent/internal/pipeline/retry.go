package pipeline

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Waits between tries: errors that pass by themselves are tried again soon, those
// that wait for somebody to act slowly. maxWait is what a database that comes back
// waits at most for its first event.
const (
	minWait       = 200 * time.Millisecond
	maxWait       = 8 * time.Second
	minDeniedWait = 2 * time.Second
	maxDeniedWait = 30 * time.Second
)

// patience is how long, and how often, a run with Once tries to read something
// before it leaves it unread.
const (
	patience    = 30 * time.Second
	minAttempts = 4
)

// tries counts the tries of one thing.
type tries struct {
	n     int
	since time.Time
}

// failed counts a failure.
func (t *tries) failed() {
	if t.n == 0 {
		t.since = time.Now()
	}
	t.n++
}

// exhausted reports whether a run with Once should leave the thing unread.
func (t *tries) exhausted() bool {
	return t.n >= minAttempts && time.Since(t.since) >= patience
}

// pause waits before the next try, with jitter; it returns ctx's cause if that ends.
func (t *tries) pause(ctx context.Context, err error) error {
	wait, most := minWait, maxWait
	if sdk.IsDenied(err) {
		wait, most = minDeniedWait, maxDeniedWait
	}
	wait = min(wait<<min(t.n-1, 10), most)
	select {
	case <-time.After(wait/2 + rand.N(wait/2)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retrySink calls a sink until it succeeds. Only a run with Once gives up, on what
// somebody has to mend first; nothing is lost by it, for the splits stay unsettled.
func (p *Pipeline) retrySink(ctx context.Context, sink, what string, call func() error) error {
	var t tries
	for {
		ended := p.observed.call(sink, what)
		err := call()
		ended(err)
		if err == nil {
			if t.n > 0 {
				p.Log.Info("sink works again", "sink", sink, "call", what, "tries", t.n)
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if sdk.IsInvalid(err) || (p.Once && sdk.IsDenied(err)) {
			return err
		}
		t.failed()
		level := slog.LevelWarn
		if sdk.IsDenied(err) {
			level = slog.LevelError
		}
		p.Log.Log(ctx, level, "sink failed, will retry", "sink", sink, "call", what, "tries", t.n, "err", err)
		if err := t.pause(ctx, err); err != nil {
			return err
		}
	}
}
