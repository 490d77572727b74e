package schema_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func defaults() settings {
	return settings{
		Host: "db", Port: 5432, Mode: "verify-full", Ratio: 0.5, Wait: 5 * time.Minute,
		Limit: 32 << 20, Paths: []string{"*.json"}, Pool: pool{Size: 4},
	}
}

func TestDecodeFillsTheSettings(t *testing.T) {
	yes := true
	tests := []struct {
		name string
		data string
		want func(*settings)
	}{
		{"defaults of what is absent", `{"host":"db"}`, func(*settings) {}},
		{"null as absent", `{"host":"db","port":null,"strict":null,"retry":null,"rule":null}`, func(*settings) {}},
		{"every attribute", `{"host":"db","port":1,"mode":"require","key":"a","ratio":1,"wait":1000000000,
			"limit":1024,"offset":-3,"strict":true,"paths":["a","b"],"headers":{"x":"y"}}`, func(s *settings) {
			s.Port, s.Mode, s.Key, s.Ratio, s.Wait = 1, "require", "a", 1, time.Second
			s.Limit, s.Offset, s.Strict = 1024, -3, &yes
			s.Paths, s.Headers = []string{"a", "b"}, map[string]string{"x": "y"}
		}},
		{"every nesting", `{"host":"db","retry":{"max":2},"pool":{"size":9},
			"rule":[{"name":"a","on":false},{"name":"b"}],"route":{"r":{"name":"c"}}}`, func(s *settings) {
			s.Retry, s.Pool.Size = &retry{Max: 2}, 9
			s.Rules = []rule{{Name: "a"}, {Name: "b", On: true}}
			s.Routes = map[string]rule{"r": {Name: "c", On: true}}
		}},
		{"integers beyond 2^53 exactly", `{"host":"db","offset":9007199254740993}`, func(s *settings) {
			s.Offset = 9007199254740993
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			want := defaults()
			tc.want(&want)
			var got settings
			if err := schema.Decode([]byte(tc.data), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(settings{})); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeIsStrict(t *testing.T) {
	tests := []struct {
		name, data string
		want       []string
	}{
		{"not JSON", `{`, []string{"not a JSON object"}},
		{"not an object", `[]`, []string{"not a JSON object"}},
		{"null", `null`, []string{"not a JSON object"}},
		{"missing", `{}`, []string{`"host" is missing`}},
		{"required but null", `{"host":null}`, []string{`"host" is missing`}},
		{"unknown", `{"host":"db","prot":1}`, []string{`"prot" is not a setting`}},
		{"other case", `{"Host":"db"}`, []string{`"Host" is not a setting`, `"host" is missing`}},
		{"wrong type", `{"host":5}`, []string{`"host" must be a string`}},
		{"number as text", `{"host":"db","port":"5"}`, []string{`"port" must be a whole number`}},
		{"fraction for an int", `{"host":"db","port":1.5}`, []string{`"port" must be a whole number`}},
		{"duration as text", `{"host":"db","wait":"5m"}`, []string{`"wait" must be a whole number of nanoseconds`}},
		{"null in a list", `{"host":"db","paths":[null]}`, []string{`"paths" must be a list of strings`}},
		{"number in a map", `{"host":"db","headers":{"a":1}}`, []string{`"headers" must be a map of strings`}},
		{"below min", `{"host":"db","wait":1}`, []string{`"wait" must be at least 1s`}},
		{"above max", `{"host":"db","wait":3600000000001}`, []string{`"wait" must be at most 1h`}},
		{"size below min", `{"host":"db","limit":1}`, []string{`"limit" must be at least 1KiB`}},
		{"empty list", `{"host":"db","paths":[]}`, []string{`"paths" must have at least 1 element.`}},
		{"long list", `{"host":"db","paths":["a","b","c","d"]}`, []string{`"paths" must have at most 3 elements`}},
		{"pattern", `{"host":"D B"}`, []string{`"host" must match ^[a-z.]+$, not "D B"`}},
		{"pattern in a map", `{"host":"db","headers":{"a":"x\n"}}`, []string{`headers["a"]`, "must match"}},
		{"enum", `{"host":"db","mode":"off"}`, []string{`must be one of "verify-full", "require", not "off"`}},
		{"unknown in a block", `{"host":"db","retry":{"max":1,"min":1}}`, []string{`"retry.min" is not a setting`}},
		{"missing in a list", `{"host":"db","rule":[{"name":"a"},{}]}`, []string{`"rule[1].name" is missing`}},
		{"missing in a map", `{"host":"db","route":{"x":{}}}`, []string{`route[\"x\"].name`, "is missing"}},
		{"list not a list", `{"host":"db","rule":{}}`, []string{`"rule"`, "not a JSON array"}},
		{"map not a map", `{"host":"db","route":[]}`, []string{`"route"`, "not a JSON object"}},
		{"block not a block", `{"host":"db","retry":5}`, []string{`"retry"`, "not a JSON object"}},
		{"all at once", `{"port":0,"x":1}`, []string{`"host" is missing`, "at least 1", `"x" is not`}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var s settings
			err := schema.Decode([]byte(tc.data), &s)
			if err == nil {
				t.Fatal("Decode accepts it")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestDecodeMissesRequiredBlocks(t *testing.T) {
	var s struct {
		One   retry           `agent:"one,block"`
		Many  []rule          `agent:"many,block" min:"1"`
		Named map[string]rule `agent:"named,block" min:"1"`
	}
	err := schema.Decode([]byte(`{"many":[],"named":{}}`), &s)
	if err == nil {
		t.Fatal("Decode accepts it")
	}
	for _, name := range []string{"one", "many", "named"} {
		if want := `block "` + name + `" is missing`; !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestDecodeWantsExactlyOneOfSeveral(t *testing.T) {
	for _, tc := range []struct{ data, want string }{
		{`{"key":"hunter2","every":1}`, ""},
		{`{"key_file":"f","rule":{"a":{"name":"n"}}}`, ""},
		{`{"vault":{"max":1},"key":null,"every":1}`, ""},
		{`{"every":1}`, `One of "key", "key_file", "vault" is required here.`},
		{`{"key":"hunter2"}`, `One of "every", "rule" is required here.`},
		{`{"key":"hunter2","vault":{"max":1},"every":1}`, `"vault" cannot stand beside "key"`},
		{`{"key":"hunter2","key_file":"f","every":1}`, `"key_file" cannot stand beside "key"`},
	} {
		err := schema.Decode([]byte(tc.data), new(keys))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.data, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", tc.data, err, tc.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the secret is told: %v", tc.data, err)
		}
	}
}

func TestDecodeRefusesWhatIsNoPointerToAStruct(t *testing.T) {
	var nowhere *settings
	var number int
	for _, into := range []any{nil, settings{}, nowhere, &number} {
		if err := schema.Decode([]byte(`{"host":"db"}`), into); err == nil {
			t.Errorf("Decode into %T succeeds", into)
		}
	}
}

func TestErrorsNeverQuoteASensitiveValue(t *testing.T) {
	const canary = "hunter2"
	for _, data := range []string{
		`{"host":"db","key":"` + canary + `"}`,
		`{"host":"db","key":["` + canary + `"]}`,
		`{"host":"db","key":{"a":"` + canary + `"}}`,
	} {
		var s settings
		err := schema.Decode([]byte(data), &s)
		if err == nil {
			t.Fatalf("Decode accepts %s", data)
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("error %q quotes the secret", err)
		}
	}
}

func TestCheckPointsAtTheElement(t *testing.T) {
	list := schema.Attribute{Name: "modes", Type: schema.ListOfString, Enum: []string{"a", "b"}}
	got := list.Check(json.RawMessage(`["a","x","b","y"]`))
	want := []schema.Violation{
		{Step: "[1]", Summary: "Value not allowed", Detail: `"modes[1]" must be one of "a", "b", not "x".`},
		{Step: "[3]", Summary: "Value not allowed", Detail: `"modes[3]" must be one of "a", "b", not "y".`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
	if got := list.Check(json.RawMessage("null")); got != nil {
		t.Errorf("Check(null) = %v, want nothing", got)
	}
	unknown := schema.Attribute{Name: "when", Type: "date"}
	if got := unknown.Check(json.RawMessage(`"x"`)); len(got) != 1 || got[0].Summary != "Wrong type" {
		t.Errorf("Check of an unknown type = %v", got)
	}
	broken := schema.Attribute{Name: "host", Type: schema.String, Pattern: "("}
	if got := broken.Check(json.RawMessage(`"x"`)); len(got) != 1 || got[0].Summary != "Broken schema" {
		t.Errorf("Check with a broken pattern = %v", got)
	}
}
