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

// timing is how long the catalog waits for plugins.
type timing struct {
	open time.Duration
	// health is both the time between two checks and the deadline of each; a plugin
	// that misses several in a row hangs.
	health time.Duration
	misses int
	// answer is how long a call may go without an answer.
	answer time.Duration
	// kill is how long a stop may take after it has turned to force.
	kill time.Duration
}

func defaultTiming() timing {
	return timing{
		open: 30 * time.Second, health: 3 * time.Second, misses: 3,
		answer: 5 * time.Minute, kill: 3 * time.Second,
	}
}

// launch is all that is needed to start one block's plugin again and again.
type launch struct {
	block, kind, typ string
	prepare          preparation
	dir              string // of sockets
	settings         json.RawMessage
	environment      map[string]string
	secrets          []string // that it might repeat
	memory           int64    // bytes the process may have for itself; 0 for no limit
	program          string   // identity of an external program; empty for a built-in
}

// An instance is one block's plugin, kept running.
type instance struct {
	launch launch
	timing timing
	log    *slog.Logger
	cancel context.CancelCauseFunc
	drains chan context.Context // how long the last Close may take, from stop to watch
	ended  chan struct{}
	opened bool // some process did; run's alone

	mu       sync.Mutex
	running  *running      // nil between processes
	err      error         // why the latest start failed; nil while starting or running
	changed  chan struct{} // closed at each change of the two above
	restarts restarts
	pid      int
	starts   int   // processes that were started
	crash    error // how the latest process ended, if nobody asked for it
	output   []string
}

// running is one process that is open.
type running struct {
	*host.Process
	host.Opened
	worked atomic.Bool   // it answered a call with data, so its end was no failure to start
	hangs  chan struct{} // a call asks to have it killed
}

var errClosed = errors.New("plugin is closed")

func newInstance(l launch, t timing, log *slog.Logger) *instance {
	ctx, cancel := context.WithCancelCause(context.Background())
	i := &instance{
		launch: l, timing: t, log: log, cancel: cancel,
		drains: make(chan context.Context, 1), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	go i.run(ctx)
	return i
}

// run keeps the plugin running until stop. It is the only writer of the state.
func (i *instance) run(ctx context.Context) {
	defer close(i.ended)
	defer i.set(nil, errClosed)
	for {
		r, err := i.open(ctx)
		if ctx.Err() != nil && err != nil {
			return
		}
		var wait time.Duration
		if err != nil {
			wait = i.startFailed(err)
		} else {
			i.set(r, nil)
			why := i.watch(ctx, r)
			if ctx.Err() != nil {
				return
			}
			wait = i.crashed(r, why)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		case <-ctx.Done():
			return
		}
	}
}

// open starts a process and opens its source or sink.
func (i *instance) open(ctx context.Context) (_ *running, err error) {
	cmd, err := i.launch.prepare(i.launch.dir, i.log)
	if err != nil {
		return nil, err
	}
	p, err := cmd.start(i.log)
	if err != nil {
		if i.opened {
			// It has been a plugin, so it was killed while it started: that passes.
			err = sdk.Retry(err)
		}
		return nil, err
	}
	i.mu.Lock()
	i.starts++
	i.mu.Unlock()
	defer func() {
		if err != nil {
			p.Kill()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, i.timing.open)
	defer cancel()
	if err := conceal(ctx, p, i.launch.settings); err != nil {
		return nil, err
	}
	p.Conceal(i.launch.secrets...)
	opened, err := p.Open(ctx, i.launch.settings, i.launch.environment)
	if err != nil {
		return nil, fmt.Errorf("open plugin: %w", err)
	}
	i.opened = true
	return &running{Process: p, Opened: opened, hangs: make(chan struct{}, 1)}, nil
}

// startFailed notes why there is no process, and returns how long to wait. A plugin
// that ends while it opens has crashed; one that is refused, or refuses its settings,
// has not.
func (i *instance) startFailed(err error) time.Duration {
	i.mu.Lock()
	var wait time.Duration
	if sdk.IsDenied(err) || sdk.IsInvalid(err) {
		wait = i.restarts.refused()
	} else {
		wait = i.restarts.crashed(time.Now(), false)
	}
	i.mu.Unlock()
	i.set(nil, err)
	i.log.Warn("plugin does not start, trying again", "in", wait, "err", err)
	return wait
}

// crashed notes the end of a process that nobody asked for, and returns how long to
// wait.
func (i *instance) crashed(r *running, why string) time.Duration {
	now := time.Now()
	i.mu.Lock()
	before := i.restarts.degraded(now)
	wait := i.restarts.crashed(now, r.worked.Load())
	crashes, degraded := i.restarts.count(now), i.restarts.degraded(now)
	i.crash, i.output = fmt.Errorf("process %d: %s", r.PID(), why), r.Output()
	i.mu.Unlock()
	i.set(nil, nil)
	i.log.Warn("plugin process ended, starting it again", "pid", r.PID(), "why", why, "in", wait)
	if degraded && !before {
		i.log.Error("plugin is degraded: it crashes again and again, and is started ever more slowly", "crashes", crashes, "within", crashWindow)
	}
	return wait
}

// watch returns why the process has ended or was killed, or when stop ended it.
func (i *instance) watch(ctx context.Context, r *running) (why string) {
	tick := time.NewTicker(i.timing.health)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-r.Exited():
			r.Kill()
			return r.End()
		case <-r.hangs:
			r.Kill()
			return "killed, because it left a call without an answer"
		case <-ctx.Done():
			i.set(nil, errClosed)
			if err := r.Stop(<-i.drains); err != nil {
				i.log.Warn("plugin did not stop cleanly", "err", err)
			}
			return ""
		case <-tick.C:
		}
		if why := i.overweight(r.PID()); why != "" {
			r.Kill()
			return why
		}
		if i.healthy(ctx, r) {
			misses = 0
			continue
		}
		if misses++; misses == i.timing.misses {
			r.Kill()
			return "killed, because it does not answer"
		}
	}
}

func (i *instance) healthy(ctx context.Context, r *running) bool {
	hctx, cancel := context.WithTimeout(ctx, i.timing.health)
	defer cancel()
	return r.Healthy(hctx) == nil || ctx.Err() != nil
}

// overweight says that a process uses more memory than its block allows.
func (i *instance) overweight(pid int) string {
	if i.launch.memory == 0 {
		return ""
	}
	// A process that cannot be read has ended, which will be seen next.
	if n, err := memoryOf(pid); err == nil && n > i.launch.memory {
		return fmt.Sprintf("killed, because it used %d MiB of the %d MiB of memory that its plugin block allows", n>>20, i.launch.memory>>20)
	}
	return ""
}

// stop ends the plugin; ctx bounds how long it may take to close. A process that
// cannot be ended in time dies with the agent.
func (i *instance) stop(ctx context.Context) {
	i.drains <- ctx
	i.cancel(errClosed)
	select {
	case <-i.ended:
		return
	case <-ctx.Done():
	}
	select {
	case <-i.ended:
	case <-time.After(i.timing.kill):
		i.log.Warn("plugin is left to die with the agent")
	}
}

func (i *instance) set(r *running, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running, i.err = r, err
	if r != nil {
		i.pid = r.PID()
	}
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
