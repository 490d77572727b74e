package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// serveSink makes this program a sink of somebody else: it appends records to a file,
// rejects some, and fails while another file is there.
func serveSink() { plugin.ServeSink("chaos", "1.0.0", openSink) }

type sinkSettings struct {
	Path    string        `agent:"path" desc:"File to append records to."`
	Down    string        `agent:"down" optional:"true" desc:"While this file is there every write fails."`
	Delay   time.Duration `agent:"delay" default:"0s" desc:"How long each write takes."`
	Rejects bool          `agent:"rejects" default:"false" desc:"Reject some records."`
}

type fileSink struct {
	settings sinkSettings
	file     *os.File
}

func openSink(_ context.Context, s sinkSettings) (sdk.Sink, error) {
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A kill may have left a part of a line, which was not acknowledged.
	text, err := os.ReadFile(s.Path)
	if err == nil {
		err = f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1))
	}
	return &fileSink{settings: s, file: f}, err
}

func (s *fileSink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	select {
	case <-time.After(s.settings.Delay):
	case <-ctx.Done():
		return sdk.Result{}, context.Cause(ctx)
	}
	if _, err := os.Stat(s.settings.Down); s.settings.Down != "" && err == nil {
		return sdk.Result{}, errors.New("down, as told")
	}
	var result sdk.Result
	var lines bytes.Buffer
	for i, e := range b.Events {
		if s.settings.Rejects && rejected(e.ID) {
			result.Rejected = append(result.Rejected, sdk.Reject{Index: i, Reason: "rejected, as told"})
			continue
		}
		if err := json.Compact(&lines, e.Raw); err != nil {
			return sdk.Result{}, err
		}
		lines.WriteByte('\n')
	}
	if _, err := s.file.Write(lines.Bytes()); err != nil {
		return sdk.Result{}, err
	}
	return result, s.file.Sync()
}

func (s *fileSink) Close() error { return s.file.Close() }

// rejected are some of the events, always the same ones.
func rejected(id string) bool { return strings.HasPrefix(id, "a0") }

// pluginBlock has the agent use this program as a plugin.
func pluginBlock() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("plugin \"chaos\" {\n  path = %q\n  args = [\"sink\"]\n  allow_unpinned = true\n}\n", self)
}

// fanConfig has three sinks: two groups of a database, each over a link of its own, and
// a program of somebody else that keeps no ledger.
func fanConfig(settings string) string {
	other := strings.NewReplacer(`"RDS_PORT"`, `"OTHER_PORT"`, `"GROUP_ID"`, `"OTHER_GROUP_ID"`,
		`sink "rds_direct" {`, "sink \"rds_direct\" {\n    name = \"other\"").Replace(rdsBlock)
	sink := "  sink \"chaos\" {\n    path = \"lines.jsonl\"\n    down = \"down\"\n" + settings + "  }\n"
	return pluginBlock() + strings.Replace(defaultConfig, rdsBlock, rdsBlock+other+sink, 1)
}

// fanOut has one of three sinks away, slow, and picky. None may miss an event for it.
func fanOut(t *trial) error {
	if err := t.Configure(fanConfig("    rejects = true\n    delay = \"100ms\"\n")); err != nil {
		return err
	}
	t.checked = []string{t.Group, t.OtherGroup}
	if err := t.busy(); err != nil {
		return err
	}
	t.Other.Down()
	t.hit()
	t.pause(5 * time.Second)
	if err := t.Other.Up(); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	down := filepath.Join(t.Dir, "down")
	if err := os.WriteFile(down, nil, 0o600); err != nil {
		return err
	}
	if err := t.until("the sink fails", livenessLimit, func() bool { return t.agent.Says("down, as told") > 0 }); err != nil {
		return errVoid("%v", err)
	}
	t.hit()
	t.pause(3 * time.Second)
	if err := os.Remove(down); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	if err := t.crash(); err != nil {
		return err
	}
	t.compareLines(rejected)
	return nil
}

// compareLines has the trial wait for the third sink, and compare what it has.
func (t *trial) compareLines(rejects func(id string) bool) {
	var last time.Time
	t.drained = func() bool {
		if time.Since(last) < 200*time.Millisecond { // each look reads two files
			return false
		}
		d, err := t.difference(rejects)
		last = time.Now()
		return err == nil && d.Lost == 0
	}
	t.after = func() error { return t.checkLines(rejects) }
}

func (t *trial) difference(rejects func(id string) bool) (*oracle.Difference, error) {
	return t.Manifest.CheckLines(filepath.Join(t.Dir, "lines.jsonl"), func(r oracle.Issued) bool { return rejects(r.ID) })
}

// checkLines compares what the third sink has: everything but what it rejected, and
// that is what the agent keeps aside.
func (t *trial) checkLines(rejects func(id string) bool) error {
	d, err := t.difference(rejects)
	if err != nil {
		return err
	}
	t.note("the third sink has %d different records", d.Rows)
	t.report.Lost += d.Lost
	t.report.Unknown += d.Unknown
	t.report.Corrupt += d.Corrupt
	t.report.Examples = append(t.report.Examples, d.Examples...)
	return nil
}

// stateDamaged kills the agent and spoils the ledger that it keeps for a sink which has
// none, in every way that a disk can.
func stateDamaged(t *trial) error {
	if err := t.Configure(fanConfig("")); err != nil {
		return err
	}
	t.checked = []string{t.Group, t.OtherGroup}
	t.compareLines(func(string) bool { return false })
	if err := t.busy(); err != nil {
		return err
	}
	ledger := filepath.Join(t.StateDir(), "ledger.db")
	yesterday, err := os.ReadFile(ledger)
	if err != nil {
		return errVoid("the agent keeps no ledger: %v", err)
	}
	damages := []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"zeroed", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"cut off in the middle", func(b []byte) []byte { return b[:len(b)/2/4096*4096] }},
		{"cut off within a page", func(b []byte) []byte { return b[:len(b)-100] }},
		{"empty", func([]byte) []byte { return nil }},
		{"a bit flipped", func(b []byte) []byte { b[t.rnd.IntN(len(b))] ^= 1 << t.rnd.IntN(8); return b }},
		{"a page zeroed", func(b []byte) []byte { at := t.rnd.IntN(len(b)/4096) * 4096; clear(b[at : at+4096]); return b }},
		{"yesterday's copy", func([]byte) []byte { return yesterday }},
		{"something else", func([]byte) []byte { return []byte("no ledger at all\n") }},
	}
	for i := range max(t.kills, len(damages)) {
		d := damages[i%len(damages)]
		began := time.Now()
		pids := t.agent.Children()
		if !t.agent.Kill9() {
			return fmt.Errorf("the agent ended by itself")
		}
		t.killed()
		if err := stage.Gone(t.ctx, pids); err != nil {
			t.wrong("%v", err)
		}
		whole, err := os.ReadFile(ledger)
		if err != nil {
			return err
		}
		if err := os.WriteFile(ledger, d.damage(whole), 0o600); err != nil {
			return err
		}
		t.hit()
		if err := t.start(); err != nil {
			return err
		}
		if err := t.recovered(began); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	if n := t.agent.Says("panic"); n > 0 {
		t.wrong("%d panics in the log", n)
	}
	return nil
}
