package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

const groupID = "0f8fad5b-d9cb-469f-a165-70867728950e"

// options are those of the golden files. A file whose name contains "strict" is read
// in strict mode.
func options(file string) config.Options {
	env := map[string]string{
		"GROUP_ID":            groupID,
		"LOG_LEVEL":           "INFO",
		"COLLECTION_INTERVAL": "300",
		"BATCH_SIZE":          "100",
		"NOT_A_NUMBER":        "hunter2-by-mistake",
		"TOKEN":               "hunter2-token",
		"BAD_UTF8":            "hunter2\xff",
	}
	return config.Options{
		Env: func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		},
		CredentialsDir: "testdata/credentials",
		Strict:         strings.Contains(filepath.Base(file), "strict"),
		Now:            time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Catalog:        newCatalog,
	}
}

// faultFiles are the files under testdata/faults. Each has what is printed about it in a
// .txt file beside it.
func faultFiles(t *testing.T) []string {
	t.Helper()
	hcl, err := filepath.Glob("testdata/faults/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := filepath.Glob("testdata/faults/*.hcl.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(hcl) == 0 || len(inJSON) == 0 {
		t.Fatal("testdata/faults is empty")
	}
	return append(hcl, inJSON...)
}

func printed(d config.Diagnostics) string {
	var b bytes.Buffer
	d.Print(&b, false)
	return b.String()
}

func TestEveryFaultIsReportedAtItsPlace(t *testing.T) {
	for _, file := range faultFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, diags := config.Load(file, options(file))
			if (c == nil) != diags.HasErrors() {
				t.Errorf("Load returns a configuration: %v, errors: %v", c != nil, diags.HasErrors())
			}
			got := printed(diags)
			golden := file + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// Every secret in the files, the environment and the credentials contains this text.
const canary = "hunter2"

func TestSecretsAreNeverPrinted(t *testing.T) {
	for _, file := range faultFiles(t) {
		_, diags := config.Load(file, options(file))
		asJSON, err := json.Marshal(diags)
		if err != nil {
			t.Fatal(err)
		}
		var colored bytes.Buffer
		diags.Print(&colored, true)
		for _, text := range []string{printed(diags), string(asJSON), colored.String()} {
			if at := strings.Index(text, canary); at >= 0 {
				t.Errorf("%s: the output quotes a secret:\n%s", file, text[max(0, at-200):at+len(canary)])
			}
		}
	}
}

func TestOutputIsTheSameEachTime(t *testing.T) {
	for _, file := range faultFiles(t) {
		_, first := config.Load(file, options(file))
		for range 30 {
			if _, again := config.Load(file, options(file)); printed(again) != printed(first) {
				t.Fatalf("%s: output differs:\n%s\n%s", file, printed(first), printed(again))
			}
		}
	}
}
