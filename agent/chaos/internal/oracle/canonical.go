package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
)

// Content is the SHA-256 of a JSON text in a form of its own: names sorted, the last of
// equal names, no space, numbers by value. Two texts have the same if jsonb calls them
// equal. It is empty for what is no JSON.
func Content(text []byte) string {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return ""
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ""
	}
	canonical, err := json.Marshal(byValue(v)) // it sorts names
	if err != nil {
		return ""
	}
	return Sum(canonical)
}

// Sum is the SHA-256 of bytes, in hex.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// byValue brings numbers into one form: jsonb stores 1e2 as 100.
func byValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = byValue(member)
		}
	case []any:
		for i, element := range v {
			v[i] = byValue(element)
		}
	case json.Number:
		text := v.String()
		if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found && len(exponent) > 4 {
			return v // beyond numeric anyway, and big.Rat would be huge
		}
		if r, ok := new(big.Rat).SetString(text); ok {
			return "number " + r.RatString()
		}
	}
	return v
}
