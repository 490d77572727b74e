// Package control is the Unix socket over which commands on the same host speak to the
// agent that runs as a service: HTTP, so that curl --unix-socket can too. It knows how the
// socket is made, found and guarded, and nothing of what is asked; handlers come from
// whoever has the answer.
//
// Who may connect is what the socket's mode says, 0660: root, the agent's user, and the
// members of its group. Each request carries who sent it, see [Sender].
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	socketName = "agent.sock"
	// unitDir is where the packaged unit's RuntimeDirectory= lies.
	unitDir = "/run/inu-detector"
	// configHeader names the configuration that a request is meant for.
	configHeader = "Agent-Config"
)

// Path is where a service listens: in $RUNTIME_DIRECTORY, which systemd sets, or else in
// its state folder.
func Path(stateDir string) string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, socketName)
	}
	return filepath.Join(stateDir, socketName)
}

// candidates are where a command looks for the service's socket, in this order.
func candidates(stateDir string) []string {
	paths := []string{Path(stateDir)}
	for _, dir := range []string{stateDir, unitDir} {
		if p := filepath.Join(dir, socketName); p != paths[0] {
			paths = append(paths, p)
		}
	}
	return paths
}

// A Server answers on the socket of one service.
type Server struct {
	path   string
	inode  os.FileInfo
	http   *http.Server
	served sync.WaitGroup
}

// ErrTaken says that another service answers on the socket.
var ErrTaken = errors.New("another agent answers there")

// Listen serves handler on a socket at path, and makes its folder, mode 0700, where there
// is none. config is the file that the service runs with, as an absolute path: requests
// that are meant for another one are refused. A socket that nobody answers on any more is
// replaced; one that is in use gives [ErrTaken].
func Listen(path, config string, handler http.Handler, log *slog.Logger) (_ *Server, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for the control socket: %w", err)
	}
	if inUse(path) {
		return nil, fmt.Errorf("control socket %s: %w", path, ErrTaken)
	}
	// In a folder of its own until its mode is right, so that nobody else is ever let in.
	private, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, fmt.Errorf("make folder for the control socket: %w", err)
	}
	defer os.RemoveAll(private)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(private, "s"), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket in %s (a path of more than 100 bytes is too long for Linux): %w", dir, err)
	}
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	l.SetUnlinkOnClose(false) // it is going to have another name
	if err := os.Chmod(l.Addr().String(), 0o660); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Rename(l.Addr().String(), path); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &Server{path: path}
	if s.inode, err = os.Lstat(path); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s.http = &http.Server{
		Handler:           guard(handler, config, log),
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withSender,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.served.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func inUse(path string) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// guard refuses what is meant for another agent.
func guard(next http.Handler, config string, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wanted := r.Header.Get(configHeader); wanted != "" && !sameFile(wanted, config) {
			http.Error(w, fmt.Sprintf("the agent that answers here runs %s, not %s", config, wanted), http.StatusMisdirectedRequest)
			return
		}
		log.Debug("control request", "method", r.Method, "path", r.URL.Path, "sender", SenderOf(r.Context()).String())
		next.ServeHTTP(w, r)
	})
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	ai, aerr := os.Stat(a)
	bi, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

// Close stops answering and removes the socket, unless another agent has put its own there
// since. Answers under way have until ctx ends.
func (s *Server) Close(ctx context.Context) {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.inode) {
		_ = os.Remove(s.path)
	}
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.served.Wait()
}
