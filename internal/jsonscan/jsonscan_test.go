package jsonscan

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// typical is a record as CloudTrail writes it.
const typical = `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"type":"Role"},"webIdFederationData":{},"attributes":{"mfaAuthenticated":"false"}}},"eventTime":"2026-11-03T03:04:05Z","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2.2.5 Python/3.8.8 Linux/5.4","requestParameters":{"instancesSet":{"items":[{"instanceId":"i-0123456789abcdef0"}]},"maxResults":50},"responseElements":null,"readOnly":true}`

// scan reads an object that has the whole text, but for space around it.
func scan(text string) (members []Member, ok bool) {
	var s Scanner
	text = strings.TrimLeft(text, " \n")
	end, ok := s.Object([]byte(text))
	return s.Members, ok && strings.Trim(text[end:], " \n") == ""
}

// The usual must be taken, or the walk saves nothing.
func TestObjectsOfTheUsualKindAreTaken(t *testing.T) {
	for _, text := range []string{
		typical, `{}`, ` {"a" : [ ] , "b":{ } } ` + "\n",
		`{"a":"\u00e9 \n \\ \/ \" é 漢字 😀 and more than eight bytes"}`,
		`{"a":[0,-1,1.50,{"a":true,"b":false,"c":null}]}`,
		`{"a":{"b":1},"b":{"b":1}}`,
	} {
		if _, ok := scan(text); !ok {
			t.Errorf("refused: %s", text)
		}
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestTheUnusualIsRefused(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 20)
	for _, text := range []string{
		"", " ", "[]", "1", `{"a":1`, `{"a"`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}}`, `{"a":1} {}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{a:1}`,
		`{"a":tru}`, `{"a":nul`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e5}`, `{"a":+1}`,
		`{"a":"\u0000"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"\x"}`, `{"a":"`, `{"a":"\`,
		`{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, `{"\u0061":1}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\xbd\"}", long + "\x00\"}", long + "\x1f\"}", long + "\x80\"}", long,
		`{"a":` + nested(MaxDepth) + `}`, `{"a":` + strings.Repeat("9", MaxDigits+1) + `}`,
	} {
		if _, ok := scan(text); ok {
			t.Errorf("taken: %q", text)
		}
	}
}

// Whoever reads a stream goes on for as long as the text is only short.
func TestEveryBeginningOfAnObjectIsShort(t *testing.T) {
	text := `{"a": {"b":[true,false,null,-1.5]}, "c":"é\u00e9\"漢", "d":{}}`
	for i := range len(text) {
		var s Scanner
		if end, ok := s.Object([]byte(text[:i])); ok || !s.Short {
			t.Errorf("%q: end %d, ok %v, short %v", text[:i], end, ok, s.Short)
		}
	}
	var s Scanner
	if end, ok := s.Object([]byte(text + ",{")); !ok || end != len(text) || s.Depth != 3 || len(s.Members) != 3 {
		t.Errorf("the whole: end %d, ok %v, depth %d, %d members", end, ok, s.Depth, len(s.Members))
	}
	for _, unusual := range []string{`x`, `{"a":"\x`, `{"a":nulx`, `{"a":1e`, `{"a":1,"a"`, "{\"a\":\"\xff"} {
		if _, ok := s.Object([]byte(unusual + "      ")); ok || s.Short {
			t.Errorf("%q: ok %v, short %v", unusual, ok, s.Short)
		}
	}
}

// Whatever is taken, a tokenizer that allows nothing unusual takes too, and they agree on
// the members.
func FuzzWhatIsTakenIsJSON(f *testing.F) {
	for _, text := range []string{
		typical, `{"a":"\u0000"}`, `{"a":"\u00e9\n"}`, `{"a":[1.5,-0,{"b":{},"c":[]}],"b":null}`, `{"a":1,"a":2}`, "{\"a\":\"\xe2\x82\"}",
		`{"a":1e5,"b":"\ud83d\ude00"}`, `{"" : "12345678\u007f" } `,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Scanner
		end, ok := s.Object(text)
		if !ok {
			return
		}
		if strings.Contains(strings.ReplaceAll(string(text[:end]), `\\`, ""), `\u0000`) {
			t.Errorf("%q: NUL is taken", text)
		}
		want, err := tokenize(text[:end])
		if err != nil {
			t.Fatalf("%q: taken, but the tokenizer says: %v", text, err)
		}
		if diff := cmp.Diff(want, append([]Member{}, s.Members...)); diff != "" {
			t.Errorf("%q: members (-tokenizer +scanner):\n%s", text, diff)
		}
	})
}

func tokenize(text []byte) ([]Member, error) {
	if !jsontext.Value(text).IsValid() { // which looks at everything, at any depth
		return nil, errors.New("not valid")
	}
	dec := jsontext.NewDecoder(strings.NewReader(string(text)))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	members := []Member{}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		m := Member{Name: append([]byte{}, name[1:len(name)-1]...)}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		m.Value, m.At = append([]byte{}, value...), int(dec.InputOffset())-len(value)
		members = append(members, m)
	}
	return members, nil
}

func BenchmarkObject(b *testing.B) {
	var s Scanner
	b.SetBytes(int64(len(typical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Object([]byte(typical)); !ok {
			b.Fatal("refused")
		}
	}
}
