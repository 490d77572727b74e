package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

// An author is somebody who writes a plugin: a folder with a checkout of what the SDK
// is made of, and the agent in PATH.
type author struct{ dir string }

// knowAllModules has go learn what every module of the agent needs, down to those that are
// in none of its packages: it looks at them when an author's module is made. On a machine
// that has built the agent and nothing else they are not all there, and what is there is
// not asked for again, so that this needs a network once at most.
var knowAllModules = sync.OnceValue(func() error {
	cmd := exec.Command("go", "list", "-m", "all")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go list -m all: %w\n%s", err, out)
	}
	return nil
})

func newAuthor(t *testing.T) author {
	t.Helper()
	if err := knowAllModules(); err != nil {
		t.Fatal(err)
	}
	// t.TempDir is too deep for the path of a socket.
	dir, err := os.MkdirTemp("", "author-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := author{dir: filepath.Join(dir, "inu-logsmith")}
	// A copy, and not the checkout itself: go test takes note of the files that are read.
	if err := os.CopyFS(filepath.Join(a.dir, "sdk"), os.DirFS("../sdk")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// types runs commands in one shell, as an author would type them.
func (a author) types(t *testing.T, commands ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-ec", strings.Join(commands, "\n"))
	cmd.Dir = a.dir
	// What it needs of other modules is there: see knowAllModules.
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", strings.Join(commands, "\n"), err, out)
	}
	return string(out)
}

// stored are the IDs in the file that a scaffold's sink writes.
func (a author) stored(t *testing.T, file string) []string {
	t.Helper()
	ids, err := sdktest.IDs(filepath.Join(a.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// blockAfter is the first block in a language after a heading.
func blockAfter(t *testing.T, file, heading, language string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(text, []byte(heading+"\n"))
	_, rest, opened := bytes.Cut(rest, []byte("```"+language+"\n"))
	block, _, closed := bytes.Cut(rest, []byte("\n```"))
	if !found || !opened || !closed {
		t.Fatalf("%s has no block of %s after %q", file, language, heading)
	}
	return string(block)
}

func TestTheFirstSinkTakesFiveCommands(t *testing.T) {
	t.Parallel()
	commands := strings.Split(blockAfter(t, "../sdk/README.md", "## Your first sink", "sh"), "\n")
	if len(commands) > 5 {
		t.Errorf("%d commands: %q", len(commands), commands)
	}
	a := newAuthor(t)
	a.types(t, commands...)
	if ids := a.stored(t, "agent-sink-hello/hello.jsonl"); len(ids) != 2 {
		t.Errorf("stored %q, want two events", ids)
	}
	// And the checks of the contract, as they are printed for any language.
	kit := blockAfter(t, "../sdk/README.md", "`-stored` prints what the destination holds, a record or an event's ID on each line.", "sh")
	a.types(t, "cd agent-sink-hello", `echo 'sink "hello" { path = "test.jsonl" }' >sink.hcl`, kit)
}

func TestAWholeSinkHasTwentyFiveLines(t *testing.T) {
	t.Parallel()
	program := blockAfter(t, "../sdk/README.md", "## A whole sink", "go")
	lines := 0
	for line := range strings.Lines(program) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 25 {
		t.Errorf("%d lines", lines)
	}
	a := newAuthor(t)
	a.types(t, "agent plugin new sink lines -sdk .", "rm agent-sink-lines/main_test.go agent-sink-lines/sample/*")
	var trail bytes.Buffer
	if err := json.NewEncoder(&trail).Encode(map[string]any{"Records": rawOf(sdktest.Events(100))}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.go": program + "\n", "sample/trail.json": trail.String()} {
		if err := os.WriteFile(filepath.Join(a.dir, "agent-sink-lines", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.types(t, "cd agent-sink-lines", "go get .", `test -z "$(gofmt -l .)"`, "go vet .", "go build", "agent -mode once")
	if ids := a.stored(t, "agent-sink-lines/lines.jsonl"); len(ids) != 100 {
		t.Errorf("%d events are stored, want 100", len(ids))
	}
}

func rawOf(events []sdk.Event) (records []json.RawMessage) {
	for _, e := range events {
		records = append(records, e.Raw)
	}
	return records
}

func TestANewSinkInGoPassesItsOwnTests(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	a.types(t,
		"agent plugin new sink hello -sdk . -module example.com/my/hello -dir elsewhere/hello",
		"cd elsewhere/hello",
		"go get .",
		`test -z "$(gofmt -l .)"`,
		"go vet ./...",
		"go test ./...",
		"go build -o agent-sink-hello",
		"agent validate",
		"agent -mode once",
		"agent plugin describe ./agent-sink-hello",
	)
	if ids := a.stored(t, "elsewhere/hello/hello.jsonl"); len(ids) != 2 {
		t.Errorf("stored %q, want two events", ids)
	}
}

func TestANewSourceInGoPassesItsOwnTests(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	a.types(t,
		"agent plugin new -sdk . source hello",
		"cd agent-source-hello",
		"go get .",
		`test -z "$(gofmt -l .)"`,
		"go vet ./...",
		"go test ./...",
		"go build",
		"agent validate",
		"agent -mode once -dry-run >events",
	)
	if ids := a.stored(t, "agent-source-hello/events"); len(ids) != 2 {
		t.Errorf("a dry run prints %q, want two events", ids)
	}
}

func TestANewSinkInPythonPassesItsOwnTests(t *testing.T) {
	t.Parallel()
	if ok, err := exampleCondition("python"); !ok {
		if err != nil {
			t.Fatal(err)
		}
		t.Skip("install python3-grpcio and python3-cryptography")
	}
	a := newAuthor(t)
	out := a.types(t,
		"agent plugin new sink hello -lang python",
		"cd agent-sink-hello",
		"make",
		"agent -mode once",
		"make test",
	)
	if ids := a.stored(t, "agent-sink-hello/hello.jsonl"); len(ids) != 2 {
		t.Errorf("stored %q, want two events", ids)
	}
	if !strings.Contains(out, " 0 failed,") {
		t.Errorf("make test:\n%s", out)
	}
}

// The SDK for Python exists once; the example and the scaffold have copies.
func TestTheExampleHasTheSDKForPython(t *testing.T) {
	for _, name := range []string{"agent_plugin.py", "plugin_pb2.py"} {
		want, err := os.ReadFile(filepath.Join("../sdk/python", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../examples/agent-sink-python/sink", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("examples/agent-sink-python/sink/%s is not sdk/python/%[1]s (%v): copy it", name, err)
		}
	}
}
