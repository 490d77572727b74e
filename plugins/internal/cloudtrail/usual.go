package cloudtrail

import (
	"bytes"
	"io"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
)

// usualRecords reads the records of a list for as long as they are of the usual kind,
// which takes a fraction of the tokenizer's time. It stops at the first thing that is not,
// the end of the list among them, and has the tokenizer go on from there. The tokenizer has
// just read the list's bracket.
func (s *splitter) usualRecords(prefix string) error {
	w := newWindow(s.in, s.text, s.dec.UnreadBuffer())
	var scan jsonscan.Scanner
	for first := true; ; first = false {
		s.text.expect(s.max)
		start, end, ok := w.record(&scan, first)
		if !ok || end-start > s.max {
			before := "null"
			if first {
				before = ""
			}
			// What has been read counts for the limit that the tokenizer meets.
			return s.resume(prefix, before, w.close())
		}
		var env envelope
		env.take(scan.Members, scan.Depth)
		if err := s.pager.add(w.text[start:end:end], &env); err != nil {
			return err
		}
		w.text, w.found = w.text[end:], true
	}
}

// A window is the part of a text that has been read and not used. The records that were
// found in it stay where they are until they are emitted.
type window struct {
	in    io.Reader
	limit *text // says how much may be read, and has the memory
	text  []byte
	block int  // of memory, in which text lies
	found bool // records in that block
	size  int  // how much was read at once
	ended bool
}

// newWindow has a window begin with a copy of read.
func newWindow(in io.Reader, t *text, read []byte) *window {
	w := &window{in: in, limit: t, block: t.memory.take(len(read))}
	w.text = append(t.memory.blocks[w.block].text, read...)
	return w
}

// close returns what has been read and not used, in memory of its own.
func (w *window) close() []byte {
	w.limit.memory.leave(w.block, w.found)
	return bytes.Clone(w.text)
}

// How much is read at once, at the beginning and at most: a few records, and a few dozen.
// Most files are small.
const (
	firstWindow   = 32 << 10
	largestWindow = 128 << 10
)

// record says where in the window the next record of a list begins and ends.
func (w *window) record(scan *jsonscan.Scanner, first bool) (start, end int, ok bool) {
	for {
		switch start = recordStart(w.text, first); start {
		case elsewhere:
			return 0, 0, false
		case undecided:
		default:
			n, ok := scan.Object(w.text[start:])
			if ok {
				return start, start + n, true
			}
			if !scan.Short {
				return 0, 0, false
			}
		}
		if !w.more() {
			return 0, 0, false
		}
	}
}

// What recordStart answers where there is no record.
const (
	undecided = -1 // the text is too short
	elsewhere = -2 // something else is there
)

// recordStart is where a record begins, behind the comma if it is not the list's first.
func recordStart(text []byte, first bool) int {
	comma := first
	for i, c := range text {
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		case c == ',' && !comma:
			comma = true
		case c == '{' && comma:
			return i
		default:
			return elsewhere
		}
	}
	return undecided
}

// more reads more text, at least as much as there is: a long record would be looked at
// again for each piece of it otherwise. It says false at the end, whatever the reason:
// who reads on will meet it.
func (w *window) more() bool {
	if w.ended {
		return false
	}
	w.size = min(max(2*w.size, firstWindow), largestWindow)
	want := len(w.text) + max(w.size, len(w.text))
	memory := &w.limit.memory
	block := memory.take(want)
	text := append(memory.blocks[block].text, w.text...)
	// Beyond the limit it reads only if nothing less has decided.
	for len(text) < want && (len(text) == len(w.text) || w.limit.left > 0) {
		n, err := w.in.Read(text[len(text):want])
		text = text[:len(text)+n]
		if err != nil {
			w.ended = true
			break
		}
	}
	more := len(text) > len(w.text)
	memory.leave(w.block, w.found)
	w.text, w.block, w.found = text, block, false
	return more
}
