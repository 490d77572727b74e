package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// stopLimit is how long a server may take to shut down before it is killed.
const stopLimit = 20 * time.Second

// A process is a running server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the process is gone
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent death signal when the thread that started the
		// process ends, so that thread has to stay for as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how a server ended is in its log
		}
	}()
	return p, <-started
}

// end signals the process and returns once it is gone.
func (p *process) end(signal syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal postgres: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopLimit):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("postgres did not stop within %s and was killed", stopLimit)
}

// children are the processes that parent started, as /proc has them; none where
// there is no /proc.
func children(parent int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only for a malformed pattern
	var pids []int
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // that process has ended
		}
		// "pid (command) state parent ...", where the command may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 && string(fields[1]) == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}
