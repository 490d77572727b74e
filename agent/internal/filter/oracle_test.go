package filter

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A few characters, so that patterns and values often agree.
var (
	drawValue   = rapid.StringOfN(rapid.SampledFrom([]rune("abé")), 0, 6, -1)
	drawPattern = rapid.StringOfN(rapid.SampledFrom([]rune("abé*?")), 1, 6, -1)
)

func TestGlobsMatchAsRegularExpressionsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		glob, value := drawPattern.Draw(t, "glob"), drawValue.Draw(t, "value")
		want := matchesAsRegexp(glob, value)
		if got := matchGlob(glob, value); got != want {
			t.Errorf("matchGlob(%q, %q) = %t, want %t", glob, value, got, want)
		}
		if got := matchGlob(normalGlob(glob), value); got != want {
			t.Errorf("matchGlob(%q, %q) = %t, but %t for %q", normalGlob(glob), value, got, want, glob)
		}
	})
}

func TestGlobTimeIsBounded(t *testing.T) {
	value := strings.Repeat("a", 5_000)
	if matchGlob(strings.Repeat("*a", 200)+"b", value) {
		t.Error("a pattern that ends in b matches a value of a only")
	}
}

func TestMatchAgreesWithTheNaiveReading(t *testing.T) {
	drawList := rapid.OneOf(rapid.Just[[]string](nil), rapid.SliceOfN(drawPattern, 1, 3))
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			EventNames: drawList.Draw(t, "names"), ExcludeEventNames: drawList.Draw(t, "not names"),
			EventSources: drawList.Draw(t, "sources"), ExcludeEventSources: drawList.Draw(t, "not sources"),
			Regions: drawList.Draw(t, "regions"), ExcludeRegions: drawList.Draw(t, "not regions"),
			Accounts: drawList.Draw(t, "accounts"), ExcludeAccounts: drawList.Draw(t, "not accounts"),
			Principals: drawList.Draw(t, "principals"), ExcludePrincipals: drawList.Draw(t, "not principals"),
			ErrorCodes: drawList.Draw(t, "codes"), ExcludeErrorCodes: drawList.Draw(t, "not codes"),
		}
		e := sdk.Event{
			Name: drawValue.Draw(t, "name"), Source: drawValue.Draw(t, "source"), Region: drawValue.Draw(t, "region"),
			Account: drawValue.Draw(t, "account"), Principal: drawValue.Draw(t, "principal"), ErrorCode: drawValue.Draw(t, "code"),
			ReadOnly: rapid.SampledFrom([]sdk.Bool{sdk.Unset, sdk.False, sdk.True}).Draw(t, "read only"),
		}
		if rapid.Bool().Draw(t, "by read only") {
			c.ReadOnly = new(rapid.Bool().Draw(t, "reads"))
		}
		f, faults := Compile(c)
		if len(faults) > 0 {
			t.Fatalf("faults: %+v", faults)
		}
		if got, want := f.Match(&e).Keep, naiveMatch(c, e); got != want {
			t.Errorf("Match = %t, want %t", got, want)
		}
	})
}

// naiveMatch is what the documentation of Config says, without any haste.
func naiveMatch(c Config, e sdk.Event) bool {
	return allowed(c.EventNames, c.ExcludeEventNames, e.Name) &&
		allowed(c.EventSources, c.ExcludeEventSources, e.Source) &&
		allowed(c.Regions, c.ExcludeRegions, e.Region) &&
		allowed(c.Accounts, c.ExcludeAccounts, e.Account) &&
		allowed(c.Principals, c.ExcludePrincipals, e.Principal) &&
		allowed(c.ErrorCodes, c.ExcludeErrorCodes, e.ErrorCode) &&
		(c.ReadOnly == nil || *c.ReadOnly == (e.ReadOnly == sdk.True))
}

func allowed(keep, exclude []string, value string) bool {
	matches := func(pattern string) bool { return value != "" && matchesAsRegexp(pattern, value) }
	return (keep == nil || slices.ContainsFunc(keep, matches)) && !slices.ContainsFunc(exclude, matches)
}

func matchesAsRegexp(glob, value string) bool {
	expr := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(glob))
	return regexp.MustCompile(`(?s)\A(?:` + expr + `)\z`).MatchString(value)
}

