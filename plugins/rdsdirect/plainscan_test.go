package rdsdirect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The plain scan must take what nearly every record is like, or it saves nothing.
func TestPlainScanTakesTypicalRecords(t *testing.T) {
	var s plainScanner
	for _, record := range []string{
		typicalRecord, `{}`, ` {"a" : [ ] , "b":{ } } ` + "\n",
		`{"a":"\u00e9 \n \\ \/ \" é 漢字 😀 and more than eight bytes"}`,
		`{"a":[0,-1,1.50,{"a":true,"b":false,"c":null}]}`,
		`{"a":{"b":1},"b":{"b":1}}`,
	} {
		if _, ok := s.scan([]byte(record)); !ok {
			t.Errorf("left to the strict scan: %s", record)
		}
	}
}

func TestPlainScanLeavesTheUnusualToTheStrictScan(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 20)
	for _, record := range []string{
		"", " ", "[]", "1", `{"a":1`, `{"a"`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}}`, `{"a":1} {}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{a:1}`,
		`{"a":tru}`, `{"a":nul`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e5}`, `{"a":+1}`,
		`{"a":"\u0000"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"\x"}`, `{"a":"`, `{"a":"\`,
		`{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, `{"\u0061":1}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\xbd\"}", long + "\x00\"}", long + "\x1f\"}", long + "\x80\"}", long,
		`{"a":` + nested(plainDepth) + `}`, `{"a":` + strings.Repeat("9", plainNumber+1) + `}`,
	} {
		var s plainScanner
		if _, ok := s.scan([]byte(record)); ok {
			t.Errorf("taken: %q", record)
		}
	}
}

// Whatever the plain scan takes, the strict scan takes too, and they agree.
func FuzzPlainScanAgreesWithTheStrictScan(f *testing.F) {
	for _, record := range []string{
		typicalRecord, `{"a":"\u0000"}`, `{"a":"\u00e9\n"}`, `{"a":[1.5,-0,{"b":{},"c":[]}],"b":null}`, `{"a":1,"a":2}`, "{\"a\":\"\xe2\x82\"}",
		`{"a":1e5,"b":"\ud83d\ude00"}`, ` {"" : "12345678\u007f" } `,
	} {
		f.Add([]byte(record))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		var plain plainScanner
		got, ok := plain.scan(record)
		if !ok {
			return
		}
		var strict scanner
		want, err := strict.scan(record, false)
		if err != nil {
			t.Fatalf("%q: taken, but the strict scan says: %v", record, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(member{})); diff != "" {
			t.Errorf("%q: members (-strict +plain):\n%s", record, diff)
		}
	})
}
