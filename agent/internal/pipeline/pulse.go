package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// A pulse tells whether a pipeline's loops come round. A loop that waits, for time to pass,
// for another loop, or for a plugin, is well: plugins are watched by the catalog, and a
// database that is away is no reason to start the agent anew. A loop that neither waits nor
// comes round is wedged, and only that is.
type pulse struct {
	began time.Time // what beats count from: only so is the time monotonic

	mu    sync.Mutex
	loops map[*beat]string
}

func newPulse() *pulse { return &pulse{began: time.Now(), loops: make(map[*beat]string)} }

func (p *pulse) now() int64 { return max(1, int64(time.Since(p.began))) }

// A beat is that of one loop. Its methods are for the loop's own goroutine, and may be
// called on nil.
type beat struct {
	p *pulse
	// works is since when the loop has been at work, in nanoseconds since p.began; 0 while
	// it waits.
	works atomic.Int64
}

// loop starts the beat of a loop, which is at work.
func (p *pulse) loop(name string) *beat {
	b := &beat{p: p}
	b.work()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loops[b] = name
	return b
}

// work says that the loop has come round, and is at work now.
func (b *beat) work() {
	if b != nil {
		b.works.Store(b.p.now())
	}
}

// wait says that the loop waits.
func (b *beat) wait() {
	if b != nil {
		b.works.Store(0)
	}
}

// end says that the loop is over.
func (b *beat) end() {
	if b == nil {
		return
	}
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	delete(b.p.loops, b)
}

// Wedged names a loop of the pipeline that has been at work for longer than limit without
// coming round, or returns "". It may be called at any time.
func (p *Pipeline) Wedged(limit time.Duration) string {
	p.pulse.mu.Lock()
	defer p.pulse.mu.Unlock()
	now := p.pulse.now()
	for b, name := range p.pulse.loops {
		if since := b.works.Load(); since != 0 && time.Duration(now-since) > limit {
			return name
		}
	}
	return ""
}
