package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// notified is a Source that hears of new objects from a queue. The listing goes on
// beside it and finds what the queue does not tell.
//
// A message is deleted when all that it announces is settled, and never before. It is
// held in memory alone: after a crash it comes again, and the ledger knows what is done.
// Any number of agents may share a queue; it hands each message to one of them.
type notified struct {
	*Source
	queue  *queue
	leases *leases
	outbox *outbox
	tally  *tally
}

var (
	_ sdk.Watcher  = (*notified)(nil)
	_ sdk.Settler  = (*notified)(nil)
	_ sdk.Windowed = (*notified)(nil)
)

func newNotified(s *Source) (*notified, error) {
	q, err := newQueue(*s.settings.Notifications, s.access)
	if err != nil {
		return nil, err
	}
	return &notified{Source: s, queue: q, leases: newLeases(), outbox: newOutbox(q), tally: newTally()}, nil
}

// maxUnsettled is how many announced splits may wait for their end before no more
// messages are taken from the queue: twice what the agent reads at a time. Other
// agents take the rest.
const maxUnsettled = 32

// Watch announces the objects that the queue's messages are about, until ctx ends or
// the queue cannot be used.
func (n *notified) Watch(ctx context.Context, found func([]sdk.Split) error) error {
	if err := n.access.Authenticate(ctx); err != nil {
		return err
	}
	redrives, err := n.queue.redrives(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	wg.Go(func() { stop(n.outbox.deliver(ctx)) })
	wg.Go(func() { n.heartbeat(ctx) })
	err = n.relay(ctx, redrives, found)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (n *notified) relay(ctx context.Context, redrives bool, found func([]sdk.Split) error) error {
	// What an earlier call announced may have been lost with it.
	splits := n.leases.unheard(time.Now().Add(time.Nanosecond), time.Now())
	for {
		if len(splits) > 0 {
			if err := found(splits); err != nil {
				return err
			}
		}
		visibility := n.queue.settings.Visibility
		room := maxUnsettled - n.leases.splits()
		if room <= 0 {
			if err := n.waitForRoom(ctx, visibility); err != nil {
				return err
			}
			splits = n.leases.unheard(time.Now().Add(-visibility), time.Now())
			continue
		}
		messages, err := n.queue.receive(ctx, room)
		if err != nil {
			return err
		}
		splits = n.leases.unheard(time.Now().Add(-visibility), time.Now())
		for _, m := range messages {
			splits = append(splits, n.take(ctx, m, redrives)...)
		}
		if len(messages) == 0 {
			// Not every server that stands in for SQS waits for messages.
			if err := pause(ctx, gather); err != nil {
				return err
			}
		}
	}
}

// waitForRoom waits until splits were settled, or for a while.
func (n *notified) waitForRoom(ctx context.Context, while time.Duration) error {
	select {
	case <-n.leases.released:
		return nil
	case <-time.After(while):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Settle ends the messages whose splits are all stored, and gives back those of which
// one was given up.
func (n *notified) Settle(_ context.Context, settled []sdk.Settled) error {
	for _, s := range settled {
		for _, x := range n.leases.settle(s.Split.ID, s.Err == nil) {
			n.end(x.message, x.then)
		}
	}
	return nil
}

func (n *notified) end(m message, how ending) {
	switch how {
	case remove:
		n.outbox.remove(m)
	case giveBack:
		n.outbox.hide(m, backOff(m.receives))
	case leave:
	}
}

// backOff is how long a message rests that was handed out for the nth time.
func backOff(n int) time.Duration {
	return min(30*time.Second<<min(n-1, 10), 15*time.Minute)
}

// heartbeat keeps the messages in hand out of others' sight. Two beats may fail before
// one is seen.
func (n *notified) heartbeat(ctx context.Context) {
	visibility := n.queue.settings.Visibility
	tick := time.NewTicker(visibility / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for part := range slices.Chunk(n.leases.extensible(time.Now().Add(visibility)), batchSize) {
			var hide []hiding
			for _, m := range part {
				hide = append(hide, hiding{receipt: m.receipt, during: visibility})
			}
			refused, err := n.queue.hide(ctx, hide)
			if err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "messages in hand may be handed out again", "err", err)
			}
			for _, x := range refused {
				if x.lost && x.entry < len(part) {
					n.leases.lose(part[x.entry])
				}
			}
		}
	}
}

// messagePrefix begins the ID of a split that is a message itself.
func (n *notified) messagePrefix() string { return "sqs:" + n.queue.name + "/" }

// Fetch reads an object, or puts aside a message that cannot be understood: one event
// that is rejected, with the message's body.
func (n *notified) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	p, m, inHand := n.leases.announced(split.ID)
	if strings.HasPrefix(split.ID, n.messagePrefix()) {
		if !inHand {
			// Only the queue has it. Not [sdk.Gone]: it comes again, under this ID.
			return fmt.Errorf("read %s: the message is not in hand", split.ID)
		}
		return emit([]sdk.Event{{ID: m.id, Time: m.sent, Raw: []byte(m.body), Reject: p.reason}})
	}
	err := n.fetch(ctx, split, p.version, emit)
	if inHand && errors.Is(err, errDeleted) && mayAppear(m) {
		return sdk.Retry(err)
	}
	return err
}

// closing is how long Close tries to tell the queue.
const closing = 5 * time.Second

// Close tells the queue what is known of its messages, and lets other agents have the
// rest at once. If it cannot, they have them when their visibility ends.
func (n *notified) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	for _, m := range n.leases.abandon() {
		n.outbox.hide(m, 0)
	}
	return n.outbox.flush(ctx)
}
