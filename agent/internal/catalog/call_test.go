package catalog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A plugin has to wait while the agent is busy with what it sent, however long.
func TestAStreamMustGoOnWheneverTheAgentIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &running{hangs: make(chan struct{}, 1)}
		i := &instance{timing: timing{answer: time.Minute}, running: r}
		err := i.stream(t.Context(), func(ctx context.Context, _ *running, alive func(func() error) error) error {
			for range 3 {
				<-time.After(50 * time.Second)
				if err := alive(func() error { <-time.After(time.Hour); return nil }); err != nil {
					return err
				}
			}
			if ctx.Err() != nil {
				t.Errorf("ended early: %v", context.Cause(ctx))
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, errSilent) {
			t.Errorf("ended with %v", err)
		}
		if len(r.hangs) != 1 {
			t.Error("the plugin is not killed")
		}
	})
}

func TestACallThatIsAnsweredCostsNobodyItsLife(t *testing.T) {
	for _, want := range []error{nil, errors.New("down")} {
		r := &running{hangs: make(chan struct{}, 1)}
		i := &instance{timing: timing{answer: time.Hour}, running: r}
		if err := i.call(t.Context(), func(context.Context, *running) error { return want }); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if len(r.hangs) > 0 || r.worked.Load() != (want == nil) {
			t.Errorf("after %v: hangs %d, worked %t", want, len(r.hangs), r.worked.Load())
		}
	}
}
