// Package logging makes the agent's log: one line a message, in the form that its reader
// wants, and without the same error again and again.
package logging

import (
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// Form is how a message is written.
type Form int

// The forms of a text log. Which of them fits is a matter of where it goes; see FormOf.
const (
	Text     Form = iota // time=… level=… msg=…, for files and pipes
	Journal              // <4>message key=value, for journald, which knows the time
	Terminal             // for people
)

// FormOf tells how to write to w. Under systemd, standard error is journald's socket if
// its device and inode are those of JOURNAL_STREAM (systemd.exec(5)).
func FormOf(w io.Writer, env func(string) string) Form {
	f, ok := w.(*os.File)
	if !ok {
		return Text
	}
	if isStream(f, env("JOURNAL_STREAM")) {
		return Journal
	}
	if term.IsTerminal(int(f.Fd())) {
		return Terminal
	}
	return Text
}

func isStream(f *os.File, stream string) bool {
	device, inode, ok := strings.Cut(stream, ":")
	info, err := f.Stat()
	if !ok || err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && strconv.FormatUint(st.Dev, 10) == device && strconv.FormatUint(st.Ino, 10) == inode
}

// New returns a log that writes to w. With asJSON each line is a JSON object, behind a
// priority for journald. Nothing that a terminal acts on is passed on, whoever wrote it.
func New(w io.Writer, form Form, asJSON bool, level slog.Leveler, colour bool) *slog.Logger {
	var h slog.Handler
	o := &slog.HandlerOptions{Level: level}
	switch {
	case asJSON && form == Journal:
		h = newLines(w, level, Journal, false, true)
	case asJSON:
		h = slog.NewJSONHandler(plain.JSONWriter(w), o)
	case form == Text:
		h = slog.NewTextHandler(plain.TextWriter(w), o)
	default:
		h = newLines(w, level, form, colour, false)
	}
	return slog.New(NewRepeats(h))
}
