package cli

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked the kernel may wake a thread, in nanoseconds.
const timerSlack = 1_000_000

// stayInBackground has the kernel treat this process, and the plugins after it, as work that
// nobody waits for from one millisecond to the next.
//
// They are woken up to a millisecond late. While a Go program is busy, a thread of its
// runtime wants to look every 20 microseconds whether another one hangs in a system call.
// With the usual slack of 50 microseconds that is, in a virtual machine, a sixth of all that
// agent and plugins do.
//
// And they do not interrupt what runs when they are woken, such as a database on the same
// machine: sched(7), SCHED_BATCH. A policy that is not the usual one is an administrator's
// choice, and kept.
//
// A thread can say this for itself and for what it starts (PR_SET_TIMERSLACK(2const)), but
// those of the runtime are there before main. So the program starts again, as the same
// process: from its first thread, where the init of package main keeps it, as a signal for its
// parent's death is that thread's.
func stayInBackground() {
	defer runtime.UnlockOSThread()
	// Under its own path: the name of /proc/self/exe would be "exe" to ps and pkill.
	path, err := os.Executable()
	if err != nil || unix.Access(path, unix.X_OK) != nil {
		return
	}
	if late, batch := wakeLate(), runAsBatch(); late || batch {
		_ = syscall.Exec(path, os.Args, os.Environ())
	}
}

// wakeLate says whether it changed anything: the kernel gives no slack to a real-time thread,
// without an error.
func wakeLate() bool {
	slack := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil {
			return timerSlack
		}
		return n
	}
	return slack() < timerSlack && unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) == nil && slack() >= timerSlack
}

// runAsBatch says whether it changed anything. The service's unit sets the policy itself,
// and takes the right to do so from the agent.
func runAsBatch() bool {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return false
	}
	if unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: attr.Nice}, 0) != nil {
		return false
	}
	attr, err = unix.SchedGetAttr(0, 0)
	return err == nil && attr.Policy == unix.SCHED_BATCH
}
