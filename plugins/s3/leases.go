package s3

import (
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A lease is a message in hand, until all splits that it announced are settled. Leases
// live in memory alone: what a crash forgets comes again, and the ledger knows it.
type lease struct {
	message
	since time.Time // of the latest receipt
	told  time.Time // when its splits were last announced
	lost  bool      // the receipt does not count any more
	// waits are the splits that are not settled yet, by ID.
	waits map[string]pointer
	then  ending
}

// A pointer is a split as a message announced it.
type pointer struct {
	split   sdk.Split
	version string // of the object, if the message tells
	reason  string // set for a split that is the message itself: why it is put aside
}

// An ending is what becomes of a message once its splits are settled.
type ending uint8

const (
	remove   ending = iota // it is done
	leave                  // it is for somebody else, too
	giveBack               // a part of it cannot be read; the queue's redrive policy counts
)

// leases are the messages in hand. Its methods may be called concurrently.
type leases struct {
	mu       sync.Mutex
	byID     map[string]*lease            // by message ID
	bySplit  map[string]map[string]*lease // by split ID, then message ID
	released chan struct{}                // holds a token after splits were settled
}

func newLeases() *leases {
	return &leases{
		byID: make(map[string]*lease), bySplit: make(map[string]map[string]*lease),
		released: make(chan struct{}, 1),
	}
}

// hold takes a message in hand. One that is in hand already, and was handed out again
// for that its visibility ended, only gets a new receipt.
func (l *leases) hold(m message, pointers []pointer, then ending, now time.Time) (fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.byID[m.id]; old != nil {
		old.message, old.since, old.lost = m, now, false
		return false
	}
	x := &lease{message: m, since: now, told: now, waits: make(map[string]pointer, len(pointers)), then: then}
	l.byID[m.id] = x
	for _, p := range pointers {
		x.waits[p.split.ID] = p
		if l.bySplit[p.split.ID] == nil {
			l.bySplit[p.split.ID] = make(map[string]*lease)
		}
		l.bySplit[p.split.ID][m.id] = x
	}
	return true
}

// splits is how many splits are not settled.
func (l *leases) splits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.bySplit)
}

// settle notes the end of a split, and returns the leases that end with it: all splits
// of their message are stored, or one was given up.
func (l *leases) settle(id string, stored bool) []*lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ended []*lease
	for _, x := range l.bySplit[id] {
		delete(x.waits, id)
		if !stored {
			x.then = giveBack
			for other := range x.waits {
				l.forget(other, x)
			}
			clear(x.waits)
		}
		if len(x.waits) == 0 {
			delete(l.byID, x.id)
			ended = append(ended, x)
		}
	}
	delete(l.bySplit, id)
	select {
	case l.released <- struct{}{}:
	default:
	}
	return ended
}

// forget removes x from those that wait for a split.
func (l *leases) forget(split string, x *lease) {
	delete(l.bySplit[split], x.id)
	if len(l.bySplit[split]) == 0 {
		delete(l.bySplit, split)
	}
}

// unheard returns the splits that nobody has settled since they were announced before a
// time, and notes that they are announced now.
//
// The agent settles what was announced, but an announcement may be lost with the call
// that carried it, or cross the end of a task for the same split.
func (l *leases) unheard(before, now time.Time) []sdk.Split {
	l.mu.Lock()
	defer l.mu.Unlock()
	var splits []sdk.Split
	for _, x := range l.byID {
		if !x.told.Before(before) {
			continue
		}
		x.told = now
		for _, p := range x.waits {
			splits = append(splits, p.split)
		}
	}
	return splits
}

// maxHold is how long a message can stay hidden after it was received ("Amazon SQS
// visibility timeout", SQS developer guide).
const maxHold = 12 * time.Hour

// extensible returns the leases whose message can stay hidden until a time.
func (l *leases) extensible(until time.Time) []message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var messages []message
	for _, x := range l.byID {
		if !x.lost && until.Before(x.since.Add(maxHold)) {
			messages = append(messages, x.message)
		}
	}
	return messages
}

// lose notes that a receipt does not count any more, unless there is a newer one.
func (l *leases) lose(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.byID[m.id]; x != nil && x.receipt == m.receipt {
		x.lost = true
	}
}

// abandon ends all leases.
func (l *leases) abandon() []message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var messages []message
	for _, x := range l.byID {
		if !x.lost {
			messages = append(messages, x.message)
		}
	}
	clear(l.byID)
	clear(l.bySplit)
	return messages
}

// announced tells what a message said of a split, and the message.
func (l *leases) announced(split string) (pointer, message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.bySplit[split] {
		return x.waits[split], x.message, true
	}
	return pointer{}, message{}, false
}
