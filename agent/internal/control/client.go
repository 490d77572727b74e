package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// A Client asks a running service.
type Client struct {
	// Socket is where the service listens. Empty means the usual places: the runtime
	// folder, the state folder, and the folder of the packaged unit.
	Socket   string
	StateDir string
	// Config is the configuration that the service has to run with, as an absolute path.
	// Empty means any.
	Config string
}

// ErrNotRunning says that no service answers.
var ErrNotRunning = errors.New("no running agent answers")

// An AnswerError is a service's answer that is no success.
type AnswerError struct {
	Status int // HTTP's
	Text   string
}

func (e *AnswerError) Error() string { return e.Text }

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Do sends a request without a body and decodes the answer's JSON into answer, unless that
// is nil. It returns an [AnswerError] for an answer that is no success, and an error that
// wraps [ErrNotRunning] where nobody answers.
func (c Client) Do(ctx context.Context, method, path string, answer any) error {
	paths := candidates(c.StateDir)
	if c.Socket != "" {
		paths = []string{c.Socket}
	}
	var tried []error
	for _, socket := range paths {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			tried = append(tried, err)
			continue
		}
		defer conn.Close()
		err = c.exchange(ctx, conn, method, path, answer)
		if misdirected := (*AnswerError)(nil); errors.As(err, &misdirected) && misdirected.Status == http.StatusMisdirectedRequest {
			tried = append(tried, fmt.Errorf("%s: %w", socket, err))
			continue
		}
		return err
	}
	return notRunning(paths, tried)
}

// notRunning says where nobody answered, and why if it is more than that nothing is there.
func notRunning(paths []string, tried []error) error {
	var why []string
	denied := false
	for _, err := range tried {
		denied = denied || errors.Is(err, fs.ErrPermission)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			why = append(why, err.Error())
		}
	}
	hint := "start it, or name its socket with -socket"
	if denied {
		hint = "run this as root or as a member of the agent's group"
	}
	where := strings.Join(paths, ", ")
	if len(why) > 0 {
		return fmt.Errorf("%w on %s (%s): %s", ErrNotRunning, where, strings.Join(why, "; "), hint)
	}
	return fmt.Errorf("%w on %s: %s", ErrNotRunning, where, hint)
}

func (c Client) exchange(ctx context.Context, conn net.Conn, method, path string, answer any) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, http.NoBody)
	if err != nil {
		return err
	}
	if c.Config != "" {
		r.Header.Set(configHeader, c.Config)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("ask the agent at %s: %w", conn.RemoteAddr(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of the agent at %s: %w", conn.RemoteAddr(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return &AnswerError{Status: resp.StatusCode, Text: string(bytes.TrimSpace(body))}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("the answer of the agent at %s is not understood (is it of another version?): %w", conn.RemoteAddr(), err)
	}
	return nil
}
