package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	sdktest.Sink(t, sdktest.Options{
		Settings: Settings{Path: path},
		Stored:   func(context.Context) ([]string, error) { return sdktest.IDs(path) },
	})
}

func TestATornLastLineIsCutOff(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct{ name, text, want string }{
		{"no file content", "", ""},
		{"whole lines", "{}\n{}\n", "{}\n{}\n"},
		{"a torn line", "{}\n{\"even", "{}\n"},
		{"nothing but a torn line", "{\"even", ""},
		{"a long torn line", "{}\n" + long, "{}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.jsonl")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := open(t.Context(), Settings{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.(*sink).Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tc.want {
				t.Errorf("file holds %d bytes, %v, want %q", len(got), err, tc.want)
			}
		})
	}
}

func TestAFolderThatIsMissingNeedsSomebodyToAct(t *testing.T) {
	if _, err := open(t.Context(), Settings{Path: filepath.Join(t.TempDir(), "no", "out.jsonl")}); !sdk.IsDenied(err) {
		t.Errorf("open = %v, want a denied error", err)
	}
}