// What a record decodes for a set of paths is what encoding/json decodes at them.
func TestRecordDecodesAsTheStandardLibraryDoes(t *testing.T) {
	names := []string{"a", "b", "é", "with \"quote\""}
	var drawJSON func(depth int) *rapid.Generator[any]
	drawJSON = func(depth int) *rapid.Generator[any] {
		scalars := []*rapid.Generator[any]{
			rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Int64().AsAny(),
		}
		if depth == 0 {
			return rapid.OneOf(scalars...)
		}
		return rapid.OneOf(append(scalars,
			rapid.SliceOfN(drawJSON(depth-1), 0, 3).AsAny(),
			rapid.MapOfN(rapid.SampledFrom(names), drawJSON(depth-1), 0, 3).AsAny())...)
	}
	drawPath := rapid.SliceOfN(rapid.SampledFrom(names), 1, 3)
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(rapid.MapOf(rapid.SampledFrom(names), drawJSON(3)).Draw(t, "record"))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "with space") {
			var out bytes.Buffer
			if err := json.Indent(&out, raw, " ", "\t"); err != nil {
				t.Fatal(err)
			}
			raw = append([]byte("\n"), out.Bytes()...)
		}
		paths := rapid.SliceOfN(drawPath, 1, 4).Draw(t, "paths")
		r := record{wanted: &selection{}, event: &sdk.Event{Raw: raw}}
		for _, path := range paths {
			r.wanted.add(path)
		}
		r.decode()
		if r.err != nil {
			t.Fatal(r.err)
		}
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			got, gotOK := at(r.values, path)
			want, wantOK := at(all, path)
			if gotOK != wantOK || !cmp.Equal(floats(got), want) {
				t.Errorf("at %q of %s: %v, want %v", path, raw, got, want)
			}
		}
	})
}

// Whatever a record holds, decoding it is an error only if it is no JSON object.
func FuzzRecordDecodes(f *testing.F) {
	for _, raw := range []string{
		`{"a":{"b":[1,-0.5e3,"\u00e9\ud83d",null]},"a":{"b":true}}`, ` { "\u0061" : { "b" : "x\"\\" } } `, "{\"a\":\"\xff\"}", `{"a":{"b":1}`, `[]`, ``, `{} {`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := record{wanted: &selection{}, event: &sdk.Event{Raw: raw}}
		r.wanted.add([]string{"a", "b"})
		r.decode()
		if trimmed := bytes.TrimLeft(raw, " \t\r\n"); r.err != nil && len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(raw) && len(raw) < 10_000 {
			t.Errorf("decode %q: %v", raw, r.err)
		}
		var all struct{ A struct{ B any } }
		if !utf8.Valid(raw) || bytes.ContainsAny(raw, "\\A") || json.Unmarshal(raw, &all) != nil || bytes.Count(raw, []byte(`"a"`))+bytes.Count(raw, []byte(`"b"`)) != 2 {
			return // encoding/json adds up repeated objects, and ignores case
		}
		if got, _ := at(r.values, []string{"a", "b"}); all.A.B != nil && !bytes.Contains(raw, []byte("B")) && !cmp.Equal(floats(got), all.A.B) {
			t.Errorf("%q: %v, want %v", raw, got, all.A.B)
		}
	})
}

func at(value any, path []string) (any, bool) {
	for _, name := range path {
		members, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = members[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// floats turns the integers in value into what encoding/json makes of them.
func floats(value any) any {
	switch v := value.(type) {
	case int64:
		return float64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = floats(v[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		for name := range out {
			out[name] = floats(out[name])
		}
		return out
	default:
		return v
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]any{
		"0":                    int64(0),
		"-0":                   int64(0),
		"-9223372036854775808": int64(math.MinInt64),
		"9223372036854775807":  int64(math.MaxInt64),
		"9223372036854775808":  float64(1 << 63),
		"1.0":                  1.0,
		"1.688560107857E9":     1688560107.857,
		"1e400":                math.Inf(1),
		"-1e400":               math.Inf(-1),
		"1e-400":               0.0,
	} {
		if got := number(text); got != want {
			t.Errorf("number(%s) = %v (%[2]T), want %v (%[3]T)", text, got, want)
		}
	}
}

func TestEveryKnownFieldIsDeclaredOnce(t *testing.T) {
	base, err := types.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	names, _ := newRecordTypes(base).FindStructFieldNames(recordType)
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("fields are not sorted or not unique: %v", names)
	}
	for _, name := range names {
		compile(t, Config{Where: "event." + name + " != null && has(event." + name + ")"})
	}
}
