package filter

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A record is one event as an expression sees it: the value of the variable event.
// It decodes the event's Raw at most once, and only if the expression asks for a
// field that the envelope cannot answer.
type record struct {
	wanted *selection

	event   *sdk.Event
	decoded bool
	values  map[string]any // the wanted fields that the record has, once decoded
	err     error          // why Raw could not be decoded

	scanner jsonscan.Scanner
	decoder jsontext.Decoder
	input   bytes.Buffer
}

// reset makes r show e.
func (r *record) reset(e *sdk.Event) {
	r.event, r.decoded, r.err = e, false, nil
	clear(r.values)
}

// ResolveName implements [cel.Activation].
func (r *record) ResolveName(name string) (any, bool) {
	if name != variable {
		return nil, false
	}
	return r, true
}

// Parent implements [cel.Activation].
func (r *record) Parent() cel.Activation { return nil }

// value returns a top-level field; nil if it is null or the record lacks it.
func (r *record) value(f *field) (any, error) {
	if f.envelope != nil {
		if v := f.envelope(r.event); v != nil {
			return v, nil
		}
	}
	if !r.decoded {
		if !mayHold(r.event.Raw, f) {
			return nil, nil
		}
		r.decode()
	}
	return r.values[f.name], r.err
}

// mayHold reports whether the JSON text raw can have the member f. It costs a
// fraction of decoding and is mostly enough, since most records lack most of the
// optional fields, errorCode above all. A name may be spelled with \u escapes.
func mayHold(raw []byte, f *field) bool {
	return bytes.Contains(raw, f.quoted) || bytes.Contains(raw, []byte(`\u`))
}

func (r *record) decode() {
	r.decoded = true
	if r.values == nil {
		r.values = make(map[string]any, len(r.wanted.members))
	}
	raw := r.event.Raw
	if _, usual := r.scanner.Object(raw); usual {
		for _, m := range r.scanner.Members {
			if wanted := r.wanted.member(m.Name); wanted != nil {
				r.values[string(m.Name)], _ = decodeValue(raw, m.At, wanted)
			}
		}
		return
	}
	if err := r.check(raw); err != nil {
		r.err = fmt.Errorf("decode the record: %w", err)
		return
	}
	decodeMembers(raw, jsonscan.SkipSpace(raw, 0), r.wanted, r.values)
}

// check reports why text does not begin with a JSON object.
func (r *record) check(text []byte) error {
	// The decoder reads from a bytes.Buffer without copying or changing it.
	r.input = *bytes.NewBuffer(text)
	r.decoder.Reset(&r.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if r.decoder.PeekKind() != jsontext.KindBeginObject {
		return errors.New("it is not a JSON object")
	}
	return r.decoder.SkipValue()
}

// decodeMembers stores the wanted members of the object at i in values, and returns where
// the object ends. Of equal names the last one counts, as in PostgreSQL's jsonb. The text is
// JSON, as for all that decodes it here.
func decodeMembers(text []byte, i int, wanted *selection, values map[string]any) (end int) {
	for i = jsonscan.SkipSpace(text, i+1); text[i] != '}'; {
		end := jsonscan.SkipString(text, i)
		name := text[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			name = []byte(jsonscan.Unquote(text[i:end]))
		}
		i = jsonscan.SkipSpace(text, end) + 1 // the colon
		i = jsonscan.SkipSpace(text, i)
		if member := wanted.member(name); member != nil {
			values[string(name)], i = decodeValue(text, i, member)
		} else {
			i, _ = jsonscan.SkipValue(text, i)
		}
		i = nextItem(text, i)
	}
	return i + 1
}

func decodeElements(text []byte, i int) (elements []any, end int) {
	elements = []any{}
	for i = jsonscan.SkipSpace(text, i+1); text[i] != ']'; i = nextItem(text, i) {
		var element any
		element, i = decodeValue(text, i, &selection{})
		elements = append(elements, element)
	}
	return elements, i + 1
}

// nextItem is where the next member or element begins, or the bracket is that ends them.
func nextItem(text []byte, i int) int {
	if i = jsonscan.SkipSpace(text, i); text[i] == ',' {
		i = jsonscan.SkipSpace(text, i+1)
	}
	return i
}

func decodeValue(text []byte, i int, wanted *selection) (value any, end int) {
	switch text[i] {
	case '{':
		members := map[string]any{}
		return members, decodeMembers(text, i, wanted, members)
	case '[':
		return decodeElements(text, i)
	case '"':
		end = jsonscan.SkipString(text, i)
		return jsonscan.Unquote(text[i:end]), end
	}
	end, _ = jsonscan.SkipValue(text, i)
	switch text[i] {
	case 'n':
		return nil, end
	case 't', 'f':
		return text[i] == 't', end
	default:
		return number(string(text[i:end])), end
	}
}

// number is an int64 where text is one exactly, else the nearest float64, which is
// infinite for a number that is out of range.
func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	// Valid JSON can only be out of range, and the value is right even then.
	f, _ := strconv.ParseFloat(text, 64)
	return f
}
