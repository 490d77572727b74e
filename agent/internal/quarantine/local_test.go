package quarantine_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/quarantine"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// local is a state folder in which a sink has refused two records of one split and one of
// another, and an object and a message could not be read.
func local(t *testing.T) (*quarantine.Local, *ledger.File) {
	t.Helper()
	dir := t.TempDir()
	file := ledger.New(dir, slog.New(slog.DiscardHandler))
	at := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	var completed []sdk.Completion
	for _, split := range []string{"one", "two", "three", "sqs:m"} {
		completed = append(completed, sdk.Completion{Source: "s3", Split: sdk.Split{ID: split}, Filter: "f", Status: sdk.StatusStored})
	}
	kept := []sdk.Quarantined{
		{Source: "s3", Split: "one", EventID: "a", Time: at, Reason: "too long", Raw: []byte(`{"a":1}`)},
		{Source: "s3", Split: "one", EventID: "b", Time: at, Reason: "too long", Raw: []byte(`{"b":1}`)},
		{Source: "s3", Split: "two", EventID: "c", Time: at, Reason: "too short", Raw: []byte(`{}`)},
		{Source: "s3", Split: "three", Reason: "not gzip"},
		{Source: "s3", Split: "sqs:m", Reason: "no notification", Raw: []byte(`hello`)},
	}
	if err := file.Record(t.Context(), "out", "audit", completed, kept); err != nil {
		t.Fatal(err)
	}
	l, err := quarantine.OpenLocal(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l, file
}

// listed are the entries by split and event.
func listed(t *testing.T, l *quarantine.Local, f quarantine.Filter) map[string]quarantine.Entry {
	t.Helper()
	all := make(map[string]quarantine.Entry)
	if err := l.List(t.Context(), f, func(e quarantine.Entry) error {
		all[e.Split+"/"+e.EventID] = e
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatIsKeptInTheStateFolderIsListedAndShown(t *testing.T) {
	l, _ := local(t)
	if all := listed(t, l, quarantine.Filter{}); len(all) != 5 || all["one/a"].Kind != "record" || all["three/"].Kind != "split" || all["one/a"].Raw != nil {
		t.Errorf("listed %+v", all)
	}
	if some := listed(t, l, quarantine.Filter{Kind: "split", Source: "s3", Pipeline: "audit", Since: time.Now().Add(-time.Hour)}); len(some) != 2 {
		t.Errorf("listed %+v, want the two splits", some)
	}
	for _, f := range []quarantine.Filter{{Pipeline: "other"}, {Source: "file"}, {Since: time.Now().Add(time.Hour)}} {
		if none := listed(t, l, f); len(none) != 0 {
			t.Errorf("%+v: listed %+v", f, none)
		}
	}
	want := listed(t, l, quarantine.Filter{})["one/a"]
	got, err := l.Find(t.Context(), want.ID)
	if want.Raw = []byte(`{"a":1}`); err != nil || cmp.Diff(want, got) != "" || got.Sink != "out" || got.Size != 7 {
		t.Errorf("found %+v, %v", got, err)
	}
	if _, err := l.Find(t.Context(), uuid.New()); !errors.Is(err, quarantine.ErrNotFound) {
		t.Errorf("Find = %v", err)
	}
}

func TestASplitInTheStateFolderIsReadAgain(t *testing.T) {
	l, file := local(t)
	before := listed(t, l, quarantine.Filter{})
	if err := l.Retry(t.Context(), []uuid.UUID{before["one/a"].ID, uuid.New()}, nil); !errors.Is(err, quarantine.ErrNotFound) {
		t.Errorf("Retry = %v", err)
	}
	if err := l.Retry(t.Context(), []uuid.UUID{before["sqs:m/"].ID}, nil); !errors.Is(err, quarantine.ErrMessage) {
		t.Errorf("Retry of a message = %v", err)
	}
	if now := listed(t, l, quarantine.Filter{}); len(now) != 5 {
		t.Errorf("what failed changed something: %+v", now)
	}
	var retried []quarantine.Retried
	each := func(r quarantine.Retried) error { retried = append(retried, r); return nil }
	if err := l.Retry(t.Context(), []uuid.UUID{before["one/a"].ID, before["one/b"].ID}, each); err != nil {
		t.Fatal(err)
	}
	want := []quarantine.Retried{{Pipeline: "audit", Source: "s3", Split: "one", Entries: 2, LedgerEntries: 1}}
	if d := cmp.Diff(want, retried); d != "" {
		t.Error(d)
	}
	if err := l.RetryAll(t.Context(), quarantine.Filter{}, each); err != nil || len(retried) != 3 {
		t.Errorf("retried %+v, %v; want the two other splits, and not the message", retried, err)
	}
	states, err := file.Done(t.Context(), "out", sdk.DoneQuery{Pipeline: "audit", Source: "s3", Filter: "f", Splits: []string{"one", "two", "three", "sqs:m"}})
	if d := cmp.Diff([]sdk.SplitState{sdk.SplitNew, sdk.SplitNew, sdk.SplitNew, sdk.SplitDone}, states); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func TestWhatIsDiscardedInTheStateFolderIsGone(t *testing.T) {
	l, file := local(t)
	before := listed(t, l, quarantine.Filter{})
	if err := l.Discard(t.Context(), []uuid.UUID{before["two/c"].ID, uuid.New()}, nil); !errors.Is(err, quarantine.ErrNotFound) {
		t.Errorf("Discard = %v", err)
	}
	var gone []string
	if err := l.Discard(t.Context(), []uuid.UUID{before["two/c"].ID}, func(e quarantine.Entry) error { gone = append(gone, e.Split); return nil }); err != nil {
		t.Fatal(err)
	}
	if now := listed(t, l, quarantine.Filter{}); len(now) != 4 || strings.Join(gone, "") != "two" {
		t.Errorf("gone %q, left %+v", gone, now)
	}
	states, err := file.Done(t.Context(), "out", sdk.DoneQuery{Pipeline: "audit", Source: "s3", Filter: "f", Splits: []string{"two"}})
	if err != nil || states[0] != sdk.SplitDone {
		t.Errorf("the split is %v, %v; want it done", states, err)
	}
}

func TestTheStateFolderOfAnotherUserIsLeftAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	dir := t.TempDir()
	if err := ledger.New(dir, slog.New(slog.DiscardHandler)).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := quarantine.OpenLocal(dir, nil); err == nil || !strings.Contains(err.Error(), "belongs to user 12345: run this as that user") {
		t.Errorf("OpenLocal = %v", err)
	}
}

func TestAStateFolderWithoutALedgerIsNotMade(t *testing.T) {
	dir := t.TempDir()
	if _, err := quarantine.OpenLocal(dir, nil); err == nil || !strings.Contains(err.Error(), "there is no ledger in "+dir) {
		t.Errorf("OpenLocal = %v", err)
	}
}
