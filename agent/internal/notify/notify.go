// Package notify tells systemd how the agent is: the protocol of sd_notify(3), without
// libsystemd. Without systemd, that is without $NOTIFY_SOCKET, nothing is told to nobody.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// A Notifier tells one service manager. Its methods may be called concurrently, and do
// nothing where the Notifier is nil. They never fail: a manager that does not listen is no
// reason to stop, and finds out by its watchdog.
type Notifier struct {
	addr     *net.UnixAddr
	watchdog time.Duration

	mu     sync.Mutex
	status string // the last one told
}

// New returns a Notifier for the manager that started this process, or nil where there is
// none. It takes the variables out of the environment, so that no child can speak for the
// agent.
func New() (*Notifier, error) {
	socket := os.Getenv("NOTIFY_SOCKET")
	watchdog, err := watchdogInterval(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"))
	for _, name := range variables() {
		err = errors.Join(err, os.Unsetenv(name))
	}
	if err != nil || socket == "" {
		return nil, err
	}
	// A path, or with "@" a name in the abstract namespace; package net knows both.
	if socket[0] != '/' && socket[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor a name that starts with @", socket)
	}
	return &Notifier{addr: &net.UnixAddr{Name: socket, Net: "unixgram"}, watchdog: watchdog}, nil
}

func variables() []string { return []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} }

// IsVariable reports whether a variable is one of those that New takes away.
func IsVariable(name string) bool { return slices.Contains(variables(), name) }

// watchdogInterval is the time within which systemd expects a ping; 0 is never. See
// sd_watchdog_enabled(3).
func watchdogInterval(usec, pid string) (time.Duration, error) {
	if usec == "" || (pid != "" && pid != strconv.Itoa(os.Getpid())) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<62)/1000 {
		return 0, fmt.Errorf("WATCHDOG_USEC %q is not a number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Ready says that the service has started, or has reloaded.
func (n *Notifier) Ready(status string) { n.tell("READY=1", n.noted(status)) }

// Stopping says that the service begins to stop.
func (n *Notifier) Stopping(status string) { n.tell("STOPPING=1", n.noted(status)) }

// Reloading says that the service takes over another configuration; Ready ends that.
func (n *Notifier) Reloading() {
	n.tell("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonic().Microseconds(), 10))
}

// Status is one line for systemctl status.
func (n *Notifier) Status(status string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	same := n.status == oneLine(status)
	n.mu.Unlock()
	if !same {
		n.tell(n.noted(status))
	}
}

// noted remembers a status as told.
func (n *Notifier) noted(status string) string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = oneLine(status)
	return "STATUS=" + n.status
}

// oneLine makes a status that ends where its line does: the protocol's fields end so, and
// what stands in errors is not ours.
func oneLine(s string) string {
	const most = 1000
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// statusInterval is how often Watch tells a status that has changed.
const statusInterval = 10 * time.Second

// Watch keeps the manager informed until ctx ends: of the status, and, as long as wedged
// returns "", by the watchdog's pings. wedged gets how long a thing may take until it counts
// as stuck, and names what is. It is asked three times within the watchdog's time, so that a
// late answer is no missing one.
func (n *Notifier) Watch(ctx context.Context, status func() string, wedged func(time.Duration) string, stuck func(what string)) {
	if n == nil {
		return
	}
	interval := statusInterval
	if n.watchdog > 0 {
		interval = min(interval, n.watchdog/3)
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		n.Status(status())
		if n.watchdog > 0 {
			if what := wedged(n.watchdog / 2); what != "" {
				stuck(what)
			} else {
				n.tell("WATCHDOG=1")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell sends the fields as one message.
func (n *Notifier) tell(fields ...string) {
	if n == nil {
		return
	}
	c, err := net.DialUnix("unixgram", nil, n.addr)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(strings.Join(fields, "\n")))
}

// monotonic is CLOCK_MONOTONIC, by which systemd tells whether a reload is the one that it
// asked for. Package time has it, but does not give it away.
func monotonic() time.Duration {
	const clockMonotonic = 1 // clock_gettime(2)
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}
