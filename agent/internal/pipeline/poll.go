package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A cadence is how far back a source is listed, and how often.
type cadence struct {
	back, every time.Duration
}

// Objects come late: CloudTrail delivers within minutes, retries for 30 days (CloudTrail
// user guide, "Getting and viewing your CloudTrail log files"), and key order is not
// arrival order. So the last hours are listed at every poll, and more of the past ever
// more rarely. What even the longest misses, the full listing finds.
func cadences() []cadence {
	return []cadence{
		{back: 3 * 24 * time.Hour, every: time.Hour},
		{back: 35 * 24 * time.Hour, every: 24 * time.Hour},
	}
}

const (
	hotBack   = 6 * time.Hour
	fullEvery = 7 * 24 * time.Hour
	maxAgain  = time.Hour
	// smallSource is how many splits may be listed at every poll: no more than a few
	// requests' worth. A folder of old logs or a bucket for a trial is read at once then,
	// whatever the times in its names.
	smallSource = 2000
)

// poll finds the splits of one source and queues what its sinks lack, until ctx ends.
func (p *Pipeline) poll(ctx context.Context, s *Source, q *queue, fail func(error)) {
	if p.Once {
		p.pollOnce(ctx, s, q, fail)
		return
	}
	windowed, err := p.isWindowed(ctx, s)
	if err != nil {
		return
	}
	var loops sync.WaitGroup
	var small atomic.Bool
	small.Store(!windowed)
	loops.Go(func() { p.watch(ctx, s, q) })
	if windowed {
		loops.Go(func() { p.backfill(ctx, s, q, &small) })
	}
	p.pollLive(ctx, s, q, &small)
	loops.Wait()
}

// pollOnce lists everything, again while a listing was cut off by the source's limit.
func (p *Pipeline) pollOnce(ctx context.Context, s *Source, q *queue, fail func(error)) {
	for {
		ps, err := p.list(ctx, s, 0, s.MaxFiles, q.live, nil)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			p.unread(errCutShort)
			return
		case errors.Is(err, errEnough):
			// What was taken has to be in the ledger before the next listing.
			ps.wait(ctx)
		case errors.As(err, new(sinkError)):
			fail(err)
			return
		default:
			p.unread(err)
			return
		}
	}
}

// errCutShort is the outcome of a run with Once that was told to stop.
var errCutShort = errors.New("stopped before everything visible was read; the next run goes on")

// isWindowed asks the source, trying for ever.
func (p *Pipeline) isWindowed(ctx context.Context, s *Source) (windowed bool, err error) {
	var t tries
	for {
		if windowed, err = s.Windowed(ctx); err == nil || ctx.Err() != nil {
			if err == nil {
				p.observed.works(s, "open")
			}
			return windowed, err
		}
		t.failed()
		p.observed.failed(s, "open", err)
		p.Log.Warn("source does not open, will retry", "source", s.Type, "tries", t.n, "err", err)
		if err := t.pause(ctx, err); err != nil {
			return false, err
		}
	}
}

// pollLive lists at every interval: all of a small source, of another one as far back as
// is due. A look-back that the source's limit cut off is due again at the next poll.
func (p *Pipeline) pollLive(ctx context.Context, s *Source, q *queue, small *atomic.Bool) {
	last := make([]time.Time, len(cadences()))
	for i := range last {
		last[i] = time.Now() // the backfill lists everything now
	}
	beat := p.pulse.loop("poll of " + s.Type)
	defer beat.end()
	cut := false
	for {
		beat.work()
		now := time.Now()
		switch {
		case small.Load():
			_, _ = p.list(ctx, s, 0, s.MaxFiles, q.live, beat) // it has logged what failed; what a limit cut off comes next time
		default:
			back := due(last, now)
			err := p.lookBack(ctx, s, back, cut, q, beat)
			if cut = err != nil; !cut {
				looked(last, now, back)
			}
		}
		beat.wait()
		if wait(ctx, s.Interval) != nil {
			return
		}
	}
}

