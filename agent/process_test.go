package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is a run of the agent that has not been waited for.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr transcript
	ended          chan struct{}
}

// A transcript is what a process has written so far.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// start starts the agent in the site's folder. It is killed at the end of the test if
// it still runs then.
func (s *site) start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: agentCommand(t, s.dir, s.env, args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if s.program != "" {
		r.cmd.Path = s.program
	}
	if s.credential != nil {
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // the exit code says it
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
	})
	return r
}

func (r *running) wait() outcome {
	<-r.ended
	return outcome{code: r.cmd.ProcessState.ExitCode(), stdout: r.stdout.String(), stderr: r.stderr.String()}
}

func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func (r *running) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// await looks again and again until a condition holds. It gives up only shortly before
// go test itself would.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !became(t, holds) {
		t.Fatalf("out of time before %s", what)
	}
}

func became(t *testing.T, holds func() bool) bool {
	t.Helper()
	const margin = 5 * time.Second
	var late <-chan time.Time
	if deadline, limited := t.Deadline(); limited {
		late = time.After(time.Until(deadline) - margin)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			return false
		}
	}
	return true
}

// await looks until a condition holds, and fails the test if the run ends first.
func (r *running) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ended := false
	held := became(t, func() bool {
		ended = r.over() // before looking: what a run did last counts
		return holds() || ended
	})
	switch {
	case !held:
		t.Fatalf("out of time before %s: %s%s", what, r.stdout.String(), r.stderr.String())
	case ended && !holds():
		t.Fatalf("the run ended before %s: %s", what, r.wait())
	}
}

// says is a condition: the run has written the text to standard error.
func (r *running) says(text string) func() bool {
	return func() bool { return strings.Contains(r.stderr.String(), text) }
}

// processes are the agents and plugins of the site that live, zombies aside: those
// whose environment names the site's folder for sockets.
func (s *site) processes(t *testing.T) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		environ, err := os.ReadFile(file) // an error: it has ended, or is somebody else's
		if err != nil || !bytes.Contains(environ, []byte(s.tmp)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// plugin is the process that serves the agent's blocks of a kind, "source" or "sink";
// 0 if there is none just now.
func (s *site) plugin(t *testing.T, kind string) int {
	t.Helper()
	for _, pid := range s.processes(t) {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err != nil {
			continue
		}
		if args := strings.Split(string(line), "\x00"); len(args) > 3 && slices.Equal(args[1:3], []string{"plugin", kind}) {
			return pid
		}
	}
	return 0
}

// kill9 ends a process as nothing else does. It reports whether there was one.
func kill9(pid int) bool { return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil }

// checkLeftNothing fails the test if a process or a socket of the site is left. A
// plugin whose agent was killed may take a moment to be gone.
func (s *site) checkLeftNothing(t *testing.T) {
	t.Helper()
	await(t, "all processes of the site are gone", func() bool { return len(s.processes(t)) == 0 })
	left, err := os.ReadDir(s.tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the folder for sockets: %v, %v", left, err)
	}
}
