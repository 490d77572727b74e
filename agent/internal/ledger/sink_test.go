package ledger_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// fakeSink keeps what it is given, and answers as told.
type fakeSink struct {
	batches []sdk.Batch
	result  sdk.Result
	err     error
}

func (s *fakeSink) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	s.batches = append(s.batches, b)
	return s.result, s.err
}

// batch ends split a, with two events, and holds one of two events of split b.
func batch() sdk.Batch {
	return sdk.Batch{
		Pipeline: "audit",
		Events:   []sdk.Event{{ID: "1", Raw: []byte("one")}, {ID: "2", Raw: []byte("two")}, {ID: "3", Raw: []byte("three")}},
		Spans:    []sdk.Span{{Source: "s3", Split: "a", Len: 2}, {Source: "s3", Split: "b", Len: 1}},
		Completed: []sdk.Completion{
			{Source: "s3", Split: sdk.Split{ID: "a"}, Filter: "f1", Status: sdk.StatusStored, Read: 4, Filtered: 1},
		},
		Quarantine: []sdk.Quarantined{{Source: "s3", Split: "a", EventID: "0", Reason: "odd", Raw: []byte("nought")}},
	}
}

func kept(t *testing.T, f *ledger.File) map[string]string {
	t.Helper()
	got := map[string]string{}
	if err := f.Quarantine(t.Context(), func(q ledger.Kept) error {
		got[q.Split+"/"+q.EventID] = q.Reason + ": " + string(q.Raw)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestASplitIsRecordedOnceItsEventsAreAcknowledged(t *testing.T) {
	f := newFile(t.TempDir())
	out := &fakeSink{err: errors.New("down")}
	s := f.Sink("out", out)
	if _, err := s.Write(t.Context(), batch()); !errors.Is(err, out.err) {
		t.Fatalf("Write = %v", err)
	}
	if got := done(t, f, "f1", "a"); got[0] != sdk.SplitNew {
		t.Error("recorded without an acknowledgement")
	}
	out.err = nil
	if _, err := s.Write(t.Context(), batch()); err != nil {
		t.Fatal(err)
	}
	if got := done(t, f, "f1", "a", "b"); got[0] != sdk.SplitDone || got[1] != sdk.SplitNew {
		t.Errorf("states %v", got)
	}
	b := out.batches[1]
	if len(b.Events) != 3 || len(b.Spans) != 2 || b.Pipeline != "audit" || b.Completed != nil || b.Quarantine != nil {
		t.Errorf("the sink got %+v", b)
	}
}

func TestRefusedEventsAreKeptAsideAndCounted(t *testing.T) {
	f := newFile(t.TempDir())
	out := &fakeSink{result: sdk.Result{
		Rejected: []sdk.Reject{{Index: 2, Reason: "too long"}, {Index: 0, Reason: "too short"}},
		New:      []bool{false, false, false},
	}}
	if _, err := f.Sink("out", out).Write(t.Context(), batch()); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a/0": "odd: nought", "a/1": "too short: one", "b/3": "too long: three"}
	if d := cmp.Diff(want, kept(t, f)); d != "" {
		t.Error(d)
	}
}

func TestASplitThatDoesNotAddUpIsNotRecorded(t *testing.T) {
	f := newFile(t.TempDir())
	b := batch()
	b.Completed[0].Read++
	if _, err := f.Sink("out", &fakeSink{}).Write(t.Context(), b); err == nil {
		t.Error("no error")
	}
	if got := done(t, f, "f1", "a"); got[0] != sdk.SplitNew {
		t.Error("recorded")
	}
}

func TestASinkIsNotCalledForALedgerEntryAlone(t *testing.T) {
	f := newFile(t.TempDir())
	out := &fakeSink{}
	b := batch()
	b.Events, b.Spans = nil, nil
	b.Completed[0].Stored = 2
	if _, err := f.Sink("out", out).Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(out.batches) > 0 {
		t.Error("the sink was called")
	}
	if got := done(t, f, "f1", "a"); got[0] != sdk.SplitDone {
		t.Error("not recorded")
	}
}

func TestAWriteFailsIfItsEndCannotBeRecorded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := &fakeSink{}
	f, b := newFile(file), batch()
	s := f.Sink("out", out)
	for range 3 {
		if _, err := s.Write(t.Context(), b); err == nil {
			t.Error("a split was settled that no ledger knows")
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), b); err != nil {
		t.Error(err)
	}
	if got := done(t, f, "f1", "a"); got[0] != sdk.SplitDone {
		t.Error("not recorded")
	}
	if len(out.batches) != 1 {
		t.Errorf("the sink got the batch %d times, want once: it had it", len(out.batches))
	}
	if _, err := s.Write(t.Context(), b); err != nil || len(out.batches) != 2 {
		t.Errorf("%d writes, %v; want a second one, for nothing is open any more", len(out.batches), err)
	}
}
