package rdsdirect

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// nested is n arrays, one in the other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestScanGivesTheMembersAsWritten(t *testing.T) {
	var s scanner
	record := ` { "a" : "x\n" , "\u0062": {"k": [1e2, "}"], "n": null},"c":[],"d":12345678901234567890123 ,"":null, "A":-0.0} ` + "\n"
	members, err := s.scan([]byte(record), false)
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, m := range members {
		got = append(got, [2]string{string(m.Name), string(m.Value)})
	}
	want := [][2]string{
		{"a", `"x\n"`},
		{"b", `{"k": [1e2, "}"], "n": null}`},
		{"c", `[]`},
		{"d", `12345678901234567890123`},
		{"", `null`},
		{"A", `-0.0`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestScanRefusesWhatJSONBWouldRefuseOrChange(t *testing.T) {
	tests := []struct {
		name, record string
		want         error // nil: whatever the tokenizer says
	}{
		{name: "NUL in a value", record: `{"a":"x\u0000"}`, want: errNUL},
		{name: "NUL in a name", record: `{"\u0000":1}`, want: errNUL},
		{name: "NUL far below", record: `{"a":{"b":[{"c":"\\\u0000"}]}}`, want: errNUL},
		{name: "NUL in a name below", record: `{"a":{"\u0000":1}}`, want: errNUL},
		{name: "a lone high surrogate", record: `{"a":"\ud83d"}`},
		{name: "a lone low surrogate", record: `{"a":"\ude00"}`},
		{name: "bytes that are not UTF-8", record: "{\"a\":\"\xff\"}"},
		{name: "a name that is not UTF-8", record: "{\"\xc0\x80\":1}"},
		{name: "a surrogate in UTF-8", record: "{\"a\":\"\xed\xa0\xbd\"}"},
		{name: "a repeated name", record: `{"a":1,"a":1}`, want: jsontext.ErrDuplicateName},
		{name: "a repeated name, written otherwise", record: `{"a":1,"\u0061":1}`, want: jsontext.ErrDuplicateName},
		{name: "a repeated name below", record: `{"a":[{"b":1,"b":2}]}`, want: jsontext.ErrDuplicateName},
		{name: "a number beyond numeric", record: `{"a":1e131072}`, want: errNumber},
		{name: "such a number below", record: `{"a":[{"b":-1e-16384}]}`, want: errNumber},
		{name: "too much depth", record: `{"a":` + nested(maxDepth) + `}`, want: errDepth},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var s scanner
			_, err := s.scan([]byte(tc.record), false)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			if _, err := sanitise([]byte(tc.record)); err != nil {
				t.Errorf("sanitise = %v, want the record to be mended", err)
			}
		})
	}
}

func TestScanTakesWhatOnlyLooksBad(t *testing.T) {
	tests := []struct{ name, record string }{
		{name: "a backslash before u0000", record: `{"a":"\\u0000"}`},
		{name: "two backslashes before u0000", record: `{"a":"\\\\u0000"}`},
		{name: "a pair of surrogates", record: `{"a":"\ud83d\ude00"}`},
		{name: "U+FFFE and U+FFFF", record: `{"a":"\ufffe\uffff"}`},
		{name: "names that differ in case", record: `{"a":1,"A":2}`},
		{name: "equal names in different objects", record: `{"a":{"b":1},"c":{"b":1}}`},
		{name: "the greatest exponent", record: `{"a":1e131071,"b":1e-16383}`},
		{name: "the greatest depth", record: `{"a":` + nested(maxDepth-1) + `}`},
		{name: "an empty object", record: `{}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var s scanner
			if _, err := s.scan([]byte(tc.record), false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNotAnObjectIsRefusedForGood(t *testing.T) {
	tests := []struct{ name, record string }{
		{name: "nothing", record: ``},
		{name: "white space", record: ` `},
		{name: "null", record: `null`},
		{name: "an array", record: `[{}]`},
		{name: "a string", record: `"{}"`},
		{name: "a cut object", record: `{"a":1`},
		{name: "a cut string", record: `{"a":"`},
		{name: "two objects", record: `{}{}`},
		{name: "an object and more", record: `{} x`},
		{name: "a byte order mark", record: "\ufeff{}"},
		{name: "a control character in a string", record: "{\"a\":\"\x01\"}"},
		{name: "a comma too many", record: `{"a":1,}`},
		{name: "not a number", record: `{"a":NaN}`},
		{name: "single quotes", record: `{'a':1}`},
		{name: "no end to the depth", record: `{"a":` + nested(20_000) + `}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var m rowMaker
			e := testEvent("id", tc.record)
			if err := m.make(new(row), &e); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestSanitise(t *testing.T) {
	tests := []struct{ name, record, want string }{
		{name: "NUL", record: `{"a\u0000":"\u0000b\\u0000"}`, want: "{\"a\ufffd\":\"\ufffdb\\\\u0000\"}"},
		{name: "lone surrogates", record: `{"a":"x\ud83dy","b":"\ude00"}`, want: "{\"a\":\"x\ufffdy\",\"b\":\"\ufffd\"}"},
		{name: "a pair after a lone one", record: `{"a":"\ud83d\ud83d\ude00"}`, want: "{\"a\":\"\ufffd😀\"}"},
		{name: "bytes that are not UTF-8", record: "{\"a\":\"x\xffy\"}", want: "{\"a\":\"x\ufffdy\"}"},
		{name: "numbers beyond numeric become strings", record: `{"a":[1e999999,1.50,1E+5]}`, want: `{"a":["1e999999",1.50,1E+5]}`},
		{
			name: "depth is cut", record: `{"a":` + nested(maxDepth) + `}`,
			want: `{"a":` + strings.Repeat("[", maxDepth-1) + `"` + tooDeep + `"` + strings.Repeat("]", maxDepth-1) + `}`,
		},
		{name: "repeated names stay", record: `{"a":1,"a":2}`, want: `{"a":1,"a":2}`},
		{name: "white space goes", record: " {\t\"a\" : [ ] }\n", want: `{"a":[]}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := sanitise([]byte(tc.record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, strings.TrimSpace(string(got))); diff != "" {
				t.Errorf("sanitised (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzSanitisedRecordsPassTheStrictScanButForRepeatedNames(f *testing.F) {
	f.Add([]byte(`{"a\u0000":["\ud83d",1e999999,{"b":1,"b":2}]}`))
	f.Add([]byte("{\"\xff\":{}}"))
	f.Add([]byte(`{"a":` + nested(maxDepth) + `}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		clean, err := sanitise(record)
		if err != nil {
			return
		}
		var s scanner
		if _, err := s.scan(clean, false); err != nil && !errors.Is(err, jsontext.ErrDuplicateName) {
			t.Errorf("%q was sanitised to %q, but: %v", record, clean, err)
		}
		if _, err := s.scan(clean, true); err != nil {
			t.Errorf("%q was sanitised to %q, but: %v", record, clean, err)
		}
	})
}
