package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/control"
)

// folder is a short one: a socket's path may have 108 bytes.
func folder(t *testing.T) string {
	t.Helper()
	t.Setenv("RUNTIME_DIRECTORY", "")
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func listen(t *testing.T, path string) *control.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"sender": %q}`, control.SenderOf(r.Context()))
	})
	mux.HandleFunc("POST /fail", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "it is broken", http.StatusUnprocessableEntity)
	})
	s, err := control.Listen(path, "/etc/agent.hcl", mux, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func TestACommandFindsTheServiceInItsStateFolder(t *testing.T) {
	dir := filepath.Join(folder(t), "state")
	listen(t, control.Path(dir))
	var answer struct{ Sender string }
	if err := (control.Client{StateDir: dir}).Do(t.Context(), "GET", "/who", &answer); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("uid %d, pid %d", os.Getuid(), os.Getpid()); answer.Sender != want {
		t.Errorf("sender %q, want %q", answer.Sender, want)
	}
}

func TestTheRuntimeFolderComesFirst(t *testing.T) {
	dir := folder(t)
	t.Setenv("RUNTIME_DIRECTORY", dir)
	if got, want := control.Path("/var/lib/x"), filepath.Join(dir, "agent.sock"); got != want {
		t.Errorf("path %s, want %s", got, want)
	}
}

func TestARefusalKeepsItsStatusAndText(t *testing.T) {
	path := filepath.Join(folder(t), "agent.sock")
	listen(t, path)
	var refused *control.AnswerError
	err := control.Client{Socket: path}.Do(t.Context(), "POST", "/fail", nil)
	if !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity || refused.Text != "it is broken" {
		t.Errorf("got %v", err)
	}
}

func TestAnAgentWithAnotherConfigurationDoesNotAnswer(t *testing.T) {
	path := filepath.Join(folder(t), "agent.sock")
	listen(t, path)
	err := control.Client{Socket: path, Config: "/etc/other.hcl"}.Do(t.Context(), "GET", "/who", nil)
	if !errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), "runs /etc/agent.hcl, not /etc/other.hcl") {
		t.Errorf("got %v", err)
	}
	if err := (control.Client{Socket: path, Config: "/etc/agent.hcl"}).Do(t.Context(), "GET", "/who", nil); err != nil {
		t.Error(err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := folder(t)
	err := control.Client{Socket: filepath.Join(dir, "agent.sock")}.Do(t.Context(), "GET", "/who", nil)
	if !errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), "-socket") {
		t.Errorf("got %v", err)
	}
}

func TestASocketInUseIsNotTaken(t *testing.T) {
	path := filepath.Join(folder(t), "agent.sock")
	listen(t, path)
	_, err := control.Listen(path, "/etc/agent.hcl", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, control.ErrTaken) {
		t.Errorf("got %v", err)
	}
	if err := (control.Client{Socket: path}).Do(t.Context(), "GET", "/who", nil); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestTheSocketOfAKilledAgentIsReplaced(t *testing.T) {
	path := filepath.Join(folder(t), "agent.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	listen(t, path)
	if err := (control.Client{Socket: path}).Do(t.Context(), "GET", "/who", nil); err != nil {
		t.Error(err)
	}
}

func TestCloseRemovesItsOwnSocketOnly(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "agent.sock")
	s := listen(t, path)
	s.Close(t.Context())
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	s = listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	listen(t, path)
	s.Close(t.Context())
	if err := (control.Client{Socket: path}).Do(t.Context(), "GET", "/who", nil); err != nil {
		t.Errorf("another's socket went with it: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Another user of the host neither asks nor reloads.
func TestStrangersAreKeptOut(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "agent.sock")
	listen(t, path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %v", got)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	connected := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends as nobody
		const nobody = 65534
		// Neither call fails: both return the id that was.
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSGID, nobody, 0, 0)
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
			_ = syscall.Close(fd)
		}
		connected <- err
	}()
	if err := <-connected; !errors.Is(err, syscall.EACCES) {
		t.Errorf("nobody connects: %v", err)
	}
}
