package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/sealed"
)

// How long each step of a stop may take before the next, harder one.
const (
	shutdownGrace = 5 * time.Second
	killGrace     = 2 * time.Second
)

// Inspectable is the environment variable that, set to "1", leaves agent and plugins open
// to profilers, debuggers and measurements of their own user.
const Inspectable = sealed.Inspectable

// Seal closes this process to debuggers of its own user, and switches core files off. The
// agent calls it first; plugins do it by themselves when they are served.
func Seal() error { return sealed.Process() }

// spawnAndWatch reports the start's result and then blocks until the process ended.
func (p *Process) spawnAndWatch(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	_, err := p.client.Start()
	if p.cmd.Process == nil {
		close(p.exited)
		started <- err
		return
	}
	fd, pidErr := unix.PidfdOpen(p.cmd.Process.Pid, 0)
	started <- errors.Join(err, p.pidfdError(pidErr))
	if pidErr == nil {
		waitExit(fd)
		_ = unix.Close(fd)
	}
	// Grandchildren that hold the plugin's stderr would keep it from being reaped.
	p.kill()
	close(p.exited)
}

// pidfdError is nil where the process has merely ended already.
func (p *Process) pidfdError(err error) error {
	if err == nil || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return fmt.Errorf("watch plugin process: %w", err)
}

// waitExit blocks until the process behind a pidfd has ended (pidfd_open(2)). It
// sees the end of a process whose output a grandchild keeps open, which waiting for
// its output to close does not.
func waitExit(fd int) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, -1)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}

// Healthy asks for the plugin's health, as grpc.health.v1 defines it, within ctx. A
// plugin that serves no health service is healthy.
func (p *Process) Healthy(ctx context.Context) error {
	res, err := healthpb.NewHealthClient(p.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "plugin"})
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	if err != nil {
		return fmt.Errorf("plugin does not answer: %w", err)
	}
	if s := res.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("plugin says that it is %s", s)
	}
	return nil
}

// Stop closes the source or sink, asks the process to end, and kills its whole group
// if it does not in time. ctx bounds the closing: when it ends, the kill is at once.
// The caller has let its own calls return before.
func (p *Process) Stop(ctx context.Context) error {
	defer p.release()
	var err error
	select {
	case <-p.exited:
	default:
		err = p.control.Close(ctx)
	}
	// Kill asks the plugin to shut down first, and has no deadline of its own.
	done := make(chan struct{})
	go func() { p.client.Kill(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(shutdownGrace):
	}
	p.kill()
	select {
	case <-done:
	case <-time.After(killGrace):
		return errors.Join(err, fmt.Errorf("plugin process %d cannot be killed", p.PID()))
	}
	return err
}

// End says how the process ended, as in "exit status 2" or "signal: killed". It may be
// called once Stop or Kill has returned.
func (p *Process) End() string {
	if p.cmd.ProcessState == nil {
		return "unknown"
	}
	return p.cmd.ProcessState.String()
}

// Kill ends the process and all it started, at once.
func (p *Process) Kill() {
	p.kill()
	if p.client != nil {
		p.client.Kill()
	}
	p.release()
}

// kill sends SIGKILL to the process group.
func (p *Process) kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// release gives back what the agent holds for the process.
func (p *Process) release() {
	if p.lifeline != nil {
		_ = p.lifeline.Close()
	}
	_ = os.RemoveAll(p.dir)
}
