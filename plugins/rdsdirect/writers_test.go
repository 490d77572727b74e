package rdsdirect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A modelled server has processors, each of which works on one batch at a time, and is some
// way off.
type modelled struct {
	away, work time.Duration
	processors chan struct{}
}

// write is one batch, with a fifth of noise.
func (m modelled) write() {
	pass(m.away)
	m.processors <- struct{}{}
	pass(m.work*9/10 + rand.N(m.work/5))
	<-m.processors
}

// pass lets a bubble's time pass. A channel of a timer would do, but under the race detector
// Go 1.26 crashes over it in a bubble.
func pass(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	<-ctx.Done()
}

// limitsWith runs batches through writers, more than they let pass, and returns the mean
// limit in the second half of the time.
func limitsWith(t *testing.T, w *writers, m modelled) (mean float64) {
	t.Helper()
	const runs = 4 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), runs)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	seen, sum := 0, 0
	begin := time.Now()
	for range w.atOnce() {
		all.Go(func() {
			for ctx.Err() == nil && w.wait(ctx) == nil {
				m.write()
				if time.Since(begin) > runs/2 {
					mu.Lock()
					w.mu.Lock()
					seen, sum = seen+1, sum+w.limit
					w.mu.Unlock()
					mu.Unlock()
				}
				w.release(1000)
			}
		})
	}
	all.Wait()
	return float64(sum) / float64(seen)
}

func TestTheNumberOfWritersFollowsTheServer(t *testing.T) {
	for _, tc := range []struct {
		name        string
		fixed       int
		away, work  time.Duration
		processors  int
		least, most float64
	}{
		{"two processors on this machine", 0, 0, 50 * time.Millisecond, 2, 2, 3},
		{"one processor", 0, 0, 50 * time.Millisecond, 1, 2, 3},
		{"many processors", 0, 0, 50 * time.Millisecond, 32, 3, 4},
		{"two processors 100 ms away", 0, 100 * time.Millisecond, 25 * time.Millisecond, 2, 3, 4},
		{"a fixed number", 3, 0, 50 * time.Millisecond, 32, 3, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := limitsWith(t, newWriters(tc.fixed), modelled{tc.away, tc.work, make(chan struct{}, tc.processors)})
				if got < tc.least || got > tc.most {
					t.Errorf("%.1f writers, want %.1f to %.1f", got, tc.least, tc.most)
				}
				t.Logf("%.1f writers", got)
			})
		})
	}
}

func TestAWriterThatGivesUpLeavesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriters(1)
		if err := w.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		given := make(chan error)
		go func() { given <- w.wait(ctx) }()
		synctest.Wait()
		cancel(gone)
		if err := <-given; !errors.Is(err, gone) {
			t.Errorf("wait = %v, want %v", err, gone)
		}
		next := make(chan error)
		go func() { next <- w.wait(t.Context()) }()
		synctest.Wait()
		w.release(1)
		if err := <-next; err != nil {
			t.Errorf("wait = %v", err)
		}
		w.release(1)
		if w.busy != 0 || len(w.queue) != 0 {
			t.Errorf("%d turns are out, %d wait", w.busy, len(w.queue))
		}
	})
}

// However turns are taken, given up and returned, no more are out than there are writers,
// and none is lost.
func TestTurnsAreNeitherLostNorDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriters(0)
		var mu sync.Mutex
		out, worst := 0, 0
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 200 {
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(30*time.Millisecond))
					if w.wait(ctx) == nil {
						mu.Lock()
						out++
						worst = max(worst, out)
						mu.Unlock()
						pass(rand.N(20 * time.Millisecond))
						mu.Lock()
						out--
						mu.Unlock()
						w.release(rand.IntN(3))
					}
					cancel()
				}
			})
		}
		all.Wait()
		if worst > mostWriters || w.busy != 0 || len(w.queue) != 0 {
			t.Errorf("%d turns at once; %d are out, %d wait", worst, w.busy, len(w.queue))
		}
	})
}

// A server that is slow to commit, such as one with a standby far away, is no reason to
// leave its processors idle.
func TestABatchThatWaitsForItsCommitLeavesItsTurn(t *testing.T) {
	db := newDatabase(t, cluster)
	const key = 4711
	db.exec(t, `create function hold() returns trigger language plpgsql as
		'begin perform pg_advisory_xact_lock_shared(4711); return null; end'`)
	db.exec(t, `create constraint trigger slow after insert on ledger deferrable initially deferred for each row execute function hold()`)
	db.exec(t, `select pg_advisory_lock($1)`, key)
	sink := db.newSink(t, func(s *Settings) { s.Writers = 1 })
	failed := make(chan error)
	for i := range 2 {
		go func() {
			_, err := sink.Write(t.Context(), completing(batchOf(fmt.Sprint("split", i), testEvent(fmt.Sprint(i), `{}`))))
			failed <- err
		}()
	}
	const waiting = `select count(*)::int from pg_locks where locktype = 'advisory' and not granted and objid = $1`
	for ask[int](t, db, waiting, key) < 2 {
		select {
		case err := <-failed:
			t.Fatalf("a batch ended while another committed: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	db.exec(t, `select pg_advisory_unlock($1)`, key)
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
