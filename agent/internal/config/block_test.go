package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

func TestOneBlockIsReadFromAFile(t *testing.T) {
	const block = `sink "webhook" {
  name = "hook"
  url  = "https://example.org"
}
`
	for _, tc := range []struct{ name, text, want, env string }{
		{"that holds nothing else", block, `"url":"https://example.org"`, ""},
		{
			"that is a configuration", "agent {}\npipeline \"p\" {\n  source \"nobody_knows\" {}\n" + block + "}\nplugin \"x\" {}\n" +
				"plugin \"webhook\" {\n  allow_unpinned = true\n  env = { TOKEN = \"t\" }\n}\n",
			`"url":"https://example.org"`, "t",
		},
		{"with another block of its kind", "sink \"other\" {}\n" + block, `"url":"https://example.org"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, diags := loadBlock(t, tc.text)
			if len(diags) > 0 || !strings.Contains(string(b.Settings), tc.want) || strings.Contains(string(b.Settings), "name") {
				t.Errorf("settings %s, %s", b.Settings, printed(diags))
			}
			if tc.env != b.Env["TOKEN"] {
				t.Errorf("env %v, want TOKEN = %q", b.Env, tc.env)
			}
		})
	}
}

func TestFaultsOfOneBlockAreAtTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a typing error", "sink \"webhook\" {\n  ulr = \"x\"\n}\n", `sink.hcl:2,3-6: `},
		{"no such block", "sink \"other\" {}\n", `needs a block sink "webhook"`},
		{"no HCL", "sink {", "sink.hcl:1"},
		{"a fault that the plugin finds", "sink \"webhook\" {\n  url = \"https://fault.example.org\"\n}\n", "sink.hcl:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, diags := loadBlock(t, tc.text); !diags.HasErrors() || !strings.Contains(printed(diags), tc.want) {
				t.Errorf("diagnostics:\n%s\nwant %q", printed(diags), tc.want)
			}
		})
	}
	if _, diags := config.LoadBlock("no/such.hcl", "sink", "webhook", config.Options{Catalog: newCatalog}); !diags.HasErrors() {
		t.Error("a missing file has no fault")
	}
}

func loadBlock(t *testing.T, text string) (config.Block, config.Diagnostics) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sink.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.LoadBlock(file, "sink", "webhook", config.Options{Catalog: newCatalog, Strict: true})
}
