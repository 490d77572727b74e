package notify

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// manager plays systemd's end.
type manager struct{ *net.UnixConn }

func newManager(t *testing.T, watchdog string) manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return listenOn(t, filepath.Join(dir, "socket"), watchdog)
}

func listenOn(t *testing.T, name, watchdog string) manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return manager{c}
}

func (m manager) next(t *testing.T) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := m.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func start(t *testing.T) *Notifier {
	t.Helper()
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheManagerIsToldEachStep(t *testing.T) {
	m := newManager(t, "")
	n := start(t)
	if n == nil {
		t.Fatal("there is a manager")
	}
	n.Ready("1 pipeline")
	n.Status("1 pipeline") // nothing new
	n.Status("2 pipelines\nREADY=1\x1b")
	n.Stopping("writing")
	got := []string{m.next(t), m.next(t), m.next(t)}
	want := []string{
		"READY=1\nSTATUS=1 pipeline",
		"STATUS=2 pipelines READY=1 ", // text is text, whatever stands in it
		"STOPPING=1\nSTATUS=writing",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAReloadCarriesTheTime(t *testing.T) {
	m := newManager(t, "")
	before := monotonic()
	start(t).Reloading()
	got := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=([0-9]+)$`).FindStringSubmatch(m.next(t))
	if got == nil {
		t.Fatal("no time")
	}
	usec, err := strconv.ParseInt(got[1], 10, 64)
	if at := time.Duration(usec) * time.Microsecond; err != nil || at < before.Truncate(time.Microsecond) || at > monotonic() {
		t.Errorf("%v is not between %v and %v", at, before, monotonic())
	}
}

func TestAnAbstractSocketIsReached(t *testing.T) {
	m := listenOn(t, "@inu-notify-"+strconv.Itoa(os.Getpid()), "")
	start(t).Ready("up")
	if got := m.next(t); got != "READY=1\nSTATUS=up" {
		t.Errorf("got %q", got)
	}
}

func TestChildrenCannotSpeakForTheAgent(t *testing.T) {
	newManager(t, "1000000")
	start(t)
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if v, set := os.LookupEnv(name); set {
			t.Errorf("%s=%s is left in the environment", name, v)
		}
	}
}

func TestWithoutAManagerNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := start(t)
	if n != nil {
		t.Fatal("there is none")
	}
	n.Ready("")
	n.Reloading()
	n.Status("x")
	n.Stopping("")
	n.Watch(t.Context(), nil, nil, nil)
}

func TestAManagerThatIsGoneIsNoReasonToStop(t *testing.T) {
	m := newManager(t, "")
	n := start(t)
	_ = m.Close()
	n.Ready("up")
}

func TestWhatTheEnvironmentMustNotHold(t *testing.T) {
	for _, tc := range []struct{ socket, usec string }{
		{"relative/path", ""},
		{"/run/x", "soon"},
		{"/run/x", "-1"},
		{"/run/x", "99999999999999999999"},
	} {
		t.Setenv("NOTIFY_SOCKET", tc.socket)
		t.Setenv("WATCHDOG_USEC", tc.usec)
		t.Setenv("WATCHDOG_PID", "")
		if _, err := New(); err == nil {
			t.Errorf("%+v is taken", tc)
		}
	}
}

func TestAWatchdogMeantForAnotherProcessIsNotPinged(t *testing.T) {
	newManager(t, "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	if n := start(t); n.watchdog != 0 {
		t.Errorf("interval %v", n.watchdog)
	}
}

// A loop that is stuck ends the pings, and its name is told; one that comes round again
// has them go on.
func TestPingsStopWhileALoopIsWedged(t *testing.T) {
	m := newManager(t, "30000")
	n := start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wedged atomic.Bool
	stuck := make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Watch(ctx, func() string { return "running" }, func(limit time.Duration) string {
			if limit != n.watchdog/2 {
				t.Errorf("limit %v", limit)
			}
			if wedged.Load() {
				return "lane x"
			}
			return ""
		}, func(what string) {
			select {
			case stuck <- what:
			case <-ctx.Done():
			}
		})
	}()
	until := func(want string) {
		for m.next(t) != want {
			continue
		}
	}
	until("STATUS=running")
	until("WATCHDOG=1")
	wedged.Store(true)
	for range 3 { // it stays so
		if got := <-stuck; got != "lane x" {
			t.Errorf("stuck in %q", got)
		}
	}
	_ = m.SetReadDeadline(time.Now())
	for buf := make([]byte, 100); ; { // what was pinged before it was wedged
		if _, err := m.Read(buf); err != nil {
			break
		}
	}
	_ = m.SetReadDeadline(time.Time{})
	<-stuck
	_ = m.SetReadDeadline(time.Now())
	if k, err := m.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes while a loop is wedged", k)
	}
	_ = m.SetReadDeadline(time.Time{})
	wedged.Store(false)
	go func() {
		for range stuck {
			continue
		}
	}()
	until("WATCHDOG=1")
	stop()
	<-ended
	close(stuck)
}

func TestALongStatusIsCut(t *testing.T) {
	if got := oneLine(strings.Repeat("é", 5000)); len(got) > 1010 || !strings.HasSuffix(got, "…") || !strings.HasPrefix(got, "éé") {
		t.Errorf("%d bytes", len(got))
	}
}
