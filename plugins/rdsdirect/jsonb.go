package rdsdirect

import (
	"bytes"
	"math"
	"strconv"
)

// Limits of PostgreSQL's numeric, in which jsonb keeps numbers ("up to 131072 digits
// before the decimal point; up to 16383 digits after the decimal point",
// postgresql.org/docs/current/datatype-numeric.html).
const (
	maxNumericLead  = 131071 // power of ten of the first digit
	maxNumericScale = 16383  // digits after the decimal point

	// An exponent from here on is refused whatever it is the exponent of, 0 included.
	maxNumericExponent = math.MaxInt32 / 2
)

// maxDepth is how deep containers may nest in what is sent to jsonb. PostgreSQL
// gives up somewhere above 10,000, depending on max_stack_depth, and fails the whole
// statement; no real record comes near 100.
const maxDepth = 1000

// jsonbTakesNumber reports whether jsonb can hold a number, given in JSON's syntax.
func jsonbTakesNumber(number []byte) bool {
	mantissa, exponent := number, 0
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		mantissa = number[:i]
		n, err := strconv.ParseInt(string(number[i+1:]), 10, 32)
		if err != nil || n >= maxNumericExponent || n <= -maxNumericExponent {
			return false
		}
		exponent = int(n)
	}
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte("-")), []byte("."))
	if max(0, len(fraction)-exponent) > maxNumericScale {
		return false
	}
	lead, zero := leadingPower(whole, fraction)
	return zero || lead+exponent <= maxNumericLead
}

// leadingPower is the power of ten of the first digit that is not 0.
func leadingPower(whole, fraction []byte) (power int, zero bool) {
	isNonZero := func(r rune) bool { return r != '0' }
	if i := bytes.IndexFunc(whole, isNonZero); i >= 0 {
		return len(whole) - 1 - i, false
	}
	if i := bytes.IndexFunc(fraction, isNonZero); i >= 0 {
		return -1 - i, false
	}
	return 0, true
}

var escapedNUL = []byte(`\u0000`)

// hasNUL reports whether a JSON string, given as it is written, holds the character
// NUL, which neither jsonb nor text can store. `\\u0000` is a backslash and "u0000".
func hasNUL(text []byte) bool {
	for {
		i := bytes.Index(text, escapedNUL)
		if i < 0 {
			return false
		}
		before := text[:i]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true
		}
		text = text[i+len(escapedNUL):]
	}
}
