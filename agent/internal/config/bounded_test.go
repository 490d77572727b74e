package config_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

func TestAFileThatWouldOverflowTheParsersStackIsAFault(t *testing.T) {
	const n = 200_000
	for name, tc := range map[string]struct{ file, src string }{
		"brackets":          {"agent.hcl", "x = " + strings.Repeat("[", n)},
		"parentheses":       {"agent.hcl", "agent {\n  state_dir = " + strings.Repeat("(", n)},
		"blocks":            {"agent.hcl", strings.Repeat("a {\n", n/2)},
		"closed brackets":   {"agent.hcl", "x = " + strings.Repeat("[", n) + strings.Repeat("]", n)},
		"templates":         {"agent.hcl", "x = " + strings.Repeat(`"${`, n/2)},
		"directives":        {"agent.hcl", "x = \"" + strings.Repeat(`%{if true}`, n/10)},
		"negations":         {"agent.hcl", "x = " + strings.Repeat("!", n) + "true"},
		"signs":             {"agent.hcl", "x = " + strings.Repeat("- ", n/2) + "1"},
		"sums":              {"agent.hcl", "x = 1" + strings.Repeat("+1", n)},
		"choices":           {"agent.hcl", "x = " + strings.Repeat("true ? 1 : ", n/10) + "1"},
		"JSON":              {"agent.hcl.json", strings.Repeat("[", n)},
		"JSON objects":      {"agent.hcl.json", strings.Repeat(`{"a":`, n/5)},
		"a template in one": {"agent.hcl.json", `{"agent": {"state_dir": "${` + strings.Repeat("(", n) + `}"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, diags := config.Parse(tc.file, []byte(tc.src), options(tc.file))
			if c != nil || len(diags) != 1 || diags[0].Summary != "Nested too deep" || diags[0].StartLine == 0 {
				t.Fatalf("Parse reports %.300v, want one fault with its place", diags)
			}
			if text := printed(diags); len(text) > 2000 {
				t.Errorf("%d bytes are printed about it", len(text))
			}
		})
	}
}

func TestNestingThatPeopleWriteIsNoFault(t *testing.T) {
	src := `agent { state_dir = "` + strings.Repeat(`${"`, 20) + "/x" + strings.Repeat(`"}`, 20) + `" }` + "\n" +
		`pipeline "a" {
  source "file" { paths = ["a"` + strings.Repeat(`, "b-c.d"`, 20_000) + `] }
  sink "webhook" { url = "https://example.org" }
}`
	if _, diags := config.Parse("agent.hcl", []byte(src), options("agent.hcl")); diags.HasErrors() {
		t.Errorf("faults: %.500v", diags)
	}
}

func TestWhatIsNoFileIsNotRead(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/dev/zero": "/dev/zero is a device, not a file",
		fifo:        fifo + " is a named pipe, not a file",
		dir:         dir + " is a directory, not a file",
		large:       large + " is larger than 1 MiB",
	} {
		c, diags := config.Load(path, options(path))
		if c != nil || !strings.Contains(printed(diags), want) {
			t.Errorf("Load reports %.300q, want %q", printed(diags), want)
		}
		if _, err := config.ReadEnvFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadEnvFile: %.300v, want %q", err, want)
		}
	}
}

func TestAPipeThatIsOpenIsRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := w.WriteString("NAME=value\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/dev/fd", strconv.Itoa(int(r.Fd())))
	vars, err := config.ReadEnvFile(path)
	if err != nil || vars["NAME"] != "value" {
		t.Errorf("ReadEnvFile = %v, %v", vars, err)
	}
}
