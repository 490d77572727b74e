package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second

	openTimeout    = 30 * time.Second
	healthInterval = 3 * time.Second
	healthTimeout  = 3 * time.Second
	healthMisses   = 3
)

// launch is all that is needed to start one plugin again and again.
type launch struct {
	command     host.Command
	settings    json.RawMessage
	environment map[string]string
}

// An instance is one block's plugin, kept running: it is started again when it has
// crashed, sooner when it had worked before, ever later when it had not.
type instance struct {
	launch launch
	log    *slog.Logger
	cancel context.CancelCauseFunc
	drains chan context.Context // how long the last Close may take, from stop to watch
	ended  chan struct{}

	mu      sync.Mutex
	running *running      // nil between processes
	err     error         // why the latest start failed; nil while starting or running
	changed chan struct{} // closed at each change of the two above
}

// running is one process that is open.
type running struct {
	*host.Process
	host.Opened
	worked atomic.Bool // it answered a call with data, so its end was no failure to start
}

var errClosed = errors.New("plugin is closed")

func newInstance(l launch, log *slog.Logger) *instance {
	ctx, cancel := context.WithCancelCause(context.Background())
	i := &instance{
		launch: l, log: log, cancel: cancel,
		drains: make(chan context.Context, 1), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	go i.run(ctx)
	return i
}

// run keeps the plugin running until stop. It is the only writer of the state.
func (i *instance) run(ctx context.Context) {
	defer close(i.ended)
	backoff := minBackoff
	for {
		r, err := i.open(ctx)
		if err == nil {
			i.set(r, nil)
			i.watch(ctx, r)
			if ctx.Err() != nil {
				return
			}
			i.set(nil, nil)
			if r.worked.Load() {
				backoff = minBackoff
			}
			i.log.Warn("plugin process ended, starting it again", "pid", r.PID(), "in", backoff)
		} else {
			if ctx.Err() != nil {
				i.set(nil, errClosed)
				return
			}
			i.set(nil, err)
			i.log.Warn("plugin does not start, trying again", "in", backoff, "err", err)
		}
		select {
		case <-time.After(backoff/2 + rand.N(backoff/2+1)):
		case <-ctx.Done():
			i.set(nil, errClosed)
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// open starts a process and opens its source or sink.
func (i *instance) open(ctx context.Context) (_ *running, err error) {
	p, err := host.Start(i.launch.command, i.log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Kill()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	opened, err := p.Open(ctx, i.launch.settings, i.launch.environment)
	if err != nil {
		return nil, fmt.Errorf("open plugin: %w", err)
	}
	return &running{Process: p, Opened: opened}, nil
}

// watch returns when the process has ended, by itself, for its health, or by stop.
func (i *instance) watch(ctx context.Context, r *running) {
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-r.Exited():
			r.Kill()
			return
		case <-ctx.Done():
			i.set(nil, errClosed)
			if err := r.Stop(<-i.drains); err != nil {
				i.log.Warn("plugin did not stop cleanly", "err", err)
			}
			return
		case <-tick.C:
		}
		hctx, cancel := context.WithTimeout(ctx, healthTimeout)
		err := r.Healthy(hctx)
		cancel()
		if err == nil || ctx.Err() != nil {
			misses = 0
			continue
		}
		if misses++; misses == healthMisses {
			i.log.Warn("plugin hangs, killing it", "pid", r.PID(), "err", err)
			r.Kill()
			return
		}
	}
}

// stop ends the plugin; ctx bounds how long it may take to close.
func (i *instance) stop(ctx context.Context) {
	i.drains <- ctx
	i.cancel(errClosed)
	<-i.ended
}

func (i *instance) set(r *running, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running, i.err = r, err
	close(i.changed)
	i.changed = make(chan struct{})
}

// use returns the running process. It waits while one is being started, and returns
// the error of the latest start if that failed.
func (i *instance) use(ctx context.Context) (*running, error) {
	for {
		i.mu.Lock()
		r, err, changed := i.running, i.err, i.changed
		i.mu.Unlock()
		if r != nil || err != nil {
			return r, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// worked notes the outcome of a call: a plugin that worked is started again at once.
func (i *instance) worked(r *running, err error) error {
	if err == nil || sdk.IsInvalid(err) || sdk.IsGone(err) {
		r.worked.Store(true)
	}
	return err
}
