package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// lines writes messages for journald or for people: the message first, then what the text
// handler of package slog makes of the attributes.
type lines struct {
	to     *sink
	level  slog.Leveler
	form   Form
	colour bool
	attrs  slog.Handler // writes to to.line
}

// sink is shared by all handlers that come from one.
type sink struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer // of the message being written
}

func newLines(w io.Writer, level slog.Leveler, form Form, colour, asJSON bool) *lines {
	to := &sink{w: w}
	if asJSON {
		return &lines{to: to, level: level, form: form, attrs: slog.NewJSONHandler(plain.JSONWriter(&to.line), &slog.HandlerOptions{Level: slog.LevelDebug})}
	}
	return &lines{to: to, level: level, form: form, colour: colour, attrs: slog.NewTextHandler(plain.TextWriter(&to.line), &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		},
	})}
}

// Enabled implements slog.Handler.
func (h *lines) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *lines) Handle(ctx context.Context, r slog.Record) error {
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	h.to.line.Reset()
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	rest := bytes.TrimSpace(h.to.line.Bytes())
	var out bytes.Buffer
	switch {
	case h.form == Journal && len(rest) > 0 && rest[0] == '{':
		fmt.Fprintf(&out, "<%d>%s\n", priority(r.Level), rest)
	case h.form == Journal:
		fmt.Fprintf(&out, "<%d>%s", priority(r.Level), plain.Text(r.Message))
		h.end(&out, rest)
	default:
		fmt.Fprintf(&out, "%s %s %s", h.faint(r.Time.Local().Format(time.TimeOnly)), h.word(r.Level), plain.Text(r.Message))
		h.end(&out, rest)
	}
	_, err := h.to.w.Write(out.Bytes())
	return err
}

func (h *lines) end(out *bytes.Buffer, rest []byte) {
	if len(rest) > 0 {
		fmt.Fprintf(out, "  %s", h.faint(string(rest)))
	}
	out.WriteByte('\n')
}

func (h *lines) faint(s string) string { return h.sgr("2", s) }

func (h *lines) sgr(code, s string) string {
	if !h.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (h *lines) word(l slog.Level) string {
	code := "0"
	switch {
	case l >= slog.LevelError:
		code = "31"
	case l >= slog.LevelWarn:
		code = "33"
	}
	return h.sgr(code, fmt.Sprintf("%-5s", l))
}

// priority is syslog's (sd-daemon(3)).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// WithAttrs implements slog.Handler.
func (h *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = h.attrs.WithAttrs(attrs)
	return &c
}

// WithGroup implements slog.Handler.
func (h *lines) WithGroup(name string) slog.Handler {
	c := *h
	c.attrs = h.attrs.WithGroup(name)
	return &c
}
