package jsonscan

import "bytes"

// SkipSpace returns the end of the space that begins at i. This and the other Skip functions
// trust the text to be JSON with something behind the space, but for repeated names and bad
// UTF-8; they take a fraction of the time in which that can be found out.
func SkipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r' {
		i++
	}
	return i
}

// SkipString returns the end of the string that begins at i.
func SkipString(text []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(text[i:], '"')
		slashes := 0
		for text[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// SkipValue returns the end of the value that begins at i, and how deep it is
// nested: 0 for a scalar.
func SkipValue(text []byte, i int) (end, depth int) {
	open := 0
	for {
		switch text[i] {
		case '"':
			i = SkipString(text, i)
		case '{', '[':
			open++
			depth = max(depth, open)
			i++
			continue
		case '}', ']':
			open--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			i = skipLiteral(text, i)
		}
		if open == 0 {
			return i, depth
		}
	}
}

// skipLiteral returns the end of the number or name that begins at i.
func skipLiteral(text []byte, i int) int {
	for i < len(text) {
		switch text[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}
