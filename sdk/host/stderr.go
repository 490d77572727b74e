package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of what one plugin may log.
const (
	maxLine      = 16 << 10 // longer lines are cut
	linesASecond = 100
	lineBurst    = 500
	keptLines    = 20 // told when the plugin fails
)

// lineLog turns a plugin's output into records of the agent's log, a line each. Lines
// of log/slog's JSON handler keep their level, message and attributes.
type lineLog struct {
	log     *slog.Logger
	secrets *concealer

	mu      sync.Mutex
	last    []string
	tokens  float64
	filled  time.Time
	dropped int
}

func newLineLog(log *slog.Logger, secrets *concealer) *lineLog {
	return &lineLog{log: log, secrets: secrets, tokens: lineBurst, filled: time.Now()}
}

// A stream is one of a plugin's outputs: their lines must not mix.
type stream struct {
	*lineLog
	partial []byte
}

// stream returns a writer for one output.
func (l *lineLog) stream() *stream { return &stream{lineLog: l} }

// Write takes any piece of output; a line and its end may come separately.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.keepPartial(b)
			return n, nil
		}
		s.keepPartial(b[:i])
		s.emit(s.partial)
		s.partial = s.partial[:0]
		b = b[i+1:]
	}
}

// keepPartial keeps so much of a line that no secret in what is shown of it is cut in two.
func (s *stream) keepPartial(b []byte) {
	if room := max(0, maxLine+s.secrets.reach()-len(s.partial)); len(b) > room {
		b = b[:room]
	}
	s.partial = append(s.partial, b...)
}

func (l *lineLog) emit(line []byte) {
	line = bytes.TrimRight(l.conceal(line), "\r")
	if len(line) == 0 {
		return
	}
	level, text, attrs := parseLine(line)
	l.last = append(l.last, text)
	if len(l.last) > keptLines {
		l.last = l.last[1:]
	}
	if !l.take() {
		l.dropped++
		return
	}
	if l.dropped > 0 {
		l.log.Warn("plugin logs too much, lines left out", "lines", l.dropped)
		l.dropped = 0
	}
	l.log.LogAttrs(context.Background(), level, text, attrs...) //nolint:sloglint // the plugin's own words
}

// conceal blanks the secrets of a line and cuts it. The end of a long one may hold the
// beginning of a secret, and goes too.
func (l *lineLog) conceal(line []byte) []byte {
	reach := l.secrets.reach()
	if reach == 0 {
		return line[:min(len(line), maxLine)]
	}
	shown := []byte(l.secrets.text(string(line)))
	if len(line) > maxLine {
		shown = shown[:max(0, len(shown)-reach)]
	}
	return shown[:min(len(shown), maxLine)]
}

// take spends one token of a bucket of lineBurst that fills by linesASecond.
func (l *lineLog) take() bool {
	now := time.Now()
	l.tokens = min(lineBurst, l.tokens+now.Sub(l.filled).Seconds()*linesASecond)
	l.filled = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// recent returns the last lines.
func (l *lineLog) recent() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.last)
}

// explain adds the plugin's last words to an error of its start.
func (l *lineLog) explain(err error) error {
	last := l.recent()
	if len(last) == 0 {
		return err
	}
	return fmt.Errorf("%w; the plugin's last output:\n  %s", err, strings.Join(last, "\n  "))
}

// parseLine reads one line of log/slog's JSON handler; any other text is a message
// at level info.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	plain := strings.ToValidUTF8(string(line), "\uFFFD")
	if line[0] != '{' {
		return slog.LevelInfo, plain, nil
	}
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		return slog.LevelInfo, plain, nil
	}
	msg, ok := fields[slog.MessageKey].(string)
	if !ok {
		return slog.LevelInfo, plain, nil
	}
	level := slog.LevelInfo
	if s, ok := fields[slog.LevelKey].(string); ok {
		_ = level.UnmarshalText([]byte(s)) // an unknown word leaves info
	}
	var attrs []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k != slog.MessageKey && k != slog.LevelKey && k != slog.TimeKey {
			attrs = append(attrs, slog.Any(k, fields[k]))
		}
	}
	return level, msg, attrs
}
