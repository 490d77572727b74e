package schema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

type settings struct {
	_       struct{}          `desc:"Stores events somewhere."`
	Host    string            `agent:"host" desc:"Where to." pattern:"^[a-z.]+$"`
	Port    int               `agent:"port" desc:"TCP port." default:"5432" min:"1" max:"65535"`
	Mode    string            `agent:"mode" desc:"How." default:"verify-full" enum:"verify-full,require"`
	Key     string            `agent:"key" desc:"Secret." optional:"true" sensitive:"true" enum:"a,b"`
	Ratio   float64           `agent:"ratio" desc:"Share." default:"0.5" max:"1"`
	Wait    time.Duration     `agent:"wait" desc:"Pause." default:"5m" min:"1s" max:"1h"`
	Limit   int64             `agent:"limit" desc:"Most." default:"32MiB" format:"size" min:"1KiB"`
	Offset  int64             `agent:"offset" desc:"Start." optional:"true"`
	Strict  *bool             `agent:"strict" desc:"Tri-state."`
	Paths   []string          `agent:"paths" desc:"Globs." default:"[\"*.json\"]" min:"1" max:"3"`
	Headers map[string]string `agent:"headers" desc:"Headers." optional:"true" pattern:"^[^\\n]*$"`
	Retry   *retry            `agent:"retry,block" desc:"Retries."`
	Pool    pool              `agent:"pool,block" desc:"Pool." optional:"true"`
	Rules   []rule            `agent:"rule,block" desc:"Rules."`
	Routes  map[string]rule   `agent:"route,block" desc:"Routes."`
	Ignored chan int          `agent:"-"`
	private int
}

type retry struct {
	Max int `agent:"max" desc:"Tries." min:"1"`
}

type pool struct {
	Size int `agent:"size" desc:"Connections." default:"4"`
}

type rule struct {
	Name string `agent:"name" desc:"Name."`
	On   bool   `agent:"on" desc:"Switch." default:"true"`
}

func bound(v float64) *float64 { return &v }

