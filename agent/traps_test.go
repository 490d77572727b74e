package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of what goes wrong in other plugin systems names the tests that hold it off.
// Each of them must be there.
func TestEachTrapHasItsTest(t *testing.T) {
	text, err := os.ReadFile("docs/decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \| .* \|$`).FindAllString(string(text), -1)
	if len(rows) != 30 {
		t.Errorf("%d rows, want 30", len(rows))
	}
	var tests strings.Builder
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		tests.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`)
	for _, row := range rows {
		names := name.FindAllString(row, -1)
		if len(names) == 0 && !strings.Contains(row, "cannot occur") {
			t.Errorf("neither a test nor a reason: %s", row)
		}
		for _, n := range names {
			if !strings.Contains(tests.String(), "func "+n+"(") {
				t.Errorf("there is no %s: %s", n, row)
			}
		}
	}
}
