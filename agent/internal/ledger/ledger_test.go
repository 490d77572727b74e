package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func newFile(dir string) *ledger.File { return ledger.New(dir, slog.New(slog.DiscardHandler)) }

// ended is a split that was read under a filter which left out some events.
func ended(split, filter string, filtered int64) sdk.Completion {
	return sdk.Completion{
		Source: "s3", Split: sdk.Split{ID: split, Bytes: 7}, Filter: filter, Status: sdk.StatusStored,
		Read: 10, Stored: 10 - filtered, Filtered: filtered,
	}
}

func record(t *testing.T, f *ledger.File, completed ...sdk.Completion) {
	t.Helper()
	if err := f.Record(t.Context(), "out", "audit", completed, nil); err != nil {
		t.Fatal(err)
	}
}

func done(t *testing.T, f *ledger.File, filter string, splits ...string) []sdk.SplitState {
	t.Helper()
	states, err := f.Done(t.Context(), "out", sdk.DoneQuery{Pipeline: "audit", Source: "s3", Filter: filter, Splits: splits})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

func TestASplitIsDoneUnderItsFilterOrIfNothingWasFiltered(t *testing.T) {
	f := newFile(t.TempDir())
	record(t, f, ended("all", "f1", 0), ended("some", "f1", 3), ended("twice", "f1", 3), ended("twice", "f2", 2))
	for _, tc := range []struct {
		split, filter string
		want          sdk.SplitState
	}{
		{"all", "f1", sdk.SplitDone},
		{"all", "f2", sdk.SplitDone},
		{"some", "f1", sdk.SplitDone},
		{"some", "f2", sdk.SplitFiltered},
		{"twice", "f2", sdk.SplitDone},
		{"twice", "f3", sdk.SplitFiltered},
		{"unheard of", "f1", sdk.SplitNew},
		{"al", "f1", sdk.SplitNew},
		{"", "f1", sdk.SplitNew},
	} {
		if got := done(t, f, tc.filter, tc.split); got[0] != tc.want {
			t.Errorf("%s under %s = %d, want %d", tc.split, tc.filter, got[0], tc.want)
		}
	}
}

func TestEntriesOfOtherPipelinesSinksAndSourcesDoNotCount(t *testing.T) {
	f := newFile(t.TempDir())
	record(t, f, ended("x", "f1", 0))
	for name, q := range map[string]struct {
		sink string
		sdk.DoneQuery
	}{
		"pipeline": {"out", sdk.DoneQuery{Pipeline: "other", Source: "s3", Splits: []string{"x"}}},
		"source":   {"out", sdk.DoneQuery{Pipeline: "audit", Source: "file", Splits: []string{"x"}}},
		"sink":     {"out-2", sdk.DoneQuery{Pipeline: "audit", Source: "s3", Splits: []string{"x"}}},
	} {
		states, err := f.Done(t.Context(), q.sink, q.DoneQuery)
		if err != nil || states[0] != sdk.SplitNew {
			t.Errorf("another %s: %v, %v", name, states, err)
		}
	}
}

func TestEntriesOutliveTheProcessThatWroteThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state") // made by the ledger
	long := strings.Repeat("k", 40_000)
	record(t, newFile(dir), ended("x", "f1", 3), ended(long, "f1", 0))
	record(t, newFile(dir), ended("x", "f1", 0)) // read again after a crash: the first entry stays
	if d := cmp.Diff([]sdk.SplitState{sdk.SplitFiltered, sdk.SplitDone}, done(t, newFile(dir), "f2", "x", long)); d != "" {
		t.Error(d)
	}
	fi, err := os.Stat(filepath.Join(dir, "ledger.db"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("ledger.db: %v, %v", fi, err)
	}
}

func TestARunByHandSharesTheFileWithTheService(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for process := range 4 { // each File locks as a process of its own would
		f := newFile(dir)
		for query := range 4 {
			wg.Go(func() {
				for i := range 5 {
					record(t, f, ended(fmt.Sprint(process, query, i), "f1", 0))
				}
			})
		}
	}
	wg.Wait()
	f := newFile(dir)
	for process := range 4 {
		for query := range 4 {
			for i := range 5 {
				if s := done(t, f, "f1", fmt.Sprint(process, query, i)); s[0] != sdk.SplitDone {
					t.Errorf("entry %d %d %d is lost", process, query, i)
				}
			}
		}
	}
}

func TestWhatIsKeptAsideKeepsItsBytes(t *testing.T) {
	f := newFile(t.TempDir())
	kept := []sdk.Quarantined{
		{Source: "s3", Split: "a", EventID: "1", Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Reason: "odd", Raw: []byte("{\"\xff\x00\":1}")},
		{Source: "s3", Split: "b", Reason: "not gzip"},
	}
	for range 2 { // a repetition is kept once
		if err := f.Record(t.Context(), "out", "audit", nil, kept); err != nil {
			t.Fatal(err)
		}
	}
	var got []sdk.Quarantined
	err := f.Quarantine(t.Context(), func(k ledger.Kept) error {
		if k.Pipeline != "audit" || k.Sink != "out" || time.Since(k.Recorded) > time.Hour {
			t.Errorf("kept %+v", k)
		}
		got = append(got, k.Quarantined)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(kept, got); d != "" {
		t.Error(d)
	}
}

func TestAStateFolderThatCannotBeWrittenIsExplained(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dirs := []string{filepath.Join(file, "state"), file}
	if os.Geteuid() != 0 {
		locked := filepath.Join(t.TempDir(), "locked")
		if err := os.Mkdir(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, locked)
	}
	for _, dir := range dirs {
		err := newFile(dir).Check(t.Context())
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "set state_dir") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestAQueryWaitsForTheFileOnlyAsLongAsItsContext(t *testing.T) {
	dir := t.TempDir()
	f := newFile(dir)
	if err := f.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock := holdLock(t, dir)
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() { result <- newFile(dir).Check(ctx) }()
	why := errors.New("no time")
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	unlock()
	if err := f.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
