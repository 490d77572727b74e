package stage

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strconv"
	"sync"
	"time"
)

// A meter notes how much memory the agent's processes take, as proportional set size:
// pages that they share count once.
type meter struct {
	mu    sync.Mutex
	pid   int
	peaks map[Role]int64
	total int64 // most that all took at one moment
	fds   int   // most file descriptors that all had

	stop, stopped chan struct{}
}

// sampling costs a few milliseconds of the kernel's time each.
const sampling = 300 * time.Millisecond

func newMeter() *meter {
	m := &meter{peaks: make(map[Role]int64), stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		tick := time.NewTicker(sampling)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.sample()
			case <-m.stop:
				return
			}
		}
	}()
	return m
}

func (m *meter) close() {
	close(m.stop)
	<-m.stopped
}

// watch makes it look at another agent.
func (m *meter) watch(pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pid = pid
}

func (m *meter) sample() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pid == 0 {
		return
	}
	processes := children(m.pid)
	processes[m.pid] = "agent"
	var total int64
	fds := 0
	for pid, role := range processes {
		n, ok := pss(pid)
		if !ok {
			continue // it has ended
		}
		total += n
		m.peaks[role] = max(m.peaks[role], n)
		if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			fds += len(open)
		}
	}
	m.total = max(m.total, total)
	m.fds = max(m.fds, fds)
}

// Memory is the most that each kind of process took, and all together, in bytes.
func (m *meter) read() (peaks map[Role]int64, total int64, fds int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.peaks), m.total, m.fds
}

func pss(pid int) (int64, bool) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	_, rest, found := bytes.Cut(rollup, []byte("\nPss:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, false
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kilobytes << 10, err == nil
}
