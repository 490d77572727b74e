package jsonscan

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Unquote is what a JSON string stands for, with U+FFFD for what is not UTF-8 or half of a
// surrogate pair.
func Unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its only error here is what it replaced
	return string(text)
}
