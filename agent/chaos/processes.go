package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// drainLimit is how long the agent may take to write what it has when it is told to
// stop: its own limit is 25 s.
const drainLimit = 30 * time.Second

// pluginHangs stops a process without ending it. The agent has to notice.
func pluginHangs(role stage.Role) func(*trial) error {
	return func(t *trial) error {
		if err := t.busy(); err != nil {
			return err
		}
		for range 2 {
			old := t.agent.Plugin(role)
			if old == 0 || syscall.Kill(old, syscall.SIGSTOP) != nil {
				continue
			}
			t.hit()
			began := time.Now()
			if err := t.until("the plugin that hangs is replaced", livenessLimit, func() bool {
				now := t.agent.Plugin(role)
				return now != 0 && now != old
			}); err != nil {
				return err
			}
			t.note("a plugin that hung was replaced after %.0f s", time.Since(began).Seconds())
			if err := t.progress(livenessLimit); err != nil {
				return err
			}
		}
		return nil
	}
}

// orphans kills the agent alone while its plugins stand still, so that none of them can
// have ended by itself before.
func orphans(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for range max(t.kills, 2) {
		pids := t.agent.Children()
		began := time.Now()
		if !t.agent.Kill9() {
			return fmt.Errorf("the agent ended by itself")
		}
		t.killed()
		if err := stage.Gone(t.ctx, pids); err != nil {
			return err
		}
		t.note("%d plugins were gone %.2f s after the agent", len(pids), time.Since(began).Seconds())
		t.hit()
		if err := t.start(); err != nil {
			return err
		}
		if err := t.recovered(began); err != nil {
			return err
		}
	}
	return nil
}

// stopped sends SIGTERM in the middle of work, to the agent or to all its processes.
func stopped(all bool) func(*trial) error {
	return func(t *trial) error {
		if err := t.busy(); err != nil {
			return err
		}
		times := 5
		if t.opt.full {
			times = 20
		}
		for range times {
			t.between(0, 500*time.Millisecond)
			pids := t.agent.Children()
			if t.open() > 0 {
				t.hit()
			}
			began := time.Now()
			if all {
				for pid := range pids {
					_ = syscall.Kill(pid, syscall.SIGTERM) // it may just have ended
				}
			}
			if err := t.agent.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			code, err := t.agent.Wait(drainLimit)
			if err != nil || code != 0 {
				t.wrong("after SIGTERM: code %d, %v", code, err)
			}
			if err := stage.Gone(t.ctx, pids); err != nil {
				t.wrong("%v", err)
			}
			if took := time.Since(began); took > 25*time.Second {
				t.wrong("stopping took %.1f s", took.Seconds())
			}
			if err := t.start(); err != nil {
				return err
			}
			if err := t.progress(livenessLimit); err != nil {
				return err
			}
		}
		return nil
	}
}

// stoppedWhileDatabaseHangs sends SIGTERM while PostgreSQL answers nothing any more.
func stoppedWhileDatabaseHangs(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	remove, err := t.ToDatabase.Toxic("timeout", stage.Downstream, map[string]any{"timeout": 0})
	if err != nil {
		return err
	}
	t.pause(2 * time.Second)
	if t.open() > 0 {
		t.hit()
	}
	began := time.Now()
	if err := t.agent.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := t.agent.Wait(40 * time.Second)
	if err != nil {
		return err
	}
	t.note("it ended with code %d after %.0f s", code, time.Since(began).Seconds())
	remove()
	return t.start()
}

// severalAgents lets three agents share queue, bucket, database and folder for state,
// and kills one now and then.
func severalAgents(t *trial) error {
	if err := t.Configure(fanConfig("")); err != nil {
		return err
	}
	t.checked = []string{t.Group, t.OtherGroup}
	if err := t.busy(); err != nil {
		return err
	}
	var others []*stage.Agent
	for range 2 {
		a, err := t.Start()
		if err != nil {
			return err
		}
		defer a.Kill9()
		others = append(others, a)
	}
	for i := range max(t.kills, 4) {
		t.between(300*time.Millisecond, time.Second)
		a := others[i%2]
		pids := a.Children()
		if t.open() > 0 {
			t.hit()
		}
		if !a.Kill9() {
			return fmt.Errorf("one of the agents ended by itself")
		}
		t.killed()
		if err := stage.Gone(t.ctx, pids); err != nil {
			t.wrong("%v", err)
		}
		again, err := t.Start()
		if err != nil {
			return err
		}
		defer again.Kill9()
		others[i%2] = again
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
	}
	for _, a := range others {
		if err := t.until("the agent has its plugins", livenessLimit, func() bool { return len(a.Children()) >= 4 }); err != nil {
			return err
		}
		if err := a.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if code, err := a.Wait(drainLimit); err != nil || code != 0 {
			t.wrong("one of the agents ended with code %d, %v", code, err)
		}
	}
	if n := strings.Count(t.Cluster.Log(), "deadlock detected"); n > 0 {
		t.wrong("%d deadlocks", n)
	}
	return nil
}

