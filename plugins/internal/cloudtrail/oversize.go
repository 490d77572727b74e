package cloudtrail

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// keptOfOversize is how much of a record over the limit goes to quarantine. The file
// still has all of it.
const keptOfOversize = 64 << 10

// oversize passes over a record that is larger than the limit, or nested deeper than the
// tokenizer takes, and emits its beginning as rejected: who can write one such record must not be able to hide its neighbours.
// The tokenizer gave up in the middle of it, with the text from the end of the token
// before in its buffer; another one goes on behind the record. prefix brings that one to
// where the first was.
//
// It reports false, and has done nothing, if what is too long is no record.
func (s *splitter) oversize(prefix string, why error) (bool, error) {
	head := bytes.TrimLeft(bytes.Clone(s.dec.UnreadBuffer()), ", \t\r\n")
	if len(head) == 0 || bytes.IndexByte([]byte("]}:"), head[0]) >= 0 {
		return false, nil
	}
	s.text.err = nil
	r := skipped{hash: sha256.New()}
	rest, over := r.take(head)
	for buf := make([]byte, 32<<10); !over; {
		s.text.left = math.MaxInt // nothing is kept of it
		n, err := s.in.Read(buf)
		rest, over = r.take(buf[:n])
		if err != nil && !over {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return true, s.syntax(err)
		}
	}
	if err := s.pager.reject(r.kept, [sha256.Size]byte(r.hash.Sum(nil)), why); err != nil {
		return true, err
	}
	s.text.expect(s.max)
	return true, s.resume(prefix, "null", bytes.Clone(rest))
}

// tooDeep reports whether the record in which the tokenizer gave up is nested deeper than
// the limit, as far as it has been read: the tokenizer has a limit of its own.
func (s *splitter) tooDeep() bool {
	r := skipped{hash: sha256.New()}
	r.take(bytes.TrimLeft(s.dec.UnreadBuffer(), ", \t\r\n"))
	return r.deepest > s.pager.limits.Depth
}

// resume makes a tokenizer that stands in a list, behind before in place of a record or at
// its beginning, with rest in front of the text that has not been read.
func (s *splitter) resume(prefix, before string, rest []byte) error {
	s.in = io.MultiReader(strings.NewReader(prefix+before), bytes.NewReader(rest), s.in)
	s.dec = newDecoder(s.in)
	tokens := prefixTokens(prefix)
	if before != "" {
		tokens++
	}
	for range tokens {
		if _, err := s.dec.ReadToken(); err != nil {
			return s.syntax(err)
		}
	}
	return nil
}

// What stands before the first record, by the form of the file.
const (
	inObject = `{"Records":[`
	inList   = `[`
)

// prefixTokens is how many tokens a prefix has.
func prefixTokens(prefix string) int {
	if prefix == inList {
		return 1
	}
	return 3
}

func newDecoder(r io.Reader) *jsontext.Decoder {
	// A record must reach the sink as AWS wrote it, so that neither is our business.
	return jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// skipped finds the end of a record without looking at what it says.
type skipped struct {
	hash interface {
		io.Writer
		Sum(b []byte) []byte
	}
	kept []byte // its beginning

	begun, inString, escaped bool
	depth, deepest           int
}

// take takes more text, and returns what follows the record once that is over.
func (r *skipped) take(p []byte) (rest []byte, over bool) {
	n := 0
	for n < len(p) && !over {
		n, over = n+1, r.byte(p[n])
		if over && r.depth < 0 {
			n-- // what ends a number or a literal is not part of it
		}
	}
	_, _ = r.hash.Write(p[:n]) // a hash takes everything
	r.kept = append(r.kept, p[:min(n, keptOfOversize-len(r.kept))]...)
	return p[n:], over
}

// byte reports whether the record ends with c; depth is then below 0 if it ended before.
func (r *skipped) byte(c byte) bool {
	switch {
	case r.escaped:
		r.escaped = false
	case r.inString && c == '\\':
		r.escaped = true
	case c == '"':
		r.inString = !r.inString
		r.begun = true
		return !r.inString && r.depth == 0
	case r.inString:
	case c == '{' || c == '[':
		r.depth++
		r.deepest = max(r.deepest, r.depth)
		r.begun = true
	case c == '}' || c == ']':
		r.depth--
		return r.depth <= 0
	case r.depth == 0 && r.begun && bytes.IndexByte([]byte(", \t\r\n"), c) >= 0:
		r.depth = -1
		return true
	default:
		r.begun = true
	}
	return false
}

// reject emits a record of which only the beginning is known, and its hash.
func (p *pager) reject(kept []byte, sum [sha256.Size]byte, why error) error {
	if err := p.flush(); err != nil {
		return err
	}
	id, err := p.ids.of(sum)
	if err != nil {
		return err
	}
	p.memory.page = append(p.memory.page, sdk.Event{
		ID: id, Account: p.account, Raw: kept,
		Reject: fmt.Sprintf("%v; its first %s are kept here", why, size(int64(len(kept)))),
	})
	return p.flush()
}
