package rdsdirect

import (
	"context"
	"sync"
	"time"
)

// Bounds of the number of writers where the setting is absent. Two hide the round trips
// of one another even in front of a slow server; what more than four gain is not worth their
// connections and the memory of their batches, which is better spent on larger ones.
const (
	fewestWriters = 2
	mostWriters   = 4
)

// firstStep is how the number grows at first, for a server that is far away.
const firstStep = 2

// writers lets so many batches be written at once as the server answers best: it changes
// the number by one, looks at the rate of events while batches wait for their turn, and
// takes more while each of them gains a tenth, or fewer while that costs nothing: more
// than the server can use are connections, memory and its own time. Its methods may be
// called concurrently.
type writers struct {
	fewest, most int

	mu    sync.Mutex
	limit int
	busy  int
	queue []chan struct{} // those who wait, first come first served; closed for their turn
	trial trial
	warm  bool    // a trial has ended
	last  float64 // events a second in the trial before this one
	step  int     // that led to this one
}

// A trial is what was written under one limit. Only time in which batches waited counts:
// the rest tells how many events there are, not how fast the server is.
type trial struct {
	began   time.Time // zero while nobody waits
	batches int
	events  int
	took    time.Duration
}

// batchesOfTrial is how many batches a writer writes in a trial: enough to even out one
// that waited for the disk.
const batchesOfTrial = 8

// newWriters has a fixed number of writers if that is not 0.
func newWriters(fixed int) *writers {
	if fixed > 0 {
		return &writers{fewest: fixed, most: fixed, limit: fixed}
	}
	return &writers{fewest: fewestWriters, most: mostWriters, limit: fewestWriters, step: firstStep}
}

// atOnce is how many batches may be in hand. Where the number of writers is not fixed it is
// one more than are ever written, so that one waits and shows that there is work for another
// writer.
func (w *writers) atOnce() int {
	if w.fewest == w.most {
		return w.most
	}
	return w.most + 1
}

// A turn lets one batch be written. It is over when the server has all of it but the COMMIT.
type turn struct {
	writers *writers
	over    bool
}

// end ends a turn in which so many events were stored, 0 if it failed. Only the first call
// counts.
func (t *turn) end(events int) {
	if !t.over {
		t.over = true
		t.writers.release(events)
	}
}

// acquire waits for a turn. Whoever got one ends it.
func (w *writers) acquire(ctx context.Context) (*turn, error) {
	if err := w.wait(ctx); err != nil {
		return nil, err
	}
	return &turn{writers: w}, nil
}

func (w *writers) wait(ctx context.Context) error {
	w.mu.Lock()
	if w.busy < w.limit {
		w.busy++
		w.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	w.queue = append(w.queue, turn)
	if w.trial.began.IsZero() {
		w.trial.began = time.Now()
	}
	w.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.queue {
		if w.queue[i] == turn {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			w.pause()
			return context.Cause(ctx)
		}
	}
	w.busy-- // the turn came at the same moment: it is the next one's
	w.admit()
	return context.Cause(ctx)
}

func (w *writers) release(events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if !w.trial.began.IsZero() && events > 0 {
		w.trial.batches++
		w.trial.events += events
		if w.trial.batches >= batchesOfTrial*w.limit {
			w.decide(time.Now())
		}
	}
	w.admit()
}

// admit gives turns to those who wait.
func (w *writers) admit() {
	for len(w.queue) > 0 && w.busy < w.limit {
		close(w.queue[0])
		w.queue = w.queue[1:]
		w.busy++
	}
	w.pause()
}

// pause stops a trial's clock while nobody waits.
func (w *writers) pause() {
	if len(w.queue) == 0 && !w.trial.began.IsZero() {
		w.trial.took += time.Since(w.trial.began)
		w.trial.began = time.Time{}
	}
}

// decide ends a trial and begins the next.
func (w *writers) decide(now time.Time) {
	// One more has to gain more than noise may look like: up to four, a server that is far
	// away or has processors to spare answers to each with a third at least.
	const gain, loss = 0.1, 0.05
	rate := float64(w.trial.events) / (w.trial.took + now.Sub(w.trial.began)).Seconds()
	w.trial = trial{began: now}
	if w.fewest == w.most {
		return
	}
	if !w.warm { // connections were made and caches filled meanwhile: whatever follows is faster
		w.warm = true
		return
	}
	switch {
	case w.step > 0 && rate < w.last*(1+gain):
		w.step = -1
	case w.step < 0 && rate < w.last*(1-loss):
		w.step = 1
	}
	w.last = rate
	switch {
	case w.limit+w.step > w.most:
		w.step = -1
	case w.limit+w.step < w.fewest:
		w.step = 1
	}
	w.limit += w.step
}
