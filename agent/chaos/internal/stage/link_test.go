package stage

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // until the client goes
			}()
		}
	}()
	return l.Addr().String()
}

func linked(t *testing.T) *Link {
	t.Helper()
	l, err := newLink("echo", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Down)
	return l
}

// say sends a line on a new connection and returns the answer.
func say(l *Link, line string) (string, error) {
	c, err := net.Dial("tcp", l.Addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestALinkGoesDownAndUp(t *testing.T) {
	l := linked(t)
	for range 3 {
		if got, err := say(l, "hello"); err != nil || got != "hello\n" {
			t.Fatalf("say = %q, %v", got, err)
		}
		l.Down()
		if _, err := say(l, "hello"); err == nil {
			t.Error("a link that is down carries")
		}
		if err := l.Up(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWatcherSeesWhatPassesAndCutsIt(t *testing.T) {
	l := linked(t)
	var seen atomic.Int64
	remove, err := l.Watch(Downstream, func(data []byte) Action {
		if AnswersCommit(data) {
			seen.Add(1)
			return Cut
		}
		return Pass
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say(l, "hello"); err != nil || got != "hello\n" {
		t.Errorf("what the watcher lets pass: %q, %v", got, err)
	}
	if _, err := say(l, "C\x00\x00\x00\x0bCOMMIT\x00"); !errors.Is(err, io.EOF) || seen.Load() != 1 {
		t.Errorf("what the watcher cuts: %v, seen %d times", err, seen.Load())
	}
	remove()
	if _, err := say(l, "C\x00\x00\x00\x0bCOMMIT\x00"); err != nil || seen.Load() != 1 {
		t.Errorf("after the watcher has gone: %v, seen %d times", err, seen.Load())
	}
}

func TestAToxicCutsAfterSoManyBytes(t *testing.T) {
	l := linked(t)
	remove, err := l.Toxic("limit_data", Downstream, map[string]any{"bytes": 3})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say(l, "hello"); got != "hel" || err == nil {
		t.Errorf("say = %q, %v", got, err)
	}
	remove()
	if got, err := say(l, "hello"); got != "hello\n" || err != nil {
		t.Errorf("say = %q, %v", got, err)
	}
	if _, err := l.Toxic("no such toxic", Downstream, nil); err == nil {
		t.Error("a toxic that does not exist was added")
	}
}
