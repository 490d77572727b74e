package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

var (
	sumA = strings.Repeat("a", 64)
	sumB = strings.Repeat("b", 64)
)

func TestPinWritesAChecksumAndNothingElse(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{
			"below the path, with its indentation",
			"# mine\nplugin \"x\" {\n\tpath   = env(\"P\") # where\n\n\targs = []\n}\n\n\n",
			"# mine\nplugin \"x\" {\n\tpath   = env(\"P\") # where\n\tsha256 = \"A\"\n\n\targs = []\n}\n\n\n",
		},
		{
			"at the start of a block without a path",
			"plugin \"x\" { # in the folder\n}\n",
			"plugin \"x\" { # in the folder\n  sha256 = \"A\"\n}\n",
		},
		{
			"in the place of another one",
			"plugin \"x\" {\n  sha256 =   \"" + sumB + "\"   // old\n}",
			"plugin \"x\" {\n  sha256 =   \"A\"   // old\n}",
		},
		{
			"into a block in one line",
			"plugin \"x\" { path = \"/p\" }\nplugin \"y\" {}\n",
			"plugin \"x\" {\n  path = \"/p\"\n  sha256 = \"A\"\n}\nplugin \"y\" {\n  sha256 = \"B\"\n}\n",
		},
		{
			"with the file's own line ends",
			"plugin \"x\" {\r\n  path = \"/p\"\r\n}\r\n",
			"plugin \"x\" {\r\n  path = \"/p\"\r\n  sha256 = \"A\"\r\n}\r\n",
		},
		{
			"in a block of its own",
			"agent {\n}",
			"agent {\n}\n\nplugin \"x\" {\n  sha256 = \"A\"\n}\n",
		},
		{
			"only into the block of its type",
			"plugin \"z\" {\n}\n/* plugin \"x\" { */\nplugin \"x\" {\n}\n",
			"plugin \"z\" {\n}\n/* plugin \"x\" { */\nplugin \"x\" {\n  sha256 = \"A\"\n}\n",
		},
		{
			"below a path that is a heredoc",
			"plugin \"x\" {\n  path = <<P\n/p\nP\n}\n",
			"plugin \"x\" {\n  path = <<P\n/p\nP\n  sha256 = \"A\"\n}\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sums := map[string]string{"x": sumA}
			if strings.Contains(tc.src, `"y"`) {
				sums["y"] = sumB
			}
			got, err := config.Pin("agent.hcl", []byte(tc.src), sums)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer(`"A"`, `"`+sumA+`"`, `"B"`, `"`+sumB+`"`).Replace(tc.want)
			if d := cmp.Diff(want, string(got)); d != "" {
				t.Error(d)
			}
			if again, err := config.Pin("agent.hcl", got, sums); err != nil || string(again) != string(got) {
				t.Errorf("a second time: %v\n%s", err, again)
			}
		})
	}
}

func TestPinRefusesWhatItCannotWrite(t *testing.T) {
	for name, tc := range map[string]struct{ file, src string }{
		"JSON":            {"agent.hcl.json", `{}`},
		"a syntax error":  {"agent.hcl", `plugin "x" {`},
		"a computed sum":  {"agent.hcl", "plugin \"x\" {\n  sha256 = env(\"SUM\")\n}"},
		"two of the type": {"agent.hcl", "plugin \"x\" {\n}\nplugin \"x\" {\n sha256 = \"" + sumB + "\"\n}"},
	} {
		if out, err := config.Pin(tc.file, []byte(tc.src), map[string]string{"x": sumA}); err == nil {
			t.Errorf("%s: no error\n%s", name, out)
		}
	}
}

func TestPinOfTheExampleChangesOneBlock(t *testing.T) {
	src, err := os.ReadFile("../../../agent.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	out, err := config.Pin("agent.hcl", src, map[string]string{"x": sumA})
	if err != nil || !strings.HasPrefix(string(out), string(src)) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestProgramsAreReadWhereLoadFindsFaults(t *testing.T) {
	src := `
agent { plugin_dir = "/opt/plugins" }
plugin "x" { path = "/p" }
pipeline "p" {
  source "s3" { bukket = 1 }
  sink "x" {}
}
nonsense {}
`
	p, diags := config.ReadPrograms("agent.hcl", []byte(src), config.Options{Strict: true})
	if diags.HasErrors() {
		t.Fatal(printed(diags))
	}
	if p.Agent.PluginDir != "/opt/plugins" || len(p.Plugins) != 1 || p.Plugins[0].Path != "/p" {
		t.Errorf("programs %+v", p)
	}
	if len(p.Used) != 2 || p.Used[0].Kind != "source" || p.Used[1].Type != "x" || p.Used[1].Pos.Line != 6 {
		t.Errorf("used %+v", p.Used)
	}
}

func TestProgramsAreNotReadFromAFileWithFaultyPluginBlocks(t *testing.T) {
	for _, src := range []string{`plugin "x" {`, `plugin "x" { path = env("NOT_SET") }`, `plugin "x" { pth = "/p" }`} {
		env := func(string) (string, bool) { return "", false }
		if _, diags := config.ReadPrograms("agent.hcl", []byte(src), config.Options{Strict: true, Env: env}); !diags.HasErrors() {
			t.Errorf("%s: no fault", src)
		}
	}
}
