package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each recipe of docs/filters.md keeps those events of testdata/recipes.json that are
// made for it to keep, and no other of its own.
func TestTheRecipesForFiltersKeepWhatTheySay(t *testing.T) {
	page, err := os.ReadFile("docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Recipes")
	recipes := regexp.MustCompile("(?ms)^\\*\\*(\\d+)\\. .*?^```hcl\n(.*?)^```").FindAllStringSubmatch(section, -1)
	if len(recipes) < 20 {
		t.Fatalf("%d recipes, want at least 20", len(recipes))
	}
	src, err := os.ReadFile("testdata/recipes.json")
	if err != nil {
		t.Fatal(err)
	}
	var log struct{ Records []json.RawMessage }
	if err := json.Unmarshal(src, &log); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var config strings.Builder
	for _, r := range recipes {
		writeRecipe(t, &config, dir, r[1], r[2], log.Records)
	}
	file := filepath.Join(dir, "agent.hcl")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := agentCommand(t, dir, append(os.Environ(), "GORACE=atexit_sleep_ms=0"), "test", "-config", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d passed, 0 failed", len(recipes))) {
		t.Errorf("%v\n%s", err, out)
	}
}

// writeRecipe adds a pipeline with the recipe's filter, and a test of it.
func writeRecipe(t *testing.T, config *strings.Builder, dir, number, filter string, records []json.RawMessage) {
	t.Helper()
	var own []json.RawMessage
	var kept []string
	dropped := 0
	for _, r := range records {
		var e struct{ EventID string }
		if err := json.Unmarshal(r, &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(e.EventID, number+"-keep"):
			kept = append(kept, e.EventID)
		case strings.HasPrefix(e.EventID, number+"-drop"):
			dropped++
		default:
			continue
		}
		own = append(own, r)
	}
	if len(kept) == 0 || dropped == 0 {
		t.Errorf("recipe %s has %d events to keep and %d to drop, want some of both", number, len(kept), dropped)
	}
	input, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, number+".json"), input, 0o600); err != nil {
		t.Fatal(err)
	}
	ids, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(config, `
pipeline "recipe-%[1]s" {
  source "file" { paths = ["none"] }
  %[2]s
  sink "rds_direct" {
    host     = "db"
    group_id = "3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11"
  }
}

test "recipe %[1]s" {
  pipeline = "recipe-%[1]s"
  input    = file("%[1]s.json")
  expect {
    event_ids = %[3]s
    filtered  = %[4]d
  }
}
`, number, filter, ids, dropped)
}
