package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/cli"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// This test binary is also the agent, and the external plugin, that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "plugin" {
		os.Exit((&cli.Program{Builtins: builtins(), Stdout: os.Stdout, Stderr: os.Stderr}).Run(os.Args[1:]))
	}
	if len(os.Args) == 2 && os.Args[1] == "external" {
		plugin.ServeSink("keep", "1.2.3", openKeep)
	}
	os.Exit(m.Run())
}

func builtins() []catalog.Builtin {
	return []catalog.Builtin{{Definition: plugin.Source("one", "0.1.0", openOne)}}
}

type one struct{}

func openOne(context.Context, one) (sdk.Source, error) { return one{}, nil }

func (one) Discover(_ context.Context, _ sdk.TimeRange, found func([]sdk.Split) error) error {
	return found([]sdk.Split{{ID: "the one"}})
}

func (one) Fetch(_ context.Context, _ sdk.Split, emit func([]sdk.Event) error) error {
	return emit([]sdk.Event{{ID: "1", Raw: []byte(`{"n":1}`)}})
}

// keep is a sink that appends records to a file.
type keep struct {
	_     struct{}      `desc:"Appends records to a file."`
	Path  string        `agent:"path" desc:"The file."`
	Every time.Duration `agent:"every" desc:"How often." default:"90s" min:"1s"`
	Size  int64         `agent:"size" desc:"How large." default:"1MiB" format:"size" max:"1GiB"`
	Mode  string        `agent:"mode" desc:"How." default:"append" enum:"append,replace"`
	Key   string        `agent:"key" desc:"Secret." optional:"true" sensitive:"true"`
	Rules []keepRule    `agent:"rule,block" desc:"What to keep."`
}

type keepRule struct {
	Name string `agent:"name" desc:"Of the\x1b[31mevent." pattern:"^[a-z]+$"`
}

func openKeep(_ context.Context, k keep) (sdk.Sink, error) { return k, nil }

func (k keep) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	old, err := os.ReadFile(k.Path)
	if err != nil && !os.IsNotExist(err) {
		return sdk.Result{}, err
	}
	for _, e := range b.Events {
		old = append(append(old, e.Raw...), '\n')
	}
	return sdk.Result{}, os.WriteFile(k.Path, old, 0o600)
}

// agent runs a command and returns its exit code and output.
func agent(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := cli.Program{Builtins: builtins(), Stdout: &out, Stderr: &errs}
	code = p.Run(args)
	return code, out.String(), errs.String()
}

