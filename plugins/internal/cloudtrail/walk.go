package cloudtrail

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// members calls f with each member of a JSON object and returns how deep the object
// is nested, itself included. It does nothing, and returns 0, for any other value.
// text must be valid JSON but for bad UTF-8 and repeated names, without space
// around it.
func members(text []byte, f func(name, value []byte)) (depth int) {
	if jsonKind(text) != '{' {
		return 0
	}
	inner := 0
	for i := skipSpace(text, 1); text[i] != '}'; {
		end := skipString(text, i)
		name := text[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(text[i:end])) // \u0065ventID is eventID, to jsonb as well
		}
		i = skipSpace(text, end) + 1 // the colon
		i = skipSpace(text, i)
		end, d := skipValue(text, i)
		inner = max(inner, d)
		f(name, text[i:end])
		i = skipSpace(text, end)
		if text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return inner + 1
}

// jsonKind is the kind of a value without space around it.
func jsonKind(text []byte) jsontext.Kind { return jsontext.Value(text).Kind() }

func skipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r' {
		i++
	}
	return i
}

// skipString returns the end of the string that begins at i.
func skipString(text []byte, i int) int {
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

// skipValue returns the end of the value that begins at i, and how deep it is
// nested: 0 for a scalar.
func skipValue(text []byte, i int) (end, depth int) {
	open := 0
	for {
		switch text[i] {
		case '"':
			i = skipString(text, i)
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
