// Package jsonscan takes JSON objects of the usual kind apart in one walk over their bytes.
//
// It accepts less than JSON: no name with an escape or that its object has already, no
// surrogate pairs written as escapes, no NUL, no bytes that are not UTF-8, no exponents, nothing deep
// or long. Nearly every record of CloudTrail is within that. Whoever finds a text refused
// has a tokenizer look at it, which takes four times as long and can say what is wrong.
// A text that is accepted is JSON (RFC 8259), and PostgreSQL's jsonb holds all of it.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Limits of what is accepted.
const (
	MaxDepth  = 64 // of containers in each other
	MaxNames  = 64 // of one object
	MaxDigits = 40 // of a number
)

// A Member is a name and a value of the object. Both lie in the text: name without the
// quotes, value without space around it and at position At.
type Member struct {
	Name, Value []byte
	At          int
}

// A Scanner is used again from object to object, and is for one goroutine.
//
// The methods that take a position return the one behind what they read, or -1 for what
// they do not accept.
type Scanner struct {
	// Members are those of the last object, until the next one.
	Members []Member
	// Depth is how deep the last object is nested, itself included.
	Depth int
	// Short says that the last text ended before it was decided: with more, it might be
	// accepted.
	Short bool

	text  []byte
	names []span // of the objects that are open, the innermost last
}

// A span is a part of the text.
type span struct{ start, end int }

// Object reads the object with which text begins, and says where it ends.
func (s *Scanner) Object(text []byte) (end int, ok bool) {
	*s = Scanner{Members: s.Members[:0], names: s.names[:0], text: text}
	if s.at(0) != '{' {
		return 0, false
	}
	end = s.object(0, 1)
	return end, end >= 0
}

func (s *Scanner) space(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\t' || s.text[i] == '\r') {
		i++
	}
	return i
}

// at is the byte at i, or 0, which JSON has nowhere, behind the end.
func (s *Scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	s.Short = true
	return 0
}

func (s *Scanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.str(i)
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

func (s *Scanner) literal(i int, text string) int {
	if !bytes.HasPrefix(s.text[i:], []byte(text)) {
		s.Short = len(s.text)-i < len(text)
		return -1
	}
	return i + len(text)
}

// object reads an object; at depth 1 it keeps the members.
func (s *Scanner) object(i, depth int) int {
	if depth > MaxDepth {
		return -1
	}
	s.Depth = max(s.Depth, depth)
	first := len(s.names)
	var seen uint64 // the marks of names since first
	i = s.space(i + 1)
	if s.at(i) == '}' {
		return i + 1
	}
	for {
		name, mark := s.name(i)
		if mark == 0 || seen&mark != 0 && s.repeats(name, first) || len(s.names)-first >= MaxNames {
			return -1
		}
		seen |= mark
		s.names = append(s.names, name)
		if i = s.space(name.end + 1); s.at(i) != ':' {
			return -1
		}
		start := s.space(i + 1)
		if i = s.value(start, depth); i < 0 {
			return -1
		}
		if depth == 1 {
			s.Members = append(s.Members, Member{s.text[name.start:name.end], s.text[start:i], start})
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

// name reads a member's name, without the quotes. Its mark is one bit, by which most names
// can be told apart; it is 0 for a name that is not accepted. Names with an escape are among
// those: they might stand for one that is there.
func (s *Scanner) name(i int) (name span, mark uint64) {
	if s.at(i) != '"' {
		return span{}, 0
	}
	i++
	end := i + usual(s.text[i:])
	if c := s.at(end); c >= utf8.RuneSelf {
		if end = s.str(i-1) - 1; end < 0 || bytes.IndexByte(s.text[i:end], '\\') >= 0 {
			return span{}, 0
		}
	} else if c != '"' {
		return span{}, 0
	}
	if end == i {
		return span{i, i}, 1
	}
	return span{i, end}, 1 << ((uint(s.text[i]) + 7*uint(s.text[end-1]) + 3*uint(end-i)) % 64)
}

// repeats says that the name is one of those from first on.
func (s *Scanner) repeats(name span, first int) bool {
	text := s.text[name.start:name.end]
	for _, before := range s.names[first:] {
		if before.end-before.start == len(text) && string(s.text[before.start:before.end]) == string(text) {
			return true
		}
	}
	return false
}

func (s *Scanner) list(i, depth int) int {
	if depth > MaxDepth {
		return -1
	}
	s.Depth = max(s.Depth, depth)
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
func (s *Scanner) number(i int) int {
	start := i
	if s.at(i) == '-' {
		i++
	}
	whole := i
	i = s.digits(i)
	if c := s.at(whole); i == whole || c == '0' && i > whole+1 {
		return -1
	}
	if s.at(i) == '.' {
		fraction := i + 1
		if i = s.digits(fraction); i == fraction {
			s.at(i) // for Short
			return -1
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' || i-start > MaxDigits {
		return -1
	}
	return i
}

func (s *Scanner) digits(i int) int {
	for i < len(s.text) && s.text[i]-'0' <= 9 {
		i++
	}
	return i
}

// str reads the string that begins at i.
func (s *Scanner) str(i int) int {
	i++
	for {
		i += usual(s.text[i:])
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
			_, size := utf8.DecodeRune(s.text[i:])
			if size == 1 {
				s.Short = !utf8.FullRune(s.text[i:])
				return -1
			}
			i += size
		}
	}
}

// escape reads an escape that does not stand for NUL or half of a surrogate pair.
func (s *Scanner) escape(i int) int {
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return -1
	}
	if len(s.text) < i+6 {
		s.Short = true
		return -1
	}
	r := rune(0)
	for _, c := range s.text[i+2 : i+6] {
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
