package pipeline

import (
	"context"
	"sync"
)

// A budget counts the bytes of events between sources and sinks. Whoever waits for a
// share of it holds no events, so those who hold some always come through.
type budget struct {
	mu      sync.Mutex
	size    int64
	free    int64
	waiters []waiter
	starved func() // called when somebody has to wait
}

type waiter struct {
	bytes int64
	ready chan struct{}
}

func newBudget(bytes int64) *budget { return &budget{size: bytes, free: bytes, starved: func() {}} }

// reserve takes n bytes, waiting in line for them. More than the whole budget is
// given to one taker at a time.
func (b *budget) reserve(ctx context.Context, n int64) error {
	b.mu.Lock()
	if len(b.waiters) == 0 && b.free > 0 {
		b.free -= n
		b.mu.Unlock()
		return nil
	}
	w := waiter{bytes: n, ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.mu.Unlock()
	b.starved()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		b.leave(w)
		return context.Cause(ctx)
	}
}

// leave takes w out of the line, or gives back what it was given just now.
func (b *budget) leave(w waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.waiters {
		if b.waiters[i].ready == w.ready {
			b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
			return
		}
	}
	b.give(w.bytes)
}

// adjust takes n more bytes at once, or gives back -n. Taking may overdraw the
// budget: a fetch that holds events must never wait.
func (b *budget) adjust(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.give(-n)
}

// resize changes the whole budget. One that shrinks may be overdrawn until what is held is
// given back.
func (b *budget) resize(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := bytes - b.size
	b.size = bytes
	b.give(n)
}

func (b *budget) give(n int64) {
	b.free += n
	for len(b.waiters) > 0 && b.free > 0 {
		w := b.waiters[0]
		b.waiters = b.waiters[1:]
		b.free -= w.bytes
		close(w.ready)
	}
}