// lookBack lists the last back. The rest of one that was cut off comes after what is
// new, of the same limit, so that it does not hold up the present.
func (p *Pipeline) lookBack(ctx context.Context, s *Source, back time.Duration, cut bool, q *queue, beat *beat) error {
	limit := s.MaxFiles
	if cut && back > hotBack && limit > 0 {
		ps, err := p.list(ctx, s, hotBack, limit, q.live, beat)
		if err != nil {
			return err
		}
		if limit -= ps.taken; limit == 0 {
			return errEnough
		}
	}
	_, err := p.list(ctx, s, back, limit, q.live, beat)
	return err
}

// due is how far back to list now.
func due(last []time.Time, now time.Time) time.Duration {
	back := hotBack
	for i, c := range cadences() {
		if now.Sub(last[i]) >= c.every {
			back = c.back
		}
	}
	return back
}

// looked notes that the last back was listed to its end, and with it what is shorter.
func looked(last []time.Time, now time.Time, back time.Duration) {
	for i, c := range cadences() {
		if c.back <= back {
			last[i] = now
		}
	}
}

// backfill lists everything, at the start and once a week, below the live work. It
// starts from the ledger each time, so it may be cut off anywhere. When splits had to be
// given up it comes back sooner, ever later while that goes on: no shorter look-back
// would find them.
func (p *Pipeline) backfill(ctx context.Context, s *Source, q *queue, small *atomic.Bool) {
	beat := p.pulse.loop("backfill of " + s.Type)
	defer beat.end()
	again := time.Duration(0)
	for {
		beat.work()
		began := time.Now()
		ended := p.backfilling(ctx, s, q)
		ps, err := p.list(ctx, s, 0, s.MaxFiles, q.backfill, beat)
		ended()
		next := s.Interval
		if err == nil {
			p.Log.Info("listed everything", "source", s.Type, "splits", ps.seen, "new", ps.taken)
			small.Store(ps.seen <= smallSource)
			again = min(max(2*again, s.Interval, 10*time.Since(began)), maxAgain)
			next = again
		}
		beat.wait()
		ps.wait(ctx)
		if err == nil && !ps.failed.Load() {
			again, next = 0, fullEvery
		}
		if wait(ctx, next) != nil {
			return
		}
	}
}

// watchWorks is how long a source must have been watched without an error, though
// nothing was announced, to count as working.
const watchWorks = 30 * time.Second

// watch queues what the source is told of, as long as it is told.
func (p *Pipeline) watch(ctx context.Context, s *Source, q *queue) {
	var t tries
	beat := p.pulse.loop("watch of " + s.Type)
	defer beat.end()
	for {
		beat.wait()
		quiet := time.AfterFunc(watchWorks, func() { p.observed.works(s, "watch") })
		err := s.Plugin.Watch(ctx, func(splits []sdk.Split) error {
			t = tries{}
			p.observed.works(s, "watch")
			return p.offer(ctx, s, p.rangeOf(s, 0), splits, &pass{announced: true, beat: beat}, q.live)
		})
		quiet.Stop()
		if err == nil || ctx.Err() != nil {
			return
		}
		t.failed()
		p.observed.failed(s, "watch", err)
		p.Log.Warn("watching failed, will retry", "source", s.Type, "tries", t.n, "err", err)
		if t.pause(ctx, err) != nil {
			return
		}
	}
}

// wait returns after d, or with ctx's cause.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A queue hands tasks to the fetchers, those of the backfill only when there is nothing
// else. It holds none itself.
type queue struct {
	live, backfill chan *task
}

func newQueue() *queue {
	return &queue{live: make(chan *task), backfill: make(chan *task)}
}

// close lets next return nil once the queue is empty.
func (q *queue) close() {
	close(q.live)
	close(q.backfill)
}

// next waits for a task; nil means that none will come.
func (q *queue) next() *task {
	select {
	case t, ok := <-q.live:
		if ok {
			return t
		}
		return <-q.backfill
	default:
	}
	select {
	case t, ok := <-q.live:
		if ok {
			return t
		}
		return <-q.backfill
	case t, ok := <-q.backfill:
		if ok {
			return t
		}
		return <-q.live
	}
}
