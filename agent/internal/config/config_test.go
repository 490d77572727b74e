package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// ignorePos leaves positions out of a comparison.
var ignorePos = cmpopts.IgnoreTypes(config.Pos{})

// settingsAsText shows JSON settings readably; their keys are sorted.
var settingsAsText = cmp.Transformer("text", func(raw json.RawMessage) string { return string(raw) })

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	o := options(file)
	o.Strict = true
	c, diags := config.Load(file, o)
	if len(diags) > 0 {
		t.Fatalf("diagnostics of a file without faults:\n%s", printed(diags))
	}
	return c
}

// parse reads text as a file agent.hcl.
func parse(text string, change ...func(*config.Options)) (*config.Config, config.Diagnostics) {
	o := options("agent.hcl")
	for _, f := range change {
		f(&o)
	}
	return config.Parse("agent.hcl", []byte(text), o)
}

func TestEverySettingArrives(t *testing.T) {
	no := false
	rds := func(port int, password string) json.RawMessage {
		if password != "" {
			password = `"password":"` + password + `",`
		}
		return json.RawMessage(fmt.Sprintf(`{"database":"postgres","group_id":%q,"host":"db",%s"port":%d,`+
			`"source_product":"cloudtrail","sslmode":"verify-full","user":"postgres","writers":4}`, groupID, password, port))
	}
	want := &config.Config{
		File: "testdata/good/everything.hcl",
		Agent: config.Agent{
			StateDir: "/tmp/state", PluginDir: "/tmp/plugins", MemoryLimit: 64 << 20,
			LogLevel: slog.LevelInfo, LogFormat: "json",
		},
		Plugins: []config.Plugin{{
			Type: "webhook", Path: "/usr/lib/webhook",
			SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			Args:   []string{"-v"}, Env: map[string]string{"TOKEN": "hunter2-token"}, Memory: 128 << 20, AllowUnpinned: true,
		}},
		Pipelines: []config.Pipeline{
			{
				Name: "audit", Description: "감사", Enabled: true,
				Sources: []config.Source{
					{
						Type: "s3", Description: "a bucket", Interval: 5 * time.Minute, MaxFiles: 10,
						SinceText: "24h", Since: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
						Settings: json.RawMessage(
							`{"assume_role":{"arn":"arn:aws:iam::1:role/r"},"bucket":"b"}`),
					},
					{
						Type: "file", Enabled: true, Interval: 5 * time.Minute,
						Settings: json.RawMessage(`{"paths":["a","5","true"]}`),
					},
				},
				Filter: filter.Config{
					EventNames: []string{"ConsoleLogin"}, ExcludeEventNames: []string{"A*"},
					EventSources: []string{"s3.amazonaws.com"}, Accounts: []string{"123456789012"},
					ReadOnly: &no, Where: "event.errorCode != null",
				},
				Sinks: []config.Sink{
					{Type: "rds_direct", Name: "rds_direct", Enabled: true, Settings: rds(5433, "hunter2-credential")},
					{Type: "rds_direct", Name: "copy", Settings: rds(5432, `canary text hunter2-file\n`)},
					{Type: "rds_direct", Name: "rds_direct-3", Enabled: true, Settings: rds(5432, "")},
					{
						Type: "webhook", Name: "webhook", Enabled: true,
						Settings: json.RawMessage(`{"buffer":2048,"headers":{"X-A":"hunter2-token","X-B":"1"},` +
							`"methods":["POST"],"ratio":0.001,"retry":{"max":3},"route":{"x y":{"name":"c","number":1}},` +
							`"rule":[{"name":"a","number":1},{"name":"b","number":2}],"timeout":90000000000,` +
							`"token":"hunter2-token","url":"https://example.org"}`),
					},
				},
				Batch: config.Batch{MaxEvents: 100, MaxBytes: 3 << 20, Linger: 250 * time.Millisecond},
			},
			{
				Name: "small",
				Sources: []config.Source{{
					Type: "file", Enabled: true, Interval: 5 * time.Minute, Settings: json.RawMessage(`{"paths":["a"]}`),
				}},
				Sinks: []config.Sink{{
					Type: "webhook", Name: "webhook", Enabled: true,
					Settings: json.RawMessage(`{"buffer":1048576,"methods":["POST"],"ratio":0.5,` +
						`"timeout":30000000000,"url":"https://example.org"}`),
				}},
				Batch: config.Batch{MaxEvents: 2000, MaxBytes: 3 << 20, Linger: time.Second},
			},
		},
	}
	got := load(t, "testdata/good/everything.hcl")
	if diff := cmp.Diff(want, got, ignorePos, settingsAsText); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got, want := got.Pipelines[1].Pos, (config.Pos{File: want.File, Line: 90, Column: 1}); got != want {
		t.Errorf("position of the second pipeline = %v, want %v", got, want)
	}
}