// outOfMemory leaves the agent, and then a plugin, no more address space than it has.
func outOfMemory(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for range 2 {
		pid, began := t.agent.PID, time.Now()
		pids := t.agent.Children()
		if err := unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}, nil); err != nil {
			return errVoid("limit memory: %v", err)
		}
		if _, err := t.agent.Wait(livenessLimit); err != nil {
			return errVoid("the agent did not need any more memory: %v", err)
		}
		t.hit()
		if err := stage.Gone(t.ctx, pids); err != nil {
			t.wrong("%v", err)
		}
		if err := t.start(); err != nil {
			return err
		}
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
		t.note("stored again %.1f s after the limit", time.Since(began).Seconds())
	}
	return nil
}

// stateDiskFull fills the disk of the state folder.
func stateDiskFull(t *trial) error {
	if err := t.Configure(fanConfig("")); err != nil {
		return err
	}
	t.checked = []string{t.Group, t.OtherGroup}
	t.compareLines(func(string) bool { return false })
	disk, err := newSmallDisk("2m")
	if err != nil {
		return err
	}
	defer disk.remove()
	if err := syscall.Mount(disk.dir, t.StateDir(), "", syscall.MS_BIND, ""); err != nil {
		return errVoid("mount the state folder: %v", err)
	}
	defer func() { _ = syscall.Unmount(t.StateDir(), syscall.MNT_DETACH) }()
	if err := t.busy(); err != nil {
		return err
	}
	filler := filepath.Join(t.StateDir(), "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20), 0o600); err == nil {
		return errVoid("the disk does not get full")
	}
	if err := t.until("the agent says so", livenessLimit, func() bool { return t.agent.Says("no space left on device") > 0 }); err != nil {
		return errVoid("%v", err)
	}
	t.hit()
	t.pause(2 * time.Second)
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	// The disk goes with this function, so the agent has to end before.
	if err := t.stopFeeding(); err != nil {
		return err
	}
	if err := t.until("everything is stored", t.opt.drain, func() bool { return t.done() >= t.Manifest.Objects()*len(t.checked) }); err != nil {
		return err
	}
	pids := t.agent.Children()
	if err := t.agent.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if code, err := t.agent.Wait(drainLimit); err != nil || code != 0 {
		t.wrong("the agent ended with code %d, %v", code, err)
	}
	if err := stage.Gone(t.ctx, pids); err != nil {
		return err
	}
	_ = syscall.Unmount(t.StateDir(), syscall.MNT_DETACH)
	return t.start() // on an empty folder: the disk was lost
}

// soak throws random faults at one agent for hours.
func soak(hours float64) scenario {
	return scenario{id: "R1", title: "soak", weight: 1, run: func(t *trial) error { return soaking(t, time.Duration(hours*float64(time.Hour))) }}
}

// soaking brings about one of the faults every 5 to 30 seconds, and sees that the agent
// needs no more memory at the end than at the beginning.
func soaking(t *trial, during time.Duration) error {
	if err := t.busy(); err != nil {
		return err
	}
	toxic := func(l *stage.Link, kind string, attributes map[string]any) func() error {
		return func() error {
			remove, err := l.Toxic(kind, stage.Downstream, attributes)
			if err != nil {
				return err
			}
			defer remove()
			t.between(time.Second, 8*time.Second)
			return nil
		}
	}
	var cuts atomic.Int64
	faults := map[string]func() error{
		"agent killed":    t.crash,
		"sink killed":     func() error { stage.KillPlugin(t.agent.Plugin("sink rds_direct")); return nil },
		"source killed":   func() error { stage.KillPlugin(t.agent.Plugin("source s3")); return nil },
		"database killed": func() error { return t.databaseAway(3 * time.Second) },
		"database slow":   toxic(t.ToDatabase, "latency", map[string]any{"latency": 300}),
		"database hangs":  toxic(t.ToDatabase, "timeout", map[string]any{"timeout": 0}),
		"bucket slow":     toxic(t.ToS3, "bandwidth", map[string]any{"rate": 20}),
		"bucket resets":   toxic(t.ToS3, "reset_peer", map[string]any{"timeout": 20}),
		"bodies cut":      toxic(t.ToS3, "limit_data", map[string]any{"bytes": 2000}),
		"queue resets":    toxic(t.ToSQS, "reset_peer", map[string]any{"timeout": 20}),
		"links severed": func() error {
			cuts.Add(1)
			return errors.Join(t.ToDatabase.Sever(), t.ToS3.Sever(), t.ToSQS.Sever())
		},
	}
	names := sortedKeys(faults)
	for time.Since(t.began) < during {
		name := names[t.rnd.IntN(len(names))]
		if err := faults[name](); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.hit()
		if err := t.progress(livenessLimit); err != nil {
			return fmt.Errorf("after %s: %w", name, err)
		}
		t.between(3*time.Second, 20*time.Second)
	}
	before, files := t.Average(0.25, 0.5)
	after, filesAfter := t.Average(0.75, 1)
	t.note("all processes took %d MiB and %.0f files on average in the second quarter, %d MiB and %.0f in the last", before>>20, files, after>>20, filesAfter)
	if after > before+16<<20 || filesAfter > files+20 {
		t.wrong("memory or files grow: %d MiB and %.0f files, then %d MiB and %.0f", before>>20, files, after>>20, filesAfter)
	}
	return nil
}

func (t *trial) databaseAway(d time.Duration) error {
	if err := t.Cluster.Kill9(); err != nil {
		return err
	}
	t.killed()
	t.pause(d)
	if err := t.Cluster.Restart(t.ctx); err != nil {
		return err
	}
	t.reconnect()
	return nil
}