// program writes an external plugin into a folder.
func program(t *testing.T, dir, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	write(t, path, fmt.Sprintf("#!/bin/sh\nexec '%s' external\n", self), 0o700)
	return path
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// configuration writes an agent.hcl whose pipeline uses the sink keep.
func configuration(t *testing.T, pluginDir, plugins string) (file, out string) {
	t.Helper()
	dir := t.TempDir()
	file, out = filepath.Join(dir, "agent.hcl"), filepath.Join(dir, "out")
	write(t, file, fmt.Sprintf(`agent {
  state_dir  = %q
  plugin_dir = %q
}

pipeline "p" {
  source "one" {}
  sink "keep" {
    path = %q
  }
}
%s`, filepath.Join(dir, "state"), pluginDir, out, plugins), 0o640)
	return file, out
}

func TestFromAProgramInThePluginFolderToAStoredEvent(t *testing.T) {
	plugins := t.TempDir()
	path := program(t, plugins, "agent-sink-keep")
	file, out := configuration(t, plugins, "")

	code, _, stderr := agent("validate", "-config", file)
	if code != 2 || !strings.Contains(stderr, "agent plugin lock") {
		t.Errorf("validate without a checksum: %d\n%s", code, stderr)
	}
	before := read(t, file)
	code, stdout, stderr := agent("plugin", "lock", "-config", file)
	sum, err := catalog.Checksum(path)
	if err != nil || code != 0 || !strings.Contains(stdout, `plugin "keep": sha256 `+sum) || !strings.Contains(stdout, "is changed") {
		t.Fatalf("lock: %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if d := cmp.Diff(before+"\nplugin \"keep\" {\n  sha256 = \""+sum+"\"\n}\n", read(t, file)); d != "" {
		t.Errorf("agent.hcl: %s", d)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("agent.hcl has mode %s, %v", fi.Mode(), err)
	}
	if code, stdout, stderr := agent("validate", "-config", file); code != 0 || !strings.Contains(stdout, "is valid") {
		t.Errorf("validate: %d\n%s", code, stderr)
	}
	for range 2 {
		if code, _, stderr := agent("-config", file, "-mode", "once"); code != 0 {
			t.Fatalf("once: %d\n%s", code, stderr)
		}
		if got := read(t, out); got != "{\"n\":1}\n" {
			t.Errorf("stored %q", got)
		}
	}

	program(t, plugins, "agent-sink-keep")
	write(t, path, read(t, path)+"# another version\n", 0o700)
	if code, _, stderr := agent("-config", file, "-mode", "once"); code != 2 || !strings.Contains(stderr, "is not the one that agent.hcl names") {
		t.Errorf("a changed program: %d\n%s", code, stderr)
	}
	if code, stdout, _ := agent("plugin", "lock", "-config", file); code != 0 || !strings.Contains(stdout, "is changed") {
		t.Errorf("lock again: %d\n%s", code, stdout)
	}
	if code, stdout, _ := agent("plugin", "lock", "-config", file); code != 0 || !strings.Contains(stdout, "is as it was") {
		t.Errorf("lock a third time: %d\n%s", code, stdout)
	}
	if code, _, stderr := agent("-config", file, "-mode", "once"); code != 0 {
		t.Errorf("once: %d\n%s", code, stderr)
	}
}

func TestDiagnosticsOfAnExternalPluginStandAtTheUsersLines(t *testing.T) {
	dir := t.TempDir()
	path := program(t, dir, "keeper")
	file, _ := configuration(t, dir, fmt.Sprintf("plugin \"keep\" {\n  path = %q\n  allow_unpinned = true\n}\n", path))
	text := read(t, file)
	write(t, file, strings.Replace(text, "  sink \"keep\" {\n", "  sink \"keep\" {\n    mode = \"appendix\"\n    evry = \"1s\"\n    every = 0\n", 1), 0o600)
	code, _, stderr := agent("validate", "-config", file)
	for _, want := range []string{file + ":9,12-22: ", file + ":10,5-9: ", file + ":11,13-14: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %s in\n%s", want, stderr)
		}
	}
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestLockRefusesAndLeavesTheFileAlone(t *testing.T) {
	loose := program(t, t.TempDir(), "loose")
	if err := os.Chmod(loose, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ plugins, want string }{
		"a program that others may write":  {fmt.Sprintf("plugin \"keep\" {\n path = %q\n}\n", loose), "chmod go-w"},
		"no program":                       {"plugin \"keep\" {\n path = \"/nonexistent/x\"\n}\n", "there is no program"},
		"nothing in the plugin folder":     {"plugin \"keep\" {\n}\n", "neither agent-sink-keep nor agent-source-keep"},
		"the name of a built-in":           {fmt.Sprintf("plugin \"one\" {\n path = %q\n}\n", filepath.Join(filepath.Dir(loose), "agent-source-one")), "the agent's own"},
		"a checksum that is computed":      {fmt.Sprintf("plugin \"keep\" {\n path = %q\n sha256 = lower(\"A\")\n}\n", program(t, t.TempDir(), "x")), ""},
		"an attribute that does not exist": {"plugin \"keep\" {\n pth = \"/x\"\n}\n", "pth"},
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := configuration(t, "", tc.plugins)
			before := read(t, file)
			code, stdout, stderr := agent("plugin", "lock", "-config", file)
			if code == 0 || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if read(t, file) != before {
				t.Error("the file was changed")
			}
		})
	}
}

