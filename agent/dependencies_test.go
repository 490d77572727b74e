package main

import (
	"os"
	"path"
	"strings"
	"testing"
)

// Each direct dependency has a line in docs/dependencies.md that says what it is for and
// why it is this one, and each line has its dependency.
func TestEachDirectDependencyHasItsReason(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := directModules(t, "../go.mod")
	if len(direct) < 20 {
		t.Fatalf("found only %v", direct)
	}
	direct = append(direct, directModules(t, "chaos/go.mod")...)
	rows := tableRows(string(page))
	used := make(map[int]bool)
	for _, m := range direct {
		found := false
		for i, row := range rows {
			if names(row[0], m) {
				found, used[i] = true, true
				if len(row) < 3 || row[1] == "" || row[2] == "" {
					t.Errorf("%s: its line %q does not say what for and why this one", m, strings.Join(row, "|"))
				}
			}
		}
		if !found {
			t.Errorf("%s has no line in docs/dependencies.md", m)
		}
	}
	for _, tool := range tools(t, "tools/go.mod") {
		found := false
		for i, row := range rows {
			if strings.Contains(row[0], "`"+path.Base(tool)+"`") {
				found, used[i] = true, true
			}
		}
		if !found {
			t.Errorf("the tool %s has no line in docs/dependencies.md", tool)
		}
	}
	for i, row := range rows {
		if strings.Contains(row[0], "/") && !used[i] {
			t.Errorf("docs/dependencies.md has a line for %s, which go.mod does not require", row[0])
		}
	}
}

// names reports whether a cell names a module: as `a/b/c`, or as `a/b` with `c`.
func names(cell, module string) bool {
	if strings.Contains(cell, "`"+module+"`") {
		return true
	}
	root, rest, found := strings.Cut(strings.Trim(cell, " "), "` with ")
	suffix, below := strings.CutPrefix(module, strings.TrimPrefix(root, "`")+"/")
	return found && below && strings.Contains("`"+rest, "`"+suffix+"`")
}

// directModules are the requirements of a go.mod that are not indirect.
func directModules(t *testing.T, file string) []string {
	t.Helper()
	var direct []string
	for _, line := range strings.Split(readFile(t, file), "\n") {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) == 2 && !strings.HasPrefix(fields[0], strings.TrimSuffix(module, "/")) && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") {
			direct = append(direct, fields[0])
		}
	}
	return direct
}

// tools are the tool lines of a go.mod.
func tools(t *testing.T, file string) []string {
	t.Helper()
	_, rest, _ := strings.Cut(readFile(t, file), "\ntool (\n")
	block, _, found := strings.Cut(rest, "\n)")
	if !found {
		t.Fatalf("%s has no tools", file)
	}
	return strings.Fields(block)
}

// tableRows are the cells of each row of a page's tables, without their heads.
func tableRows(page string) [][]string {
	var rows [][]string
	for _, line := range strings.Split(page, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
