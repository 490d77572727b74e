package daemon_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
)

func TestASinkWithoutALedgerIsGivenEachSplitOnce(t *testing.T) {
	state, out := stateDir(t), filepath.Join(t.TempDir(), "out")
	c := configuration(state, carry("p", "lines", linesTo(out)))
	d, err := once(t, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids, total := written(t, out); len(ids) != 200 || total != 200 {
		t.Errorf("%d lines with %d ids", total, len(ids))
	}
	if _, stats := d.Stats(); stats[0].Settled != 20 || stats[0].Sinks[0].Stored != 200 {
		t.Errorf("first run %+v", stats[0])
	}
	d, err = once(t, c, nil)
	if _, stats := d.Stats(); err != nil || stats[0].Known != 20 || stats[0].Taken != 0 {
		t.Errorf("second run %+v, %v", stats[0], err)
	}
	if _, total := written(t, out); total != 200 {
		t.Errorf("%d lines after the second run", total)
	}
}

func TestALostLedgerCostsReadingAgain(t *testing.T) {
	state, out := stateDir(t), filepath.Join(t.TempDir(), "out")
	c := configuration(state, carry("p", "lines", linesTo(out)))
	for _, spoil := range []func(db string) error{
		os.Remove,
		func(db string) error { return os.WriteFile(db, []byte(strings.Repeat("noise", 5000)), 0o600) },
		func(db string) error { return os.Truncate(db, 5000) },
	} {
		if _, err := once(t, c, nil); err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Join(state, "ledger.db")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := once(t, c, nil); err != nil {
		t.Fatal(err)
	}
	if ids, total := written(t, out); len(ids) != 200 || total != 800 {
		t.Errorf("%d lines with %d ids", total, len(ids))
	}
}

func TestWhatASinkWithoutALedgerRefusesIsKeptAside(t *testing.T) {
	state, out := stateDir(t), filepath.Join(t.TempDir(), "out")
	settings := to(map[string]any{"path": out, "refuse": ".7"})
	d, err := once(t, configuration(state, carry("p", "lines", settings)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, stats := d.Stats(); stats[0].Sinks[0].Stored != 180 || stats[0].Sinks[0].Quarantined != 20 {
		t.Errorf("stats %+v", stats[0])
	}
	kept := 0
	err = ledger.New(state, slog.New(slog.DiscardHandler)).Quarantine(t.Context(), func(q ledger.Kept) error {
		kept++
		if want := fmt.Sprintf(`{"id":"%s.7"}`, q.Split); q.Pipeline != "p" || q.Sink != "lines" || q.Reason != "refused" || string(q.Raw) != want {
			t.Errorf("kept %+v", q)
		}
		return nil
	})
	if err != nil || kept != 20 {
		t.Errorf("%d kept, %v", kept, err)
	}
}

func TestAStateFolderThatCannotBeWrittenStopsOnlyWhatNeedsIt(t *testing.T) {
	state := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	_, err := once(t, configuration(state, carry("p", "lines", linesTo(out))), nil)
	if err == nil || !strings.Contains(err.Error(), "set state_dir") || !strings.Contains(err.Error(), state) {
		t.Errorf("Run = %v", err)
	}
	if _, total := written(t, out); total > 0 {
		t.Errorf("%d events were written that no ledger would know", total)
	}
}

func TestAnExternalSinkKilledInTheMiddleGetsEverything(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "agent-sink-external")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\nexec '%s' external\n", self), 0o700); err != nil {
		t.Fatal(err)
	}
	sum, err := catalog.Checksum(program)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	c := configuration(stateDir(t), carry("p", "external", linesTo(out)))
	c.Pipelines[0].Batch.MaxEvents = 10
	c.Plugins = []config.Plugin{{Type: "external", Path: program, SHA256: sum}}
	d, err := daemon.New(c, plugins(), daemon.Options{Once: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- d.Run(t.Context()) }()
	until(t, "written to", func() bool { _, total := written(t, out); return total > 0 })
	for _, s := range d.Plugins() {
		if s.Type == "external" {
			_ = syscall.Kill(s.PID, syscall.SIGKILL)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// At least once: what a killed write had stored may be there twice.
	if ids, _ := written(t, out); len(ids) != 200 {
		t.Errorf("%d ids", len(ids))
	}
}
