package cloudtrail

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
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
	for i := jsonscan.SkipSpace(text, 1); text[i] != '}'; {
		end := jsonscan.SkipString(text, i)
		name := text[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(jsonscan.Unquote(text[i:end])) // \u0065ventID is eventID, to jsonb as well
		}
		i = jsonscan.SkipSpace(text, end) + 1 // the colon
		i = jsonscan.SkipSpace(text, i)
		end, d := jsonscan.SkipValue(text, i)
		inner = max(inner, d)
		f(name, text[i:end])
		i = jsonscan.SkipSpace(text, end)
		if text[i] == ',' {
			i = jsonscan.SkipSpace(text, i+1)
		}
	}
	return inner + 1
}

// jsonKind is the kind of a value without space around it.
func jsonKind(text []byte) jsontext.Kind { return jsontext.Value(text).Kind() }