func TestDefaultsOfTheAgent(t *testing.T) {
	got := load(t, "testdata/good/small.hcl.json").Agent
	want := config.Agent{
		StateDir: "/var/lib/inu-detector", PluginDir: "/usr/lib/inu-detector/plugins",
		MemoryLimit: 32 << 20, LogLevel: slog.LevelInfo, LogFormat: "text",
	}
	if got != want {
		t.Errorf("agent = %+v, want %+v", got, want)
	}
}

func TestJSONMeansTheSameAsHCL(t *testing.T) {
	got := load(t, "testdata/good/small.hcl.json").Pipelines
	want, diags := parse(`
		pipeline "small" {
			source "file" { paths = ["a"] }
			source "file" {
				paths    = ["b"]
				interval = "1m"
			}
			filter {
				event_names = ["ConsoleLogin"]
				read_only   = true
			}
			sink "webhook" {
				url   = "https://example.org"
				token = env("TOKEN")
				rule  { name = "a" }
				route "x" { name = "b" }
			}
		}`)
	if len(diags) > 0 {
		t.Fatal(printed(diags))
	}
	if diff := cmp.Diff(want.Pipelines, got, ignorePos, settingsAsText); diff != "" {
		t.Errorf("pipelines (-HCL +JSON):\n%s", diff)
	}
}

func TestLogLevels(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "Info": slog.LevelInfo, "warn": slog.LevelWarn,
		"WARNING": slog.LevelWarn, "error": slog.LevelError, "CRITICAL": slog.LevelError,
	} {
		c, diags := parse(fmt.Sprintf(smallWith, "agent {\nlog {\nlevel = \""+text+"\"\n}\n}"))
		if c == nil || c.Agent.LogLevel != want {
			t.Errorf("level %q: %v, want %v\n%s", text, c, want, printed(diags))
		}
	}
}

// smallWith is the shortest file, with room for more.
const smallWith = `
pipeline "p" {
	source "file" { paths = ["a"] }
	sink "webhook" { url = "https://example.org" }
}
%s
`

func TestIntervalsAreDurationsOrSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"5m"`: 5 * time.Minute, `300`: 5 * time.Minute, `"300"`: 5 * time.Minute,
		`env("COLLECTION_INTERVAL")`: 5 * time.Minute, `env("UNSET", 60)`: time.Minute, `1.5`: 1500 * time.Millisecond,
	} {
		c, diags := parse(`pipeline "p" {
			source "file" {
				paths    = ["a"]
				interval = ` + text + `
			}
			sink "webhook" { url = "https://example.org" }
		}`)
		if c == nil || c.Pipelines[0].Sources[0].Interval != want {
			t.Errorf("interval = %s: %v, want %v\n%s", text, c, want, printed(diags))
		}
	}
}

func TestUnsetVariablesLeaveSettingsOutUnlessStrict(t *testing.T) {
	const text = `pipeline "p" {
		source "file" { paths = [env("UNSET")] }
		sink "webhook" { url = "https://example.org" }
	}`
	c, diags := parse(text)
	if c == nil || len(diags) != 1 || diags[0].Severity != config.Warning {
		t.Fatalf("configuration %v with\n%s", c, printed(diags))
	}
	if got := c.Pipelines[0].Sources[0].Settings; got != nil {
		t.Errorf("settings = %s, want none", got)
	}
	c, diags = parse(text, func(o *config.Options) { o.Strict = true })
	if c != nil || !diags.HasErrors() {
		t.Errorf("strict: configuration %v with\n%s", c, printed(diags))
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain": "secret", "newline": "secret\n", "two": "secret\n\n", "empty": "",
		"binary": "\xff\xfe", "large": strings.Repeat("x", 1<<20+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir, want, fault string
	}{
		{name: "plain", dir: dir, want: "secret"},
		{name: "newline", dir: dir, want: "secret"},
		{name: "two", dir: dir, want: `secret\n`},
		{name: "empty", dir: dir, fault: "or it is empty"},
		{name: "binary", dir: dir, fault: "not UTF-8"},
		{name: "large", dir: dir, fault: "larger than 1 MiB"},
		{name: "folder", dir: dir, fault: "not a regular file"},
		{name: "absent", dir: dir, fault: "LoadCredential=absent:FILE"},
		{name: "plain", dir: "", fault: "$CREDENTIALS_DIRECTORY"},
		{name: "../plain", dir: dir, fault: "without a path"},
		{name: "..", dir: dir, fault: "without a path"},
		{name: "", dir: dir, fault: "without a path"},
	}
	for _, tc := range tests {
		t.Run(tc.name+" in "+filepath.Base(tc.dir), func(t *testing.T) {
			c, diags := parse(fmt.Sprintf(`pipeline "p" {
				source "file" { paths = ["a"] }
				sink "webhook" {
					url   = "https://example.org"
					token = credential(%q)
				}
			}`, tc.name), func(o *config.Options) { o.CredentialsDir, o.Strict = tc.dir, true })
			if tc.fault != "" {
				if c != nil || !strings.Contains(printed(diags), tc.fault) {
					t.Errorf("diagnostics do not say %q:\n%s", tc.fault, printed(diags))
				}
				return
			}
			if len(diags) > 0 {
				t.Fatal(printed(diags))
			}
			want := `"token":"` + tc.want + `"`
			if got := string(c.Pipelines[0].Sinks[0].Settings); !strings.Contains(got, want) {
				t.Errorf("settings = %s, want %s in it", got, want)
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "absent.hcl"): "There is no file",
		dir:                              "is a directory",
	} {
		c, diags := config.Load(file, options(file))
		if c != nil || len(diags) != 1 || !strings.Contains(diags[0].String(), want) {
			t.Errorf("Load(%s) = %v, %v, want %q", file, c, diags, want)
		}
	}
}

func TestCatalogThatDoesNotOpenIsOneFault(t *testing.T) {
	c, diags := parse(fmt.Sprintf(smallWith, ""), func(o *config.Options) {
		o.Catalog = func(config.Agent, []config.Plugin) (config.Catalog, error) {
			return nil, errors.New("plugin folder /x: permission denied")
		}
	})
	want := "agent.hcl: Plugins cannot be loaded; Plugin folder /x: permission denied.\n"
	if c != nil || printed(diags) != want {
		t.Errorf("diagnostics = %q, want %q", printed(diags), want)
	}
}

func TestCatalogHearsOfAgentAndPlugins(t *testing.T) {
	var agent config.Agent
	var plugins []config.Plugin
	_, diags := parse(fmt.Sprintf(smallWith, `
		agent { plugin_dir = "/plugins" }
		plugin "other" { allow_unpinned = true }`), func(o *config.Options) {
		o.Catalog = func(a config.Agent, p []config.Plugin) (config.Catalog, error) {
			agent, plugins = a, p
			return newCatalog(a, p)
		}
	})
	if len(diags) > 0 {
		t.Fatal(printed(diags))
	}
	if agent.PluginDir != "/plugins" || len(plugins) != 1 || plugins[0].Type != "other" {
		t.Errorf("the catalog was opened with %+v and %+v", agent, plugins)
	}
}

func TestDiagnosticsAsJSON(t *testing.T) {
	_, diags := parse("pipelin \"x\" {\n}\n")
	got, err := json.MarshalIndent(diags, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := `[
  {
    "severity": "error",
    "summary": "Unsupported block type",
    "detail": "Blocks of type \"pipelin\" are not expected here. Did you mean \"pipeline\"?",
    "file": "agent.hcl",
    "start_line": 1,
    "start_column": 1,
    "end_line": 1,
    "end_column": 8
  }
]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestColorsSurroundTheFaultAndItsCarets(t *testing.T) {
	_, diags := parse("pipelin \"x\" {\n}\n")
	var b strings.Builder
	diags.Print(&b, true)
	want := "\x1b[1;31magent.hcl:1,1-8: Unsupported block type; " +
		"Blocks of type \"pipelin\" are not expected here. Did you mean \"pipeline\"?\x1b[0m\n" +
		"  1 | pipelin \"x\" {\n    | \x1b[1;31m^^^^^^^\x1b[0m\n"
	if b.String() != want {
		t.Errorf("output = %q, want %q", b.String(), want)
	}
}

func TestOwnSettingsAreDocumented(t *testing.T) {
	for name, b := range config.OwnBlocks() {
		var check func(schema.Block)
		check = func(b schema.Block) {
			for _, a := range b.Attributes {
				if a.Doc == "" {
					t.Errorf("%s: attribute %q is not documented", name, a.Name)
				}
			}
			for _, bt := range b.Blocks {
				if bt.Doc == "" {
					t.Errorf("%s: block %q is not documented", name, bt.Name)
				}
				check(bt.Block)
			}
		}
		check(b)
	}
}
