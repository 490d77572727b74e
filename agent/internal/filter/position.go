package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
)

func issueOffset(source string, issue *cel.Error) int {
	return byteOffset(source, issue.Location.Line(), issue.Location.Column())
}

// byteOffset turns CEL's position, a line from 1 and a column from 0 in characters,
// into an offset in source. It is never outside source.
func byteOffset(source string, line, column int) int {
	offset := 0
	for range line - 1 {
		newline := strings.IndexByte(source[offset:], '\n')
		if newline < 0 {
			break
		}
		offset += newline + 1
	}
	for range max(column, 0) {
		_, width := utf8.DecodeRuneInString(source[offset:])
		offset += width
	}
	return offset
}

// tokenAt returns the part of source that a user would call the fault when CEL
// points at offset: a name, a number or an operator. CEL points at the dot before
// a field and at the parenthesis behind a function's name. Start is -1 where
// source has no token at all.
func tokenAt(source string, offset int) (start, end int) {
	end = len(strings.TrimRightFunc(source, unicode.IsSpace))
	if end == 0 {
		return -1, 0
	}
	if offset >= end {
		return lastToken(source[:end])
	}
	switch source[offset] {
	case '.':
		name := offset + 1 + leading(source[offset+1:], unicode.IsSpace)
		if n := leading(source[name:], isNameRune); n > 0 {
			return name, name + n
		}
	case '(':
		if n := trailing(source[:offset], isNameRune); n > 0 {
			return offset - n, offset
		}
	case '"', '\'':
		return offset, offset + quoted(source[offset:])
	}
	if n := leading(source[offset:], isNameRune); n > 0 {
		return offset, offset + n
	}
	if n := leading(source[offset:], isOperatorRune); n > 0 {
		return offset, offset + min(n, 2)
	}
	_, width := utf8.DecodeRuneInString(source[offset:])
	return offset, offset + width
}

func lastToken(source string) (start, end int) {
	end = len(source)
	if n := trailing(source, isNameRune); n > 0 {
		return end - n, end
	}
	if n := trailing(source, isOperatorRune); n > 0 {
		return end - min(n, 2), end
	}
	_, width := utf8.DecodeLastRuneInString(source)
	return end - width, end
}

// behind returns the offset of what follows the name at offset.
func behind(source string, offset int) int {
	offset += leading(source[offset:], isNameRune)
	return offset + leading(source[offset:], unicode.IsSpace)
}

func isNameRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func isOperatorRune(r rune) bool { return strings.ContainsRune("=!<>&|", r) }

// leading is the length of the runes at the start of s that belong.
func leading(s string, belongs func(rune) bool) int {
	return len(s) - len(strings.TrimLeftFunc(s, belongs))
}

// trailing is the length of the runes at the end of s that belong.
func trailing(s string, belongs func(rune) bool) int {
	return len(s) - len(strings.TrimRightFunc(s, belongs))
}

// quoted is the length of the string literal at the start of s, up to the end of
// the line if it is not closed there.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\n':
			return i
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}
