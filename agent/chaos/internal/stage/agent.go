package stage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An Agent is a process of the binary under test.
type Agent struct {
	PID     int
	LogFile string

	cmd    *exec.Cmd
	ended  chan struct{}
	memory *meter
}

// A Role tells an agent's processes apart: "agent", or kind and type of a plugin, such
// as "source s3".
type Role string

// start starts the binary. The process ends with this one, whatever ends it.
func start(binary, dir string, env []string, memory *meter, args ...string) (*Agent, error) {
	log, err := os.OpenFile(filepath.Join(dir, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	a := &Agent{LogFile: log.Name(), ended: make(chan struct{}), memory: memory}
	a.cmd = exec.Command(binary, args...) //nolint:noctx // it ends with a signal, or with this process
	a.cmd.Dir, a.cmd.Env = dir, env
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The parent death signal comes when the thread that started the process ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := a.cmd.Start()
		started <- err
		if err == nil {
			_ = a.cmd.Wait() // the exit code says it
			close(a.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	a.PID = a.cmd.Process.Pid
	memory.watch(a.PID)
	return a, nil
}

// Over reports whether the agent has ended.
func (a *Agent) Over() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

// Wait waits for the end, and returns the exit code: -1 for a signal.
func (a *Agent) Wait(limit time.Duration) (int, error) {
	select {
	case <-a.ended:
		return a.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("the agent did not end within %s", limit)
	}
}

// Signal sends a signal to the agent alone.
func (a *Agent) Signal(sig syscall.Signal) error { return a.cmd.Process.Signal(sig) }

// Kill9 kills the agent alone and returns once it is gone. It reports whether the agent
// lived until then.
func (a *Agent) Kill9() bool {
	if a.Over() || a.cmd.Process.Kill() != nil {
		return false
	}
	<-a.ended
	return true
}

// Children are the plugin processes that live.
func (a *Agent) Children() map[int]Role { return children(a.PID) }

// Plugin is the process of a role; 0 if there is none just now.
func (a *Agent) Plugin(role Role) int {
	for pid, r := range a.Children() {
		if r == role {
			return pid
		}
	}
	return 0
}

func children(parent int) map[int]Role {
	found := make(map[int]Role)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent)) // fails only for a bad pattern
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(word)
			if err == nil {
				found[pid] = roleOf(pid)
			}
		}
	}
	return found
}

func roleOf(pid int) Role {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "gone"
	}
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if at := slices.Index(args, "plugin"); at >= 0 && len(args) > at+2 {
		return Role(args[at+1] + " " + args[at+2])
	}
	return Role(filepath.Base(args[0]))
}

// Alive reports whether a process is there and no zombie.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(fields) > 0 && fields[0][0] != 'Z'
}

// Says counts the lines of the log that hold a text.
func (a *Agent) Says(text string) int {
	log, err := os.ReadFile(a.LogFile)
	if err != nil {
		return 0
	}
	return bytes.Count(log, []byte(text))
}
