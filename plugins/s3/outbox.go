package s3

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// An outbox gathers what the queue is to be told of messages, ten to a request. What is
// lost of it does no harm: the message comes again, and its splits are known.
type outbox struct {
	queue *queue

	mu      sync.Mutex
	letters []letter
	posted  chan struct{} // holds a token when there are letters
}

// A letter deletes a message, or hides it for a while.
type letter struct {
	receipt string
	hide    time.Duration // 0 deletes the message
	tries   int
}

const (
	// gather is how long a letter waits for others.
	gather = 100 * time.Millisecond
	// maxTries is how often a letter is sent.
	maxTries = 5
)

func newOutbox(q *queue) *outbox { return &outbox{queue: q, posted: make(chan struct{}, 1)} }

func (o *outbox) remove(m message) { o.post(letter{receipt: m.receipt}) }

// hide lets a message come again after a while.
func (o *outbox) hide(m message, during time.Duration) {
	o.post(letter{receipt: m.receipt, hide: max(during, time.Second)})
}

func (o *outbox) post(letters ...letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.letters = append(o.letters, letters...)
	if len(o.letters) == 0 {
		return
	}
	select {
	case o.posted <- struct{}{}:
	default:
	}
}

// deliver sends letters until ctx ends, or somebody has to allow it first.
func (o *outbox) deliver(ctx context.Context) error {
	const longest = 30 * time.Second
	pause := gather
	for {
		select {
		case <-o.posted:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := o.flush(ctx)
		switch {
		case err == nil:
			pause = gather
		case sdk.IsDenied(err) || ctx.Err() != nil:
			return err
		default:
			pause = min(2*pause, longest)
			slog.WarnContext(ctx, "the queue was not told what became of messages, will retry", "err", err)
		}
	}
}

// flush sends all letters. Those that were not heard go back, unless they never will be.
func (o *outbox) flush(ctx context.Context) error {
	o.mu.Lock()
	letters := o.letters
	o.letters = nil
	o.mu.Unlock()
	var deletions, hidings []letter
	for _, x := range letters {
		if x.hide == 0 {
			deletions = append(deletions, x)
		} else {
			hidings = append(hidings, x)
		}
	}
	return errors.Join(
		o.send(deletions, func(part []letter) ([]refusal, error) {
			var receipts []string
			for _, x := range part {
				receipts = append(receipts, x.receipt)
			}
			return o.queue.remove(ctx, receipts)
		}),
		o.send(hidings, func(part []letter) ([]refusal, error) {
			var hide []hiding
			for _, x := range part {
				hide = append(hide, hiding{receipt: x.receipt, during: x.hide})
			}
			return o.queue.hide(ctx, hide)
		}),
	)
}

// send sends letters of one kind, and posts again what failed.
func (o *outbox) send(letters []letter, request func([]letter) ([]refusal, error)) error {
	var again []letter
	var failed error
	for part := range slices.Chunk(letters, batchSize) {
		refused, err := request(part)
		if err != nil {
			failed = err
			again = append(again, part...)
			continue
		}
		for _, x := range refused {
			if !x.lost && x.entry < len(part) {
				again = append(again, part[x.entry])
			}
		}
	}
	for i := range again {
		again[i].tries++
	}
	o.post(slices.DeleteFunc(again, func(x letter) bool { return x.tries >= maxTries })...)
	return failed
}
