package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func TestADescriptionFromElsewhereIsChecked(t *testing.T) {
	for _, v := range []any{settings{}, keys{}, struct{}{}} {
		b, err := schema.Of(v)
		if err != nil || b.Valid() != nil {
			t.Errorf("%T: %v, %v", v, err, b.Valid())
		}
	}
	deep := `{}`
	for range 40 {
		deep = `{"blocks":[{"name":"b","nesting":"list","block":` + deep + `}]}`
	}
	for _, tc := range []struct{ data, want string }{
		{`{"attributes":[{"name":"a","type":"strnig"}]}`, `setting "a": the type "strnig" is unknown`},
		{`{"attributes":[{"name":"a"}]}`, `the type "" is unknown`},
		{`{"attributes":[{"name":"A b","type":"string"}]}`, `"A b": the name is not in snake_case`},
		{`{"attributes":[{"name":"a","type":"string"},{"name":"a","type":"int"}]}`, `"a": the name is there twice`},
		{`{"attributes":[{"name":"a","type":"string"}],"blocks":[{"name":"a","nesting":"list","block":{}}]}`, "there twice"},
		{`{"attributes":[{"name":"a","type":"string","pattern":"("}]}`, "the pattern cannot be used"},
		{`{"attributes":[{"name":"a","type":"int","min":2,"default":1}]}`, "the default breaks a rule"},
		{`{"attributes":[{"name":"a","type":"int","one_of":"x"}]}`, `one_of "x" alone`},
		{`{"blocks":[{"name":"b","nesting":"tree","block":{}}]}`, `the nesting "tree" is unknown`},
		{`{"blocks":[{"name":"b","nesting":"map","block":{"attributes":[{"name":"a","type":"x"}]}}]}`, `setting "b.a"`},
		{deep, "nested too deep"},
	} {
		var b schema.Block
		if err := json.Unmarshal([]byte(tc.data), &b); err != nil {
			t.Fatal(err)
		}
		if err := b.Valid(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.100s: %v, want %q", tc.data, err, tc.want)
		}
	}
}
