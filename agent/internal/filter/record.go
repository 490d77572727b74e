package filter

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"cel.dev/cel-go/cel"
	"github.com/go-json-experiment/json/jsontext"

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
	// The decoder reads from a bytes.Buffer without copying or changing it.
	r.input = *bytes.NewBuffer(r.event.Raw)
	r.decoder.Reset(&r.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if r.decoder.PeekKind() != jsontext.KindBeginObject {
		r.err = errors.New("the record is not a JSON object")
		return
	}
	if r.values == nil {
		r.values = make(map[string]any, len(r.wanted.members))
	}
	if err := r.decodeMembers(r.wanted, r.values); err != nil {
		r.err = fmt.Errorf("decode the record: %w", err)
	}
}

// decodeMembers reads an object and stores the wanted members in values. Of equal
// names the last one counts, as in PostgreSQL's jsonb.
func (r *record) decodeMembers(wanted *selection, values map[string]any) error {
	if _, err := r.decoder.ReadToken(); err != nil {
		return err
	}
	for r.decoder.PeekKind() != jsontext.KindEndObject {
		quoted, err := r.decoder.ReadValue()
		if err != nil {
			return err
		}
		name, err := unquote(quoted)
		if err != nil {
			return err
		}
		member := wanted.member(name)
		if member == nil {
			if err := r.decoder.SkipValue(); err != nil {
				return err
			}
			continue
		}
		value, err := r.decodeValue(member)
		if err != nil {
			return err
		}
		values[string(name)] = value
	}
	_, err := r.decoder.ReadToken()
	return err
}

// unquote returns the characters of a JSON string, in place if there is no escape.
func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}

func (r *record) decodeValue(wanted *selection) (any, error) {
	switch r.decoder.PeekKind() {
	case jsontext.KindBeginObject:
		members := map[string]any{}
		return members, r.decodeMembers(wanted, members)
	case jsontext.KindBeginArray:
		return r.decodeElements()
	}
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return nil, nil
	case jsontext.KindNumber:
		return number(token.String()), nil
	case jsontext.KindString:
		return token.String(), nil
	default:
		return token.Kind() == jsontext.KindTrue, nil
	}
}

func (r *record) decodeElements() (any, error) {
	if _, err := r.decoder.ReadToken(); err != nil {
		return nil, err
	}
	elements := []any{}
	for r.decoder.PeekKind() != jsontext.KindEndArray {
		element, err := r.decodeValue(&selection{})
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	_, err := r.decoder.ReadToken()
	return elements, err
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
