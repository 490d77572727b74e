package rdsdirect

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
)

var (
	errNotObject = errors.New("not a JSON object")
	errTrailing  = errors.New("data after the record")

	// Why a record cannot go to jsonb as it is, besides what the tokenizer finds.
	errNUL    = errors.New("the character NUL in a string")
	errNumber = errors.New("a number beyond what jsonb holds")
	errDepth  = errors.New("nested too deeply")
)

// A scanner splits records into members where package jsonscan does not. It is reused
// from record to record and is for one goroutine. Names and values lie in the record's
// bytes where they can.
type scanner struct {
	dec     jsontext.Decoder
	raw     []byte
	members []jsonscan.Member
	seen    map[string]int // lenient: the index of each name in members

	lenient bool // the text has been sanitised: only the top level is of interest
	nul     bool // the text has \u0000 somewhere, perhaps escaped
}

// scan returns the members of raw. The strict scan fails if jsonb would refuse or
// change a part of it at any depth: bad UTF-8, lone surrogates, NUL, repeated names,
// numbers out of range, too much depth. The lenient scan is for text from [sanitise];
// of repeated names it keeps the last, as jsonb does. The result is valid until the
// next scan.
func (s *scanner) scan(raw []byte, lenient bool) ([]jsonscan.Member, error) {
	s.raw, s.lenient, s.members = raw, lenient, s.members[:0]
	s.nul = !lenient && bytes.Contains(raw, escapedNUL)
	s.seen = nil
	if lenient {
		s.seen = make(map[string]int)
	}
	// A bytes.Buffer as the reader saves the decoder a copy of the text.
	s.dec.Reset(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(lenient))

	if s.dec.PeekKind() != '{' {
		return nil, errNotObject
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, err
	}
	for s.dec.PeekKind() == '"' {
		if err := s.member(); err != nil {
			return nil, err
		}
	}
	if _, err := s.dec.ReadToken(); err != nil { // the closing brace, or what is there instead
		return nil, err
	}
	if err := atEnd(&s.dec); err != nil {
		return nil, err
	}
	return s.members, nil
}

func (s *scanner) member() error {
	quoted, err := s.dec.ReadValue()
	if err != nil {
		return err
	}
	if s.nul && hasNUL(quoted) {
		return errNUL
	}
	name, err := unquote(s.text(quoted))
	if err != nil {
		return err
	}
	value, err := s.value()
	if err != nil {
		return err
	}
	m := jsonscan.Member{Name: name, Value: value, At: int(s.dec.InputOffset()) - len(value)}
	if i, repeated := s.seen[string(name)]; repeated {
		s.members[i] = m
		return nil
	}
	if s.lenient {
		s.seen[string(name)] = len(s.members)
	}
	s.members = append(s.members, m)
	return nil
}

// value reads one member's value and returns its text.
func (s *scanner) value() ([]byte, error) {
	if kind := s.dec.PeekKind(); s.lenient || kind != '{' && kind != '[' {
		value, err := s.leaf()
		return s.text(value), err
	}
	start := -1
	for {
		var err error
		switch s.dec.PeekKind() {
		case '{', '[', '}', ']':
			_, err = s.dec.ReadToken()
		default:
			_, err = s.leaf()
		}
		if err != nil {
			return nil, err
		}
		if start < 0 {
			start = int(s.dec.InputOffset()) - len("{")
		}
		switch depth := s.dec.StackDepth(); {
		case depth > maxDepth:
			return nil, errDepth
		case depth == 1:
			return s.raw[start:s.dec.InputOffset()], nil
		}
	}
}

// leaf reads a value whole and, in a strict scan, checks it.
func (s *scanner) leaf() ([]byte, error) {
	value, err := s.dec.ReadValue()
	switch {
	case err != nil:
		return nil, err
	case s.lenient:
	case value.Kind() == '"' && s.nul && hasNUL(value):
		return nil, errNUL
	case value.Kind() == '0' && !jsonbTakesNumber(value):
		return nil, errNumber
	}
	return value, nil
}

// text is the part of the record that the decoder read last. The decoder's own copy
// is only good until its next call.
func (s *scanner) text(last []byte) []byte {
	end := int(s.dec.InputOffset())
	return s.raw[end-len(last) : end]
}

// unquote gives a JSON string's text. It copies only if there is an escape in it.
func unquote(quoted []byte) ([]byte, error) {
	if isPlain(quoted) {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(make([]byte, 0, len(quoted)), quoted)
}

// isPlain says of a JSON string that its text stands between its quotes as it is.
func isPlain(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') < 0 }

// atEnd fails unless only white space is left.
func atEnd(dec *jsontext.Decoder) error {
	switch _, err := dec.ReadToken(); {
	case err == nil:
		return errTrailing
	case errors.Is(err, io.EOF):
		return nil
	default:
		return fmt.Errorf("%w: %w", errTrailing, err)
	}
}
