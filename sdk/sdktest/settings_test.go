package sdktest

import (
	"encoding/json"
	"testing"
	"time"
)

type testSettings struct {
	_     struct{}              `desc:"Documentation."`
	Path  string                `agent:"path"`
	Wait  time.Duration         `agent:"wait"`
	List  []string              `agent:"list"`
	Map   map[string]string     `agent:"map"`
	On    *bool                 `agent:"on"`
	Block *testBlock            `agent:"block,block"`
	Many  []testBlock           `agent:"many,block"`
	Named map[string]*testBlock `agent:"named,block"`
	Not   string                `agent:"-"`
}

type testBlock struct {
	N int `agent:"n"`
}

func TestSettingsAreEncodedAsTheAgentSendsThem(t *testing.T) {
	no := false
	for _, tc := range []struct {
		name     string
		settings any
		want     string
	}{
		{"nothing", nil, `{}`},
		{"JSON", `{"a":1}`, `{"a":1}`},
		{"JSON as bytes", []byte(`{"a":1}`), `{"a":1}`},
		{"JSON as a raw message", json.RawMessage(`{"a":1}`), `{"a":1}`},
		{"a map", map[string]any{"wait": time.Second}, `{"wait":1000000000}`},
		{"a struct without values", testSettings{}, `{}`},
		{"a struct", &testSettings{
			Path: "p", Wait: time.Second, List: []string{"a"}, Map: map[string]string{"k": "v"}, On: &no, Not: "x",
			Block: &testBlock{N: 1}, Many: []testBlock{{N: 2}, {}}, Named: map[string]*testBlock{"x": {N: 3}},
		}, `{"block":{"n":1},"list":["a"],"many":[{"n":2},{}],"map":{"k":"v"},"named":{"x":{"n":3}},"on":false,"path":"p","wait":1000000000}`},
	} {
		got, err := encode(tc.settings)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
	if _, err := encode(struct{ Path string }{"p"}); err == nil {
		t.Error("a struct without tags is encoded")
	}
}
