package rdsdirect

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func done(t *testing.T, sink *Sink, filter string, splits ...string) []sdk.SplitState {
	t.Helper()
	states, err := sink.Done(t.Context(), sdk.DoneQuery{Pipeline: "audit", Source: "s3", Filter: filter, Splits: splits})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

func TestDoneKnowsWhatWasReadUnderWhichFilter(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	b := sdk.Batch{Pipeline: "audit", Completed: []sdk.Completion{
		{Source: "s3", Split: sdk.Split{ID: "whole", Time: testTime}, Filter: "narrow", Status: sdk.StatusStored, Read: 2, Duplicate: 2},
		{Source: "s3", Split: sdk.Split{ID: "part"}, Filter: "narrow", Status: sdk.StatusStored, Read: 2, Filtered: 1, Stored: 1},
		{Source: "s3", Split: sdk.Split{ID: "gone\x00"}, Filter: "narrow", Status: sdk.StatusGone, Reason: "NoSuchKey"},
		{Source: "file", Split: sdk.Split{ID: "local"}, Filter: "narrow", Status: sdk.StatusInvalid, Reason: "bad gzip"},
	}}
	mustWrite(t, sink, b)

	asked := []string{"part", "whole", "gone\x00", "local", "never", "part"}
	want := []sdk.SplitState{sdk.SplitDone, sdk.SplitDone, sdk.SplitNew, sdk.SplitNew, sdk.SplitNew, sdk.SplitDone}
	if diff := cmp.Diff(want, done(t, sink, "narrow", asked...)); diff != "" {
		t.Errorf("under the same filter (-want +got):\n%s", diff)
	}
	want = []sdk.SplitState{sdk.SplitFiltered, sdk.SplitDone, sdk.SplitNew, sdk.SplitNew, sdk.SplitNew, sdk.SplitFiltered}
	if diff := cmp.Diff(want, done(t, sink, "wide", asked...)); diff != "" {
		t.Errorf("under a wider filter (-want +got):\n%s", diff)
	}

	// What was gone and is listed again is read, and done then.
	b.Completed = []sdk.Completion{{Source: "s3", Split: sdk.Split{ID: "gone\x00"}, Filter: "narrow", Status: sdk.StatusStored, Read: 1, Duplicate: 1}}
	mustWrite(t, sink, b)
	if diff := cmp.Diff([]sdk.SplitState{sdk.SplitDone}, done(t, sink, "narrow", "gone\x00")); diff != "" {
		t.Errorf("gone, and read since (-want +got):\n%s", diff)
	}

	b.Completed = []sdk.Completion{{Source: "s3", Split: sdk.Split{ID: "part"}, Filter: "wide", Status: sdk.StatusStored, Read: 2, Stored: 1, Duplicate: 1}}
	mustWrite(t, sink, b)
	if diff := cmp.Diff([]sdk.SplitState{sdk.SplitDone}, done(t, sink, "any", "part")); diff != "" {
		t.Errorf("read again with nothing filtered (-want +got):\n%s", diff)
	}
	if got := done(t, sink, "any"); len(got) != 0 {
		t.Errorf("answers to no question = %v", got)
	}
}

func TestTheLedgerTakesTheLongestNames(t *testing.T) {
	sink := newDatabase(t, cluster).newSink(t)
	random := rand.New(rand.NewPCG(1, 2)) // PostgreSQL would compress what repeats
	text := func(n, runes int) string {
		var b strings.Builder
		for range n {
			b.WriteRune(rune(runes + random.IntN(20000)))
		}
		return b.String()
	}
	id, filter := text(sdk.MaxSplitID/3, 0x4e00), text(21, 0x4e00)
	mustWrite(t, sink, sdk.Batch{Pipeline: text(63, 0x10000), Completed: []sdk.Completion{
		{Source: strings.Repeat("s", 63), Split: sdk.Split{ID: id}, Filter: filter, Status: sdk.StatusStored},
	}})
}

func TestDoneKnowsItsGroupAndPipelineAlone(t *testing.T) {
	db := newDatabase(t, cluster)
	const other = "00000000-0000-4000-8000-000000000001"
	mustWrite(t, db.newSink(t), completing(batchOf("one", testEvents(1)...)))

	otherGroup := db.newSink(t, func(s *Settings) { s.GroupID = other })
	if got := done(t, otherGroup, "all", "one"); got[0] != sdk.SplitNew {
		t.Errorf("state for another group = %v, want new", got[0])
	}
	got, err := db.newSink(t).Done(t.Context(), sdk.DoneQuery{Pipeline: "other", Source: "s3", Filter: "all", Splits: []string{"one"}})
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != sdk.SplitNew {
		t.Errorf("state for another pipeline = %v, want new", got[0])
	}
}

func TestTheLedgerAddsWhatItsTransactionStoresToWhatWasStoredBefore(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	events := testEvents(5)
	mustWrite(t, sink, batchOf("large", events[:3]...))

	b := sdk.Batch{
		Pipeline: "audit",
		Events:   []sdk.Event{events[3], events[0], testEvent("bad", "x"), events[4], events[3]},
		Spans:    []sdk.Span{{Source: "s3", Split: "large", Len: 3}, {Source: "s3", Split: "small", Len: 1}, {Source: "s3", Split: "large", Len: 1}},
		Completed: []sdk.Completion{
			{Source: "s3", Split: sdk.Split{ID: "large", Time: testTime, Bytes: 7}, Filter: "f", Status: sdk.StatusStored, Read: 9, Filtered: 2, Stored: 3},
			{Source: "s3", Split: sdk.Split{ID: "small"}, Filter: "f", Status: sdk.StatusStored, Read: 1},
		},
	}
	mustWrite(t, sink, b)
	got := ask[[]string](t, db, `select array_agg(concat_ws(' ', group_id, pipeline, source, split, filter, split_time, bytes,
		read, stored, duplicate, filtered, quarantined, status, coalesce(reason, 'null')) order by split) from ledger`)
	want := []string{
		testGroup.String() + " audit s3 large f 2026-11-03 04:05:06 7 9 4 2 2 1 stored null",
		testGroup.String() + " audit s3 small f 0 1 1 0 0 0 stored null",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestASplitThatDoesNotAddUpIsNotRecorded(t *testing.T) {
	db := newDatabase(t, cluster)
	b := completing(batchOf("one", testEvents(2)...))
	b.Completed[0].Read = 3
	_, err := db.newSink(t).Write(t.Context(), b)
	if err == nil || sdk.IsInvalid(err) || !strings.Contains(err.Error(), "3 read, but 2 stored") {
		t.Errorf("error = %v, want one that says what does not add up", err)
	}
	if diff := cmp.Diff(counts{}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
