package status_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A browser is a headless Chromium, spoken to over a pair of pipes in the DevTools
// protocol: JSON messages that end with a zero byte.
type browser struct {
	t       *testing.T
	to      io.Writer
	session string

	mu      sync.Mutex
	lastID  int
	answers map[int]chan answer
	events  []event
	changed chan struct{} // closed at each new event
	ended   bool
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

type event struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// chromium is the browser's program. Without one the test is skipped, but not where CI
// says that it must be there.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no Chromium on this machine: apt-get install chromium")
	}
	t.Skip("no Chromium on this machine, the page is not looked at: apt-get install chromium")
	return ""
}

// open starts a browser with one empty page. It ends with the test.
func open(t *testing.T) *browser {
	t.Helper()
	program := chromium(t)
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{inR, outW}
	// All of the browser's processes hold its standard error, so Wait returns only when
	// the last of them has ended and none writes into the profile that is removed then.
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	b := &browser{t: t, to: inW, answers: make(map[int]chan answer), changed: make(chan struct{})}
	go b.listen(outR)
	t.Cleanup(func() {
		inW.Close() // the browser ends with its pipe
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
			t.Errorf("processes of the browser outlive it: %v", err)
		}
		outR.Close()
		if t.Failed() {
			t.Logf("the browser said: %s", said.String())
		}
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) listen(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.ended = true
			for _, c := range b.answers {
				close(c)
			}
			b.answers = nil
			close(b.changed)
			b.mu.Unlock()
			return
		}
		raw = raw[:len(raw)-1]
		var a answer
		var e event
		_ = json.Unmarshal(raw, &a) // what is neither answer nor event is left alone
		_ = json.Unmarshal(raw, &e)
		b.mu.Lock()
		if c := b.answers[a.ID]; c != nil {
			delete(b.answers, a.ID)
			c <- a
		} else if e.Method != "" {
			b.events = append(b.events, e)
			close(b.changed)
			b.changed = make(chan struct{})
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(method string, params any, result any) {
	b.t.Helper()
	c := make(chan answer, 1)
	b.mu.Lock()
	b.lastID++
	id := b.lastID
	if b.ended {
		b.mu.Unlock()
		b.t.Fatalf("%s: the browser has ended", method)
	}
	b.answers[id] = c
	b.mu.Unlock()
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	raw, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	a, ok := <-c
	if !ok {
		b.t.Fatalf("%s: the browser has ended", method)
	}
	if a.Error != nil {
		b.t.Fatalf("%s: %s", method, a.Error.Message)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(a.Result, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// seen returns the events so far.
func (b *browser) seen() []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]event(nil), b.events...)
}

// goTo loads a page and returns when it is there.
func (b *browser) goTo(url string) {
	b.t.Helper()
	b.mu.Lock()
	before := len(b.events)
	b.mu.Unlock()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for {
		b.mu.Lock()
		events, changed, ended := b.events[before:], b.changed, b.ended
		b.mu.Unlock()
		for _, e := range events {
			if e.Method == "Page.loadEventFired" {
				return
			}
		}
		if ended {
			b.t.Fatal("the browser has ended")
		}
		<-changed
	}
}

// look sets the size of the window, in CSS pixels, and the colours that the reader likes.
func (b *browser) look(width, height int, scheme string) {
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// eval returns the value of an expression; a promise is waited for.
func eval[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage
		}
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails.Text)
	}
	if err := json.Unmarshal(r.Result.Value, &v); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// picture is the whole page as PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	var r struct{ Data string }
	height := eval[int](b, "document.documentElement.scrollHeight")
	width := eval[int](b, "innerWidth")
	b.call("Page.captureScreenshot", map[string]any{
		"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
	}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(fmt.Errorf("screenshot: %w", err))
	}
	return png
}
