package plugin_test

import (
	"context"
	"fmt"
	"os"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// Settings are those of a block `sink "lines"`.
type Settings struct {
	_    struct{} `desc:"Appends the record of each event to a file."`
	Path string   `agent:"path" desc:"File to append to."`
	Mode string   `agent:"mode" desc:"When a write counts as done." default:"disk" enum:"disk,cache"`
}

// Validate checks what the tags cannot say.
func (s Settings) Validate() []sdk.Fault {
	if s.Path == "/dev/null" && s.Mode == "disk" {
		return []sdk.Fault{{Path: "mode", Summary: "Nothing to wait for", Detail: `Write mode = "cache".`}}
	}
	return nil
}

type lines struct {
	file *os.File
	sync bool
}

func open(_ context.Context, s Settings) (sdk.Sink, error) {
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, sdk.Denied(err)
	}
	return &lines{file: f, sync: s.Mode == "disk"}, nil
}

func (l *lines) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	for _, e := range b.Events {
		if _, err := fmt.Fprintf(l.file, "%s\n", e.Raw); err != nil {
			return sdk.Result{}, err
		}
	}
	if !l.sync {
		return sdk.Result{}, nil
	}
	return sdk.Result{}, l.file.Sync()
}

func (l *lines) Close() error { return l.file.Close() }

// main of a whole plugin is this one line.
func ExampleServeSink() {
	plugin.ServeSink("lines", "1.0.0", open)
}

// The struct's tags are the schema of the settings. The agent checks the user's file
// against it, and Validate adds to that.
func ExampleDefinition_Validate() {
	d := plugin.Sink("lines", "1.0.0", open)
	for _, a := range d.Schema().Attributes {
		fmt.Printf("%s %s required=%t default=%s\n", a.Name, a.Type, a.Required, a.Default)
	}
	for _, settings := range []string{`{"path":"out.jsonl"}`, `{"path":"/dev/null"}`, `{"path":5}`} {
		fmt.Printf("%q\n", d.Validate([]byte(settings)))
	}
	// Output:
	// path string required=true default=
	// mode string required=false default="disk"
	// []
	// [{"mode" "Nothing to wait for" "Write mode = \"cache\"."}]
	// [{"" "Settings cannot be read" "settings: path: \"path\" must be a string."}]
}