func TestOfDescribesEveryKindOfSetting(t *testing.T) {
	got, err := schema.Of(settings{private: 1})
	if err != nil {
		t.Fatal(err)
	}
	ruleBlock := schema.Block{Attributes: []schema.Attribute{
		{Name: "name", Doc: "Name.", Type: schema.String, Required: true},
		{Name: "on", Doc: "Switch.", Type: schema.Bool, Default: json.RawMessage("true")},
	}}
	want := schema.Block{
		Doc: "Stores events somewhere.",
		Attributes: []schema.Attribute{
			{Name: "host", Doc: "Where to.", Type: schema.String, Required: true, Pattern: "^[a-z.]+$"},
			{
				Name: "port", Doc: "TCP port.", Type: schema.Int,
				Default: json.RawMessage("5432"), Min: bound(1), Max: bound(65535),
			},
			{
				Name: "mode", Doc: "How.", Type: schema.String,
				Default: json.RawMessage(`"verify-full"`), Enum: []string{"verify-full", "require"},
			},
			{Name: "key", Doc: "Secret.", Type: schema.String, Sensitive: true, Enum: []string{"a", "b"}},
			{Name: "ratio", Doc: "Share.", Type: schema.Number, Default: json.RawMessage("0.5"), Max: bound(1)},
			{
				Name: "wait", Doc: "Pause.", Type: schema.Duration,
				Default: json.RawMessage("300000000000"), Min: bound(1e9), Max: bound(3600e9),
			},
			{
				Name: "limit", Doc: "Most.", Type: schema.Size,
				Default: json.RawMessage("33554432"), Min: bound(1024),
			},
			{Name: "offset", Doc: "Start.", Type: schema.Int},
			{Name: "strict", Doc: "Tri-state.", Type: schema.Bool},
			{
				Name: "paths", Doc: "Globs.", Type: schema.ListOfString,
				Default: json.RawMessage(`["*.json"]`), Min: bound(1), Max: bound(3),
			},
			{Name: "headers", Doc: "Headers.", Type: schema.MapOfString, Pattern: `^[^\n]*$`},
		},
		Blocks: []schema.BlockType{
			{
				Name: "retry", Doc: "Retries.", Nesting: schema.Single,
				Block: schema.Block{Attributes: []schema.Attribute{
					{Name: "max", Doc: "Tries.", Type: schema.Int, Required: true, Min: bound(1)},
				}},
			},
			{
				Name: "pool", Doc: "Pool.", Nesting: schema.Single,
				Block: schema.Block{Attributes: []schema.Attribute{
					{Name: "size", Doc: "Connections.", Type: schema.Int, Default: json.RawMessage("4")},
				}},
			},
			{Name: "rule", Doc: "Rules.", Nesting: schema.List, Block: ruleBlock},
			{Name: "route", Doc: "Routes.", Nesting: schema.Map, Block: ruleBlock},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Of (-want +got):\n%s", diff)
	}
}

func TestOfTakesAPointerAndAnEmptyStruct(t *testing.T) {
	byValue, err := schema.Of(settings{})
	if err != nil {
		t.Fatal(err)
	}
	byPointer, err := schema.Of((*settings)(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byValue, byPointer); diff != "" {
		t.Errorf("by pointer (-value +pointer):\n%s", diff)
	}
	if b, err := schema.Of(struct{}{}); err != nil || len(b.Attributes) > 0 {
		t.Errorf("Of(struct{}{}) = %v, %v, want an empty block", b, err)
	}
}

func TestDefaultsMayBeQuoted(t *testing.T) {
	b, err := schema.Of(struct {
		Mode  string        `agent:"mode" default:"\"require\"" enum:"require,disable"`
		Wait  time.Duration `agent:"wait" default:"\"5s\""`
		Limit int64         `agent:"limit" default:"\"1KiB\"" format:"size"`
		Odd   string        `agent:"odd" default:"\""`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"require"`, "5000000000", "1024", `"\""`} {
		if got := string(b.Attributes[i].Default); got != want {
			t.Errorf("default of %s = %s, want %s", b.Attributes[i].Name, got, want)
		}
	}
}

func TestBlocksWhichMustBeThere(t *testing.T) {
	b, err := schema.Of(struct {
		One   retry           `agent:"one,block"`
		Many  []rule          `agent:"many,block" min:"1"`
		Named map[string]rule `agent:"named,block" min:"1"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	for _, bt := range b.Blocks {
		if !bt.Required {
			t.Errorf("block %q is not required", bt.Name)
		}
	}
}

// keys has two groups of settings of which exactly one must be given.
type keys struct {
	Key   string          `agent:"key" sensitive:"true" one_of:"key"`
	File  string          `agent:"key_file" one_of:"key"`
	Vault *retry          `agent:"vault,block" one_of:"key"`
	Every time.Duration   `agent:"every" one_of:"when"`
	Rules map[string]rule `agent:"rule,block" one_of:"when"`
}

func TestNoneOfSeveralAlternativesIsRequiredByItself(t *testing.T) {
	b, err := schema.Of(keys{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range b.Attributes {
		if a.Required {
			t.Errorf("%q is required", a.Name)
		}
	}
	if diff := cmp.Diff([]string{"key", "key_file", "vault"}, b.Alternatives("vault")); diff != "" {
		t.Error(diff)
	}
	if got := b.Alternatives("other"); got != nil {
		t.Errorf("alternatives of a setting that is not there: %q", got)
	}
}

func TestSchemaSurvivesJSON(t *testing.T) {
	want, err := schema.Of(struct {
		Settings *settings `agent:"settings,block"`
		Keys     *keys     `agent:"keys,block"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got schema.Block
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

// tagged is a struct with one field, whose tag go vet would not let pass.
func tagged(tag reflect.StructTag) any {
	return reflect.Zero(reflect.StructOf([]reflect.StructField{
		{Name: "Host", Type: reflect.TypeFor[string](), Tag: tag},
	})).Interface()
}

type loop struct {
	Inner []loop `agent:"inner,block"`
}

func TestOfNamesTheFieldOfAnAuthorsBug(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want []string
	}{
		{"no struct", 5, []string{"int", "not a struct"}},
		{"nil", nil, []string{"not a struct"}},
		{"no agent tag", struct{ Host string }{}, []string{".Host", "no agent tag"}},
		{"misspelt tag", struct {
			Host string `agent:"host" defualt:"x"`
		}{}, []string{".Host", `unknown tag "defualt"`}},
		{"malformed tag", tagged(`agent:"host" desc`), []string{".Host", "malformed"}},
		{"unclosed tag", tagged(`agent:"host`), []string{".Host", "malformed"}},
		{"escaped quote at the end", tagged(`agent:"host" desc:"a\"`), []string{".Host", "malformed"}},
		{"unknown option", struct {
			Host string `agent:"host,blok"`
		}{}, []string{".Host", `unknown option "blok"`}},
		{"name not in snake_case", struct {
			Host string `agent:"theHost"`
		}{}, []string{".Host", "snake_case"}},
		{"duplicate name", struct {
			Host string `agent:"host"`
			Addr string `agent:"host"`
		}{}, []string{".Addr", `"host" is taken by field Host`}},
		{"duplicate name of a block", struct {
			Host string `agent:"host"`
			Addr retry  `agent:"host,block"`
		}{}, []string{".Addr", `"host" is taken by field Host`}},
		{"unsupported type", struct {
			Hosts []int `agent:"hosts"`
		}{}, []string{".Hosts", "[]int cannot be a setting"}},
		{"struct without block", struct {
			Retry retry `agent:"retry"`
		}{}, []string{".Retry", "cannot be a setting"}},
		{"block of strings", struct {
			Retry []string `agent:"retry,block"`
		}{}, []string{".Retry", "cannot be a block"}},
		{"bug in a nested block", struct {
			Retry struct {
				Max uint `agent:"max"`
			} `agent:"retry,block"`
		}{}, []string{".Retry", ".Max", "uint cannot be a setting"}},
		{"block within itself", loop{}, []string{".Inner", "contains itself"}},
		{"optional block with required settings", struct {
			Retry retry `agent:"retry,block" optional:"true"`
		}{}, []string{".Retry", "must be a pointer"}},
		{"default on a block", struct {
			Retry *retry `agent:"retry,block" default:"{}"`
		}{}, []string{".Retry", "no meaning on a block"}},
		{"min on a single block", struct {
			Retry *retry `agent:"retry,block" min:"1"`
		}{}, []string{".Retry", `min:"1"`}},
		{"optional neither true nor absent", struct {
			Host string `agent:"host" optional:"yes"`
		}{}, []string{".Host", "optional"}},
		{"bad default", struct {
			Port int `agent:"port" default:"many"`
		}{}, []string{".Port", "default", `"many" is not a whole number`}},
		{"bad default of a duration", struct {
			Wait time.Duration `agent:"wait" default:"5 minutes"`
		}{}, []string{".Wait", "not a duration"}},
		{"default outside of the rules", struct {
			Port int `agent:"port" default:"0" min:"1"`
		}{}, []string{".Port", "default", "at least 1"}},
		{"default not in the enum", struct {
			Mode string `agent:"mode" default:"c" enum:"a,b"`
		}{}, []string{".Mode", "one of"}},
		{"one_of on one setting alone", struct {
			Key string `agent:"key" one_of:"key"`
		}{}, []string{`one_of:"key"`, `"key" alone`}},
		{"one_of with a default", struct {
			Key  string `agent:"key" one_of:"key" default:"x"`
			File string `agent:"key_file" one_of:"key"`
		}{}, []string{".Key", "cannot have a default"}},
		{"one_of on a block that is always there", struct {
			Key   string `agent:"key" one_of:"key"`
			Retry retry  `agent:"retry,block" one_of:"key"`
		}{}, []string{".Retry", "must be a pointer"}},
		{"enum of numbers", struct {
			Port int `agent:"port" enum:"1,2"`
		}{}, []string{".Port", "enum has no meaning"}},
		{"bad pattern", struct {
			Host string `agent:"host" pattern:"("`
		}{}, []string{".Host", "pattern"}},
		{"pattern of a bool", struct {
			Host bool `agent:"host" pattern:"x"`
		}{}, []string{".Host", "pattern has no meaning"}},
		{"bad bound", struct {
			Port int `agent:"port" min:"one"`
		}{}, []string{".Port", "min"}},
		{"bound of a string", struct {
			Host string `agent:"host" max:"3"`
		}{}, []string{".Host", "max"}},
		{"bounds crossed", struct {
			Port int `agent:"port" min:"3" max:"2"`
		}{}, []string{".Port", "greater"}},
		{"infinite bound", struct {
			Port float64 `agent:"port" max:"+Inf"`
		}{}, []string{".Port", "not finite"}},
		{"size of a string", struct {
			Host string `agent:"host" format:"size"`
		}{}, []string{".Host", "format"}},
		{"two bugs at once", struct {
			Host string
			Port uint `agent:"port"`
		}{}, []string{".Host", ".Port"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := schema.Of(tc.v)
			if err == nil {
				t.Fatal("Of accepts it")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}
