package config_test

import (
	"os"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"testdata/good", "testdata/faults"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			src, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, false)
			f.Add(src, true)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		file := "agent.hcl"
		if json {
			file = "agent.hcl.json"
		}
		c, diags := config.Parse(file, src, options(file))
		if (c == nil) != diags.HasErrors() {
			t.Errorf("configuration: %v, errors: %v", c != nil, diags.HasErrors())
		}
		_, again := config.Parse(file, src, options(file))
		if printed(diags) != printed(again) {
			t.Errorf("output differs:\n%s\n%s", printed(diags), printed(again))
		}
	})
}
