package rdsdirect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A plainScanner splits a record of the usual kind into members in one walk over its
// bytes. What it accepts, the strict scan of [scanner] accepts with the same members;
// what is out of the ordinary, it leaves to that. Nearly every record of CloudTrail is
// of the usual kind, and the walk takes a quarter of the tokenizer's time.
//
// The methods that take a position return the one behind what they read, or -1 for
// what they do not accept.
type plainScanner struct {
	raw     []byte
	members []member
	names   []span // of the objects that are open, the innermost last
}

// A span is a part of a record.
type span struct{ start, end int }

const (
	plainDepth  = 64 // of containers in each other
	plainNames  = 64 // of one object
	plainNumber = 40 // digits
)

// scan returns the members of raw. They are valid until the next scan.
func (s *plainScanner) scan(raw []byte) (members []member, ok bool) {
	s.raw, s.members, s.names = raw, s.members[:0], s.names[:0]
	i := s.space(0)
	if i >= len(raw) || raw[i] != '{' {
		return nil, false
	}
	if i = s.object(i, 1); i < 0 || s.space(i) != len(raw) {
		return nil, false
	}
	return s.members, true
}

func (s *plainScanner) space(i int) int {
	for i < len(s.raw) && (s.raw[i] == ' ' || s.raw[i] == '\n' || s.raw[i] == '\t' || s.raw[i] == '\r') {
		i++
	}
	return i
}

// at is the byte at i, or 0, which no JSON has outside of strings.
func (s *plainScanner) at(i int) byte {
	if i < len(s.raw) {
		return s.raw[i]
	}
	return 0
}

func (s *plainScanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.text(i)
	case '{':
		return s.object(i, depth+1)
	case '[':
		return s.list(i, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *plainScanner) literal(i int, text string) int {
	if !bytes.HasPrefix(s.raw[i:], []byte(text)) {
		return -1
	}
	return i + len(text)
}

// object reads an object; at depth 1, which is the record, it keeps the members.
func (s *plainScanner) object(i, depth int) int {
	if depth > plainDepth {
		return -1
	}
	first := len(s.names)
	i = s.space(i + 1)
	if s.at(i) == '}' {
		return i + 1
	}
	for {
		name, ok := s.name(i, first)
		if !ok {
			return -1
		}
		if i = s.space(name.end + 1); s.at(i) != ':' {
			return -1
		}
		start := s.space(i + 1)
		if i = s.value(start, depth); i < 0 {
			return -1
		}
		if depth == 1 {
			s.members = append(s.members, member{s.raw[name.start:name.end], s.raw[start:i]})
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			s.names = s.names[:first]
			return i + 1
		default:
			return -1
		}
	}
}

// name reads a member's name, without the quotes, and refuses one that its object has
// already: the names from first on. Escapes might hide that, so that they are refused too.
func (s *plainScanner) name(i, first int) (span, bool) {
	if s.at(i) != '"' || len(s.names)-first >= plainNames {
		return span{}, false
	}
	end := s.text(i)
	if end < 0 {
		return span{}, false
	}
	n := span{i + 1, end - 1}
	name := s.raw[n.start:n.end]
	if bytes.IndexByte(name, '\\') >= 0 {
		return span{}, false
	}
	for _, before := range s.names[first:] {
		if before.end-before.start == len(name) && string(s.raw[before.start:before.end]) == string(name) {
			return span{}, false
		}
	}
	s.names = append(s.names, n)
	return n, true
}

func (s *plainScanner) list(i, depth int) int {
	if depth > plainDepth {
		return -1
	}
	i = s.space(i + 1)
	if s.at(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth); i < 0 {
			return -1
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// number reads a number without an exponent that is far from the limits of numeric.
func (s *plainScanner) number(i int) int {
	start := i
	if s.at(i) == '-' {
		i++
	}
	whole := i
	i = s.digits(i)
	if i == whole || s.raw[whole] == '0' && i > whole+1 {
		return -1
	}
	if s.at(i) == '.' {
		fraction := i + 1
		if i = s.digits(fraction); i == fraction {
			return -1
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' || i-start > plainNumber {
		return -1
	}
	return i
}

func (s *plainScanner) digits(i int) int {
	for i < len(s.raw) && s.raw[i]-'0' <= 9 {
		i++
	}
	return i
}

// text reads the string that begins at i.
func (s *plainScanner) text(i int) int {
	i++
	for {
		i += usual(s.raw[i:])
		switch c := s.at(i); {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i); i < 0 {
				return -1
			}
		case c < utf8.RuneSelf: // a control character, or the end
			return -1
		default:
			_, size := utf8.DecodeRune(s.raw[i:])
			if size == 1 {
				return -1
			}
			i += size
		}
	}
}

// escape reads an escape that does not stand for NUL or half of a surrogate pair.
func (s *plainScanner) escape(i int) int {
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return -1
	}
	if len(s.raw) < i+6 {
		return -1
	}
	r := rune(0)
	for _, c := range s.raw[i+2 : i+6] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	if r == 0 || r >= 0xd800 && r < 0xe000 {
		return -1
	}
	return i + 6
}

// usual is how many bytes at the beginning of b stand for themselves in a string and are
// ASCII. It looks at eight at a time: the highest bit of each byte of special is set where
// that byte is a quote, a backslash, a control character or above 127. A carry may set
// further ones, but only behind the first (Hacker's Delight, section 6-1).
func usual(b []byte) (n int) {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for len(b)-n >= 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, backslash := x^each*'"', x^each*'\\'
		special := ((quote-each)&^quote | (backslash-each)&^backslash | (x-each*' ')&^x | x) & high
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
		n += 8
	}
	for n < len(b) && b[n] >= ' ' && b[n] < utf8.RuneSelf && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}
