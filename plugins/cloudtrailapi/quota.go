package cloudtrailapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A quota keeps requests to one account and Region below what CloudTrail allows: two
// in any second, from all callers together (AWS CloudTrail API reference,
// LookupEvents).
//
// Each source block is a process of its own, and a run by hand may go on beside the
// service, so the quota is a file that they share. It holds two slots, each free from
// some time on. A request takes a slot, and gives it back to be free a second after
// the answer: requests of one slot are then more than a second apart at the server,
// however long they travel, and two slots make two requests a second. What a fixed
// spacing of departures promises, a delay on the way breaks.
//
// A process that dies with a slot leaves it taken until its lease ends. The clock is
// the wall clock, because the file may outlive a boot.
type quota struct {
	path    string
	spacing time.Duration // between two departures of one slot
	second  time.Duration // between an answer and the next departure of its slot
	lease   time.Duration // how long a request may hold a slot
	turn    chan struct{} // one waiter of this process at a time
}

const (
	// longSecond is a second and a little, for clocks that are being corrected.
	longSecond = 1020 * time.Millisecond
	// requestTimeout bounds one request.
	requestTimeout = 30 * time.Second
	// slots are what CloudTrail allows in a second.
	slots = 2
	// latestFree is further ahead than any slot's time can be. One that is has been
	// written under another clock.
	latestFree = time.Minute
	// glance is how often a waiter looks whether a slot was given back early.
	glance = 100 * time.Millisecond
	// lockRetry is the wait for a lock, which is held for a few microseconds.
	lockRetry = 2 * time.Millisecond
)

// newQuota shares the file at path with every other quota at that path. rate is in
// requests a second, at most 2.
func newQuota(path string, rate float64) *quota {
	return &quota{
		path:    path,
		spacing: time.Duration(slots / rate * float64(time.Second)),
		second:  longSecond,
		lease:   requestTimeout + longSecond,
		turn:    make(chan struct{}, 1),
	}
}

// A slot is the right to send one request.
type slot struct {
	quota *quota
	index int
	taken time.Time
}

// take waits until a request may be sent. The slot must be given back.
func (q *quota) take(ctx context.Context) (slot, error) {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return slot{}, context.Cause(ctx)
	}
	defer func() { <-q.turn }()
	for {
		s, wait, err := q.reserve(ctx)
		if err != nil || wait == 0 {
			return s, err
		}
		if err := pause(ctx, wait); err != nil {
			return slot{}, err
		}
	}
}

// reserve takes a slot that is free, or says how long to wait before trying again.
func (q *quota) reserve(ctx context.Context) (slot, time.Duration, error) {
	f, err := q.lock(ctx)
	if err != nil {
		return slot{}, 0, err
	}
	defer f.Close() // gives the lock back, too
	now := time.Now()
	free, err := readSlots(f, now)
	if err != nil {
		return slot{}, 0, err
	}
	i := 0
	if free[1].Before(free[0]) {
		i = 1
	}
	if free[i].After(now) {
		return slot{}, min(free[i].Sub(now), glance), nil
	}
	free[i] = now.Add(q.lease)
	return slot{quota: q, index: i, taken: now}, 0, writeSlots(f, free)
}

// giveBack frees the slot a second from now, later if the rate or rest asks for it. It
// must be called when the answer is there, or will never be. If the file cannot be
// written the slot comes back when its lease ends.
func (s slot) giveBack(ctx context.Context, rest time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	f, err := s.quota.lock(ctx)
	if err != nil {
		return
	}
	defer f.Close()
	now := time.Now()
	free, err := readSlots(f, now)
	if err != nil {
		return
	}
	free[s.index] = now.Add(max(s.quota.second, rest, s.quota.spacing-now.Sub(s.taken)))
	_ = writeSlots(f, free)
}

// lock opens the file for this process alone.
func (q *quota) lock(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(q.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file of the request quota: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			f.Close()
			return nil, fmt.Errorf("lock the file of the request quota %s: %w", q.path, err)
		}
		if err := pause(ctx, lockRetry); err != nil {
			f.Close()
			return nil, err
		}
	}
}

// readSlots reads when each slot is free. A file that is new has free ones. One that
// makes no sense is put right: its slots are free in a second, for somebody may just
// have sent a request.
func readSlots(f *os.File, now time.Time) (free [slots]time.Time, err error) {
	var buf [8 * slots]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return free, fmt.Errorf("read the file of the request quota: %w", err)
	}
	sane := n == 0 || n == len(buf)
	for i := range free {
		free[i] = time.Unix(0, int64(binary.BigEndian.Uint64(buf[8*i:])))
		sane = sane && !free[i].After(now.Add(latestFree))
	}
	if sane {
		return free, nil
	}
	for i := range free {
		free[i] = now.Add(longSecond)
	}
	return free, writeSlots(f, free)
}

func writeSlots(f *os.File, free [slots]time.Time) error {
	var buf [8 * slots]byte
	for i, t := range free {
		binary.BigEndian.PutUint64(buf[8*i:], uint64(t.UnixNano()))
	}
	if _, err := f.WriteAt(buf[:], 0); err != nil {
		return fmt.Errorf("write the file of the request quota: %w", err)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// quotaDir makes the folder of quota files that all agents of this user on this host
// share. The folder for temporary files is everybody's: nobody else may have made it.
func quotaDir(parent string) (string, error) {
	dir := filepath.Join(parent, fmt.Sprintf("inu-logsmith-quota-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make the folder of request quotas: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the folder of request quotas: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("folder of request quotas %s is not this user's alone: remove it", dir)
	}
	return dir, nil
}
