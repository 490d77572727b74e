package logging

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	// window is how long a warning or error that comes again is only counted.
	window = time.Minute
	// maxKinds bounds how many are told apart; what is beyond is logged as it comes.
	maxKinds = 1000
)

// Repeats is a handler that passes on the first of equal warnings and errors, counts
// those that follow within a minute, and then passes on the last of them with the count:
// "… (repeated 57 times in 1m0s)". Below warning it passes on everything. Messages are
// equal if text, level and what they are about are; the split, the number of the try, and
// digits do not count, and an error that says something else is another message.
type Repeats struct {
	next  slog.Handler
	about string // of the attributes that the logger carries
	state *repeats
}

type repeats struct {
	mu    sync.Mutex
	kinds map[string]*repeated
}

type repeated struct {
	next  slog.Handler
	last  slog.Record
	count int
	since time.Time
	timer *time.Timer
}

// NewRepeats returns a handler before next.
func NewRepeats(next slog.Handler) *Repeats {
	return &Repeats{next: next, state: &repeats{kinds: make(map[string]*repeated)}}
}

// Enabled implements slog.Handler.
func (h *Repeats) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *Repeats) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.next.Handle(ctx, r)
	}
	k := h.key(r)
	h.state.mu.Lock()
	defer h.state.mu.Unlock()
	x := h.state.kinds[k]
	if x != nil {
		x.last, x.count = r.Clone(), x.count+1
		return nil
	}
	if len(h.state.kinds) < maxKinds {
		x = &repeated{next: h.next, since: r.Time}
		x.timer = time.AfterFunc(window, func() { h.state.due(k, x) })
		h.state.kinds[k] = x
	}
	return h.next.Handle(ctx, r)
}

// due ends a window: it tells what was counted, and goes on if there was anything.
func (s *repeats) due(k string, x *repeated) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.count == 0 {
		delete(s.kinds, k)
		return
	}
	x.tell(window)
	x.timer.Reset(window)
}

func (x *repeated) tell(over time.Duration) {
	r := slog.NewRecord(x.last.Time, x.last.Level, fmt.Sprintf("%s (repeated %d times in %s)", x.last.Message, x.count, over.Round(time.Second)), x.last.PC)
	x.last.Attrs(func(a slog.Attr) bool { r.AddAttrs(a); return true })
	_ = x.next.Handle(context.Background(), r) // there is nobody to tell
	x.count, x.since = 0, x.since.Add(over)
}

// Flush tells what was counted so far. It is called at the end.
func (h *Repeats) Flush() {
	h.state.mu.Lock()
	defer h.state.mu.Unlock()
	for k, x := range h.state.kinds {
		x.timer.Stop()
		if x.count > 0 {
			x.tell(time.Since(x.since))
		}
		delete(h.state.kinds, k)
	}
}

// Flush tells what a logger of New has counted.
func Flush(l *slog.Logger) {
	if h, ok := l.Handler().(*Repeats); ok {
		h.Flush()
	}
}

// varying are attributes that differ between messages that say the same.
func varying(key string) bool {
	switch key {
	case "tries", "split", "splits", "event", "in", "pid", "first", "lines", "crashes":
		return true
	}
	return false
}

var digits = regexp.MustCompile(`[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*`)

// key is what equal messages share.
func (h *Repeats) key(r slog.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%d\x00%s", h.about, r.Level, r.Message)
	var names []string
	r.Attrs(func(a slog.Attr) bool {
		if varying(a.Key) && a.Value.Kind() == slog.KindString {
			names = append(names, a.Value.String())
		}
		return true
	})
	r.Attrs(func(a slog.Attr) bool {
		if varying(a.Key) {
			return true
		}
		text := a.Value.String()
		for _, n := range names {
			if n != "" {
				text = strings.ReplaceAll(text, n, "…") // an error tells which split it is about
			}
		}
		fmt.Fprintf(&b, "\x00%s=%s", a.Key, digits.ReplaceAllString(text, "#"))
		return true
	})
	return b.String()
}

// WithAttrs implements slog.Handler.
func (h *Repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.about += a.String() + "\x00"
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *Repeats) WithGroup(name string) slog.Handler {
	c := *h
	c.next = h.next.WithGroup(name)
	c.about += name + "{"
	return &c
}
