package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets this binary be the third sink of scenarios with several.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "sink" {
		serveSink() // never returns
	}
	os.Exit(m.Run())
}

// A plantedBug is one of the classic ways to lose or to double events. The agent under
// test is built with all of them; each sleeps until its file lies in the working
// directory. The sources themselves stay as they are: go build takes the changed ones
// from elsewhere (-overlay).
type plantedBug struct {
	name     string
	file     string
	old, new string
	imports  []string // to add to the file's
	scenario string
	kills    int
	found    func(*report) int
}

func lost(r *report) int       { return r.Lost }
func duplicated(r *report) int { return r.Duplicated }

func plantedBugs() []plantedBug {
	return []plantedBug{
		{
			name: "settle before write", scenario: "P1", kills: 8, found: lost,
			file: "agent/internal/pipeline/write.go",
			old:  "	if err := l.store(ctx, b); err != nil {\n		return err\n	}\n	l.durable(ctx, b)",
			new: `	if _, no := os.Stat("planted-settle-before-write"); no == nil {
		for _, s := range b.completes {
			_ = s.attempt.source.Plugin.Settle(ctx, []sdk.Settled{{Split: s.attempt.split}})
		}
	}
	if err := l.store(ctx, b); err != nil {
		return err
	}
	l.durable(ctx, b)`,
			imports: []string{"os"},
		},
		{
			name: "ledger entry before the rows", scenario: "P1", kills: 8, found: lost,
			file: "plugins/rdsdirect/sink.go",
			old:  "	err = store(s.history.expectsNew())\n	if errors.Is(err, errPresent) {\n		s.history.wasWrong()\n		err = store(false)\n	}\n",
			new: `	if _, no := os.Stat("planted-ledger-entry-before-the-rows"); no == nil && len(b.Completed) > 0 {
		early := sdk.Batch{Pipeline: b.Pipeline, Completed: append([]sdk.Completion(nil), b.Completed...)}
		for i := range early.Completed {
			c := &early.Completed[i]
			c.Duplicate = c.Read - c.Filtered - c.Stored - c.Quarantined
		}
		entries, err := newWrite(s.group, early)
		if err == nil {
			err = s.inTx(ctx, func(tx pgx.Tx) error { return s.store(ctx, tx, entries, false) })
		}
		if err != nil {
			return sdk.Result{}, err
		}
	}
	err = store(s.history.expectsNew())
	if errors.Is(err, errPresent) {
		s.history.wasWrong()
		err = store(false)
	}
	if _, no := os.Stat("planted-swallowed-write-error"); no == nil {
		err = nil
	}
`,
			imports: []string{"os"},
		},
		{
			name: "swallowed write error", scenario: "D1", kills: 1, found: lost,
			// Its code stands with the one before.
		},
		{
			name: "random ids", scenario: "P1", kills: 3, found: duplicated,
			file: "plugins/rdsdirect/identity.go",
			old:  "	return uuidV8(at, hash[:])",
			new: `	if _, no := os.Stat("planted-random-ids"); no == nil {
		random := uuid.New()
		return uuidV8(at, random[:])
	}
	return uuidV8(at, hash[:])`,
			imports: []string{"os"},
		},
		{
			name: "dropped retry", scenario: "S8", found: lost,
			file: "agent/internal/pipeline/fetch.go",
			old:  "		tr.failed()\n",
			new: `		tr.failed()
		if _, no := os.Stat("planted-dropped-retry"); no == nil && ctx.Err() == nil {
			return
		}
`,
			imports: []string{"os"},
		},
	}
}

func (b plantedBug) mark() string { return "planted-" + strings.ReplaceAll(b.name, " ", "-") }

// buildPlanted builds the agent with the bugs.
func buildPlanted(t *testing.T) (binary string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := make(map[string]string)
	for i, b := range plantedBugs() {
		if b.file == "" {
			continue
		}
		path := filepath.Join(root, b.file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), b.old); n != 1 {
			t.Fatalf("%s: %q stands %d times in %s: plant the bug where the code is now", b.name, b.old, n, b.file)
		}
		changed := strings.Replace(string(text), b.old, b.new, 1)
		for _, name := range b.imports {
			changed = strings.Replace(changed, "import (\n", fmt.Sprintf("import (\n	%q\n", name), 1)
		}
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[path], []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "agent")
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./agent")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// The harness is no better than what it finds.
func TestPlantedBugsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent and attacks it for a minute or two; run without -short")
	}
	binary := buildPlanted(t)
	try := func(t *testing.T, b plantedBug, mark string) *report {
		t.Helper()
		all := scenarios()
		for _, sc := range all {
			if sc.id != b.scenario {
				continue
			}
			o := settings{agent: binary, out: t.TempDir(), seed: 1, drain: 15 * time.Second, commit: "planted", mark: mark}
			return attempt(t.Context(), o, sc, b.kills)
		}
		t.Fatalf("no scenario %s", b.scenario)
		return nil
	}
	for _, b := range plantedBugs() {
		t.Run(b.name, func(t *testing.T) {
			r := try(t, b, b.mark())
			if b.found(r) == 0 {
				t.Errorf("not found by %s: %s, %s; lost %d, duplicated %d, hits %d", b.scenario, r.Verdict, r.Reason, r.Lost, r.Duplicated, r.Hits)
			}
			if r.Verdict != fail {
				t.Errorf("verdict %s, want %s", r.Verdict, fail)
			}
			t.Logf("lost %d, duplicated %d: %s", r.Lost, r.Duplicated, r.Reason)
		})
	}
	t.Run("none", func(t *testing.T) {
		if r := try(t, plantedBug{scenario: "P1", kills: 3}, ""); r.Verdict != pass {
			t.Errorf("without a bug: %s, %s\n%s", r.Verdict, r.Reason, strings.Join(append(r.Faults, r.Examples...), "\n"))
		}
	})
}
