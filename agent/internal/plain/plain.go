// Package plain makes text from outside fit for a terminal and for a log: whoever can
// write an event, an object's key or a plugin's message must not be able to forge a line,
// to move the cursor, or to turn the order of what is read.
package plain

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is s with everything that is not printed as itself as an escape: control
// characters, line and paragraph separators, marks of direction, and bytes that are not
// UTF-8.
func Text(s string) string {
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}

// Lines is Text for a message that may have several lines: each but the first is
// indented, so that none can be taken for one that the agent wrote.
func Lines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, line := range lines {
		lines[i] = Text(line)
	}
	return strings.Join(lines, "\n  ")
}

func odd(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// JSON is a JSON text whose strings hold nothing that a terminal acts on. It means the
// same, but for bytes that are not UTF-8.
func JSON(text []byte) []byte {
	clean := true
	for i := 0; i < len(text) && clean; i++ {
		clean = text[i] < 0x7f // what is below 0x20 stands outside of strings only
	}
	if clean {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < 0x7f || unicode.IsPrint(r) && (r != utf8.RuneError || size > 1):
			out = append(out, text[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// TextWriter passes on what the text handler of package slog writes, which quotes all that [Text] would
// escape, but for one character.
func TextWriter(w io.Writer) io.Writer { return textWriter{w} }

type textWriter struct{ to io.Writer }

func (w textWriter) Write(b []byte) (int, error) {
	if _, err := w.to.Write(bytes.ReplaceAll(b, []byte("\x7f"), []byte(`\x7f`))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// JSONWriter passes on lines of JSON through [JSON]. Each Write must hold whole lines.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ to io.Writer }

func (w jsonWriter) Write(b []byte) (int, error) {
	if _, err := w.to.Write(JSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}
