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
	// samples are all of total, with the time since the first.
	began   time.Time
	samples []sample

	stop, stopped chan struct{}
}

// A sample is what all processes had at one moment.
type sample struct {
	after time.Duration
	bytes int64
	fds   int
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
	if m.began.IsZero() {
		m.began = time.Now()
	}
	m.samples = append(m.samples, sample{time.Since(m.began), total, fds})
	m.total = max(m.total, total)
	m.fds = max(m.fds, fds)
}

// Memory is the most that each kind of process took, and all together, in bytes.
func (m *meter) read() (peaks map[Role]int64, total int64, fds int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.peaks), m.total, m.fds
}

// Average is what all processes took on average in a part of the time, from 0 to 1, in
// bytes and file descriptors.
func (s *Stage) Average(from, to float64) (bytesOfAll int64, fds float64) {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) == 0 {
		return 0, 0
	}
	all := m.samples[len(m.samples)-1].after
	n := 0
	for _, x := range m.samples {
		if share := float64(x.after) / float64(max(all, 1)); share >= from && share <= to {
			bytesOfAll, fds, n = bytesOfAll+x.bytes, fds+float64(x.fds), n+1
		}
	}
	return bytesOfAll / int64(max(n, 1)), fds / float64(max(n, 1))
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
