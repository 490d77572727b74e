package rdsdirect

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	replacement = "\uFFFD"
	tooDeep     = "(nested too deeply)"
)

// sanitise rewrites a record so that jsonb takes it. The original bytes are to be
// kept beside the result, because it says less: NUL, lone surrogates and bytes that
// are not UTF-8 become U+FFFD, numbers beyond numeric become strings, and containers
// below [maxDepth] become the string "(nested too deeply)". Repeated names are left
// for jsonb, which keeps the last.
//
// It fails if raw is not a JSON object.
func sanitise(raw []byte) ([]byte, error) {
	options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), options...)
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out, options...)

	if dec.PeekKind() != '{' {
		return nil, errNotObject
	}
	for first := true; first || dec.StackDepth() > 0; first = false {
		if err := sanitiseToken(dec, enc); err != nil {
			return nil, err
		}
	}
	if err := atEnd(dec); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sanitiseToken(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	switch kind := dec.PeekKind(); {
	case kind == '0':
		number, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if !jsonbTakesNumber(number) {
			return enc.WriteToken(jsontext.String(string(number)))
		}
		return enc.WriteValue(number)
	case (kind == '{' || kind == '[') && dec.StackDepth() >= maxDepth:
		if err := dec.SkipValue(); err != nil {
			return err
		}
		return enc.WriteToken(jsontext.String(tooDeep))
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() == '"' {
		token = jsontext.String(strings.ReplaceAll(token.String(), "\x00", replacement))
	}
	return enc.WriteToken(token)
}
