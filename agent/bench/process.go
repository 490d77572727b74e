package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clockTick is what /proc counts processor time in: USER_HZ, 100 a second on every
// Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// stat is what /proc/PID/stat says of a process.
type stat struct {
	pid, parent int
	own         time.Duration // processor time of the process itself
	reaped      time.Duration // and of its children that have ended
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// "pid (command) state parent ...", where the command may hold anything.
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 15 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	number := func(i int) time.Duration {
		n, _ := strconv.ParseInt(string(f[i]), 10, 64)
		return time.Duration(n)
	}
	return stat{
		pid: pid, parent: int(number(1)),
		own: clockTick * (number(11) + number(12)), reaped: clockTick * (number(13) + number(14)),
	}, nil
}

// family is a process and all below it. It asks the kernel for the children of each, which
// costs less than to look at all processes there are.
func family(root int) (found []stat) {
	s, err := readStat(root)
	if err != nil {
		return nil // it has ended
	}
	found = append(found, s)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", root)) // fails only for a malformed pattern
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				found = append(found, family(pid)...)
			}
		}
	}
	return found
}

// cpu is the processor time of a process and everything below it, those that have
// ended included.
func cpu(root int) time.Duration {
	for {
		members := family(root)
		var total time.Duration
		for _, s := range members {
			total += s.own + s.reaped
		}
		// One that ended meanwhile may be in neither count.
		if again, err := readStat(root); err != nil || again.reaped == members[0].reaped {
			return total
		}
	}
}

// idle is the time that the machine's processors had nothing to do, or waited for a disk.
func idle() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	// "cpu user nice system idle iowait ..." (proc(5))
	f := strings.Fields(string(text[:max(bytes.IndexByte(text, '\n'), 0)]))
	var ticks int64
	for i := 4; i < min(len(f), 6); i++ {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		ticks += n
	}
	return clockTick * time.Duration(ticks)
}

// pss is the memory of a process, with what it shares divided among those who share.
func pss(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// A watch samples a process and those below it while it runs.
type watch struct {
	root int
	stop chan struct{}
	done sync.WaitGroup

	peak int64                    // of all together
	each map[string]int64         // peak by what the process is
	cpu  map[string]time.Duration // last seen, by what the process is
}

// The watch is rare enough for its own cost to vanish. To look at memory four times a second
// took a twentieth of a processor: the kernel goes through all pages of the processes.
const (
	watchEvery  = 250 * time.Millisecond
	memoryEvery = 4 // times
)

func watchProcess(root int) *watch {
	w := &watch{root: root, stop: make(chan struct{}), each: make(map[string]int64), cpu: make(map[string]time.Duration)}
	w.done.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				w.sample(n%memoryEvery == 1)
			}
		}
	})
	return w
}

func (w *watch) end() {
	close(w.stop)
	w.done.Wait()
}

func (w *watch) sample(memory bool) {
	var sum int64
	for _, s := range family(w.root) {
		name := w.name(s.pid)
		w.cpu[name] = max(w.cpu[name], s.own)
		if memory {
			n := pss(s.pid)
			sum += n
			w.each[name] = max(w.each[name], n)
		}
	}
	w.peak = max(w.peak, sum)
}

// name says what a process is: "agent", or the plugin's type.
func (w *watch) name(pid int) string {
	if pid == w.root {
		return "agent"
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	return args[len(args)-1]
}