func TestLockKeepsALinkAndSkipsWhatNeedsNoChecksum(t *testing.T) {
	plugins := t.TempDir()
	program(t, plugins, "agent-sink-keep")
	program(t, plugins, "agent-sink-unused")
	path := program(t, t.TempDir(), "x")
	file, _ := configuration(t, plugins, fmt.Sprintf("plugin \"free\" {\n  path = %q\n  allow_unpinned = true\n}\n", path))
	link := filepath.Join(t.TempDir(), "link.hcl")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := agent("plugin", "lock", "-config", link)
	if code != 0 || !strings.Contains(stdout, `plugin "free": not pinned, because`) || strings.Contains(stdout, "unused") || !strings.Contains(stdout, "keep") {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if !strings.Contains(read(t, file), "plugin \"keep\" {\n  sha256") {
		t.Errorf("agent.hcl:\n%s", read(t, file))
	}
}

func TestListShowsWhatCanBeUsed(t *testing.T) {
	plugins := t.TempDir()
	program(t, plugins, "agent-sink-keep")
	file, _ := configuration(t, plugins, "")
	_, stdout, _ := agent("plugin", "list", "-config", file)
	for _, want := range []string{"KIND", "source  one   0.1.0    built-in", "sink    keep  ?        " + plugins, "cannot be used: program"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code, _, stderr := agent("plugin", "lock", "-config", file); code != 0 {
		t.Fatal(stderr)
	}
	if _, stdout, _ := agent("plugin", "list", "-config", file); !strings.Contains(stdout, "1.2.3") || !strings.Contains(stdout, "ready, pinned") {
		t.Errorf("after lock:\n%s", stdout)
	}
	t.Chdir(t.TempDir())
	if code, stdout, stderr := agent("plugin", "list"); code != 0 || !strings.Contains(stdout, "built-in") {
		t.Errorf("without a configuration: %d\n%s%s", code, stdout, stderr)
	}
}

func TestDescribeShowsTheSettings(t *testing.T) {
	path := program(t, t.TempDir(), "keeper")
	_, text, _ := agent("plugin", "describe", path)
	for _, want := range []string{
		`sink "keep", version 1.2.3`, "Appends records to a file.", "path  (string, required)",
		`every  (duration, default "90s"`, `at least "1s"`, `size  (size, default "1MiB", at most "1GiB")`,
		`mode  (string, default "append", one of append, replace)`, "key  (string, sensitive)", "rule {  (block, may be repeated)", "matches ^[a-z]+$",
	} {
		if !strings.Contains(text, strings.Replace(want, `"90s"`, `"1m30s"`, 1)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("a plugin's text steers the terminal")
	}
	_, doc, _ := agent("plugin", "describe", "-doc", path)
	if !strings.Contains(doc, "# sink \"keep\"\n") || !strings.Contains(doc, "- `path` (string, required). The file.\n") || !strings.Contains(doc, "### `rule {") {
		t.Errorf("documentation:\n%s", doc)
	}
	code, out, _ := agent("plugin", "describe", path, "-json")
	var d struct {
		Kind, Type, Version string
		Settings            struct{ Attributes []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 || d.Kind != "sink" || len(d.Settings.Attributes) != 5 {
		t.Errorf("JSON: %v %+v", err, d)
	}
	if code, out, _ := agent("plugin", "describe", "one"); code != 0 || !strings.Contains(out, "no settings") {
		t.Errorf("a built-in: %d\n%s", code, out)
	}
}

func TestEachPluginCommandIsThereOnce(t *testing.T) {
	_, help, _ := agent("plugin")
	for _, name := range []string{"list", "lock", "describe", "new", "test"} {
		if n := strings.Count(help, "agent plugin "+name+" "); n != 1 {
			t.Errorf("the help names plugin %s %d times:\n%s", name, n, help)
		}
	}
}

func TestWrongUsageOfThePluginCommands(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"plugin", 0, ""},
		{"plugin -h", 0, ""},
		{"plugin lock -h", 0, ""},
		{"plugin nonsense", 2, "unknown command"},
		{"plugin sink", 2, "usage"},
		{"plugin sink nothing", 2, `no sink plugin "nothing"`},
		{"plugin list x", 2, "unexpected argument"},
		{"plugin lock x", 2, "unexpected argument"},
		{"plugin lock -config /nonexistent/x", 2, "/nonexistent/x"},
		{"plugin list -config /nonexistent/x", 2, "/nonexistent/x"},
		{"plugin list -env-file /nonexistent/x", 2, "/nonexistent/x"},
		{"plugin new", 2, "usage: agent plugin new sink|source NAME"},
		{"plugin new hello", 2, "usage"},
		{"plugin new filter hello", 2, "usage"},
		{"plugin new sink", 2, "usage"},
		{"plugin new sink a b", 2, "usage"},
		{"plugin new sink Hello", 1, "snake_case"},
		{"plugin new source hello -lang python", 1, "sinks only"},
		{"plugin new sink hello -lang perl", 1, "go and python"},
		{"plugin new sink hello -sdk /nonexistent", 1, "is not a checkout"},
		{"plugin test", 2, "usage"},
		{"plugin test a b", 2, "usage"},
		{"plugin test /nonexistent/x", 1, "/nonexistent/x"},
		{"plugin test /bin/true", 1, "is it a plugin?"},
		{"plugin test /bin/true -config /nonexistent/x", 1, "is it a plugin?"},
		{"plugin describe", 2, "usage"},
		{"plugin describe a b", 2, "usage"},
		{"plugin describe one -json -doc", 2, "usage"},
		{"plugin describe /nonexistent/x", 1, "there is no program"},
	} {
		code, stdout, stderr := agent(strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(stderr, tc.want) || (code == 0 && stdout == "") {
			t.Errorf("%s: %d\n%s%s", tc.args, code, stdout, stderr)
		}
	}
}
