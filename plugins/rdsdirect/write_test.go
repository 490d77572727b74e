package rdsdirect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestAnEventIsOneRowHoweverOftenItIsWritten(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	events := testEvents(3)

	result := mustWrite(t, sink, batchOf("one", events...))
	if diff := cmp.Diff(sdk.Result{New: []bool{true, true, true}}, result); diff != "" {
		t.Errorf("first result (-want +got):\n%s", diff)
	}
	again := append(testEvents(3), testEvents(4)[3])
	result = mustWrite(t, db.newSink(t), batchOf("another", again...))
	if diff := cmp.Diff(sdk.Result{New: []bool{false, false, false, true}}, result); diff != "" {
		t.Errorf("second result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(counts{Events: 4, Cloudtrail: 4}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	origins := ask[[]string](t, db, `select array_agg(origin || ':' || event_name order by event_name) from cloudtrail`)
	if diff := cmp.Diff([]string{"one:Event0", "one:Event1", "one:Event2", "another:Event3"}, origins); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}

// The README's join of the predecessor returned nothing.
func TestTheQueriesOfThePredecessorAnswer(t *testing.T) {
	db := newDatabase(t, cluster)
	mustWrite(t, db.newSink(t), batchOf("one", testEvent("a", typicalRecord)))

	if got := ask[int](t, db, `SELECT COUNT(*) FROM events`); got != 1 {
		t.Errorf("events = %d, want 1", got)
	}
	if got := ask[int](t, db, `SELECT COUNT(*) FROM cloudtrail`); got != 1 {
		t.Errorf("cloudtrail = %d, want 1", got)
	}
	var id, group uuid.UUID
	var name string
	err := db.owner.QueryRow(t.Context(), `SELECT e.id, e.group_id, c.event_name FROM events e JOIN cloudtrail c ON e.id = c.event_id LIMIT 5`).
		Scan(&id, &group, &name)
	if err != nil {
		t.Fatal(err)
	}
	if want := rowID(testGroup, "a", testTime); id != want || group != testGroup || name != "DescribeInstances" {
		t.Errorf("row = %s, %s, %s; want %s, %s, DescribeInstances", id, group, name, want, testGroup)
	}
}

func TestTheRowOfEventsHasItsColumns(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t, func(s *Settings) { s.SourceProduct = "trail" })
	mustWrite(t, sink, batchOf("one", testEvent("a", typicalRecord)))

	var got struct {
		Product, IP, Agent string
		Occurred           time.Time
	}
	err := db.owner.QueryRow(t.Context(), `select source_product, host(source_ip), user_agent, occurred_at from events`).
		Scan(&got.Product, &got.IP, &got.Agent, &got.Occurred)
	if err != nil {
		t.Fatal(err)
	}
	if got.Product != "trail" || got.IP != "203.0.113.7" || got.Agent != "aws-cli/2.2.5 Python/3.8.8 Linux/5.4" || !got.Occurred.Equal(testTime) {
		t.Errorf("row = %+v", got)
	}
}

func TestEachGroupHasItsRows(t *testing.T) {
	db := newDatabase(t, cluster)
	const other = "00000000-0000-4000-8000-000000000001"
	if err := db.AddGroup(t.Context(), other, "other"); err != nil {
		t.Fatal(err)
	}
	b := completing(batchOf("one", testEvents(2)...))
	mustWrite(t, db.newSink(t), b)
	otherSink := db.newSink(t, func(s *Settings) { s.GroupID = other })
	mustWrite(t, otherSink, completing(batchOf("one", testEvents(2)...)))

	if diff := cmp.Diff(counts{Events: 4, Cloudtrail: 4}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := ask[int](t, db, `select count(*) from ledger where stored = 2`); got != 2 {
		t.Errorf("ledger entries with 2 stored = %d, want one for each group", got)
	}
}

func TestRepeatsWithinABatchAreDuplicates(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	e := testEvents(2)
	b := completing(batchOf("one", e[1], e[0], e[1], e[1]))

	result := mustWrite(t, sink, b)
	if diff := cmp.Diff([]bool{true, true, false, false}, result.New); diff != "" {
		t.Errorf("new (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(counts{Events: 2, Cloudtrail: 2}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestEventsWithOneKeyAndDifferentTimesAreDifferentEvents(t *testing.T) {
	db := newDatabase(t, cluster)
	e := testEvents(1)[0]
	later := e
	later.Time = e.Time.Add(time.Second)
	result := mustWrite(t, db.newSink(t), batchOf("one", e, later))
	if diff := cmp.Diff([]bool{true, true}, result.New); diff != "" {
		t.Errorf("new (-want +got):\n%s", diff)
	}
}

func TestOtherContentUnderAKnownIDIsKept(t *testing.T) {
	same := []string{
		`{` + testTimeText + `,"eventName":"A","n":1.0,"x":null}`,
		` { "x":null, "n":1e0, "eventName":"\u0041", ` + testTimeText + `}`,
	}
	tests := []struct {
		name         string
		first, later []string
		variants     int
	}{
		{name: "the same content, written otherwise, is none", first: same, later: same},
		{name: "another value", first: same[:1], later: []string{`{` + testTimeText + `,"eventName":"B","n":1.0,"x":null}`}, variants: 1},
		{name: "a field less", first: same[:1], later: []string{`{` + testTimeText + `,"eventName":"A","n":1.0}`}, variants: 1},
		{name: "another time text", first: same[:1], later: []string{`{"eventTime":"x","eventName":"A","n":1.0,"x":null}`}, variants: 1},
		{name: "each variant once", first: same[:1], later: []string{`{"v":1}`, `{"v":2}`, `{"v":1}`, `{"v":2}`}, variants: 2},
		{name: "within one batch", first: []string{`{"v":1}`, `{"v":2}`, `{"v":1}`}, variants: 1},
		{name: "sanitised content is compared by its bytes", first: []string{`{"v":"\u0000"}`}, later: []string{`{"v":"\ufffd"}`, `{"v":"\u0000"}`}, variants: 1},
	}
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	for i, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			told := 0
			write := func(records []string) {
				var events []sdk.Event
				for _, r := range records {
					events = append(events, testEvent(fmt.Sprint("event", i), r))
				}
				told += mustWrite(t, sink, batchOf("split", events...)).Variants
			}
			write(tc.first)
			write(tc.later)
			id := rowID(testGroup, fmt.Sprint("event", i), testTime)
			if got := ask[int](t, db, `select count(*) from variants where id = $1`, [16]byte(id)); got != tc.variants {
				t.Errorf("variants = %d, want %d", got, tc.variants)
			}
			if told != tc.variants {
				t.Errorf("the results tell of %d variants, want %d", told, tc.variants)
			}
		})
	}
}

func TestWhatCannotBeARowIsQuarantinedOnceWithItsNeighboursStored(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	good := testEvents(2)
	bad := testEvent("bad\x00key", "[1]\x00\xff")
	b := completing(batchOf("one\xff", good[0], bad, good[1]))
	b.Quarantine = []sdk.Quarantined{
		{Source: "s3", Split: "one\xff", EventID: "other", Reason: "not JSON \x00", Raw: []byte("{")},
		{Source: "s3", Split: "one\xff", EventID: "empty", Time: testTime, Reason: "no bytes"},
		{Source: "s3", Split: "two", Time: testTime, Reason: "bad gzip"},
	}
	b.Completed[0].Read += 2

	for range 2 {
		result := mustWrite(t, sink, b)
		if diff := cmp.Diff([]sdk.Reject{{Index: 1, Reason: errNotObject.Error()}}, result.Rejected); diff != "" {
			t.Errorf("rejected (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(counts{Events: 2, Cloudtrail: 2, Quarantine: 4}, db.counts(t)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
	rows := ask[[]string](t, db, `select array_agg(concat_ws('|', kind, split, event_id, event_time, reason, encode(raw, 'escape')) order by event_id) from quarantine`)
	want := []string{
		"record|one\ufffd|bad\ufffdkey|2026-11-03 04:05:06|not a JSON object|[1]\\000\\377",
		"record|one\ufffd|empty|2026-11-03 04:05:06|no bytes|",
		"record|one\ufffd|other|not JSON \ufffd|{",
		"split|two|2026-11-03 04:05:06|bad gzip",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	if got := ask[[]int](t, db, `select array[read, stored, duplicate, quarantined] from ledger`); !slices.Equal(got, []int{5, 2, 0, 3}) {
		t.Errorf("read, stored, duplicate, quarantined = %v, want 5, 2, 0, 3", got)
	}
}

func TestDataThatTheServerRefusesIsInvalidAndLeavesNothing(t *testing.T) {
	for _, table := range []string{"events", "cloudtrail"} {
		t.Run(table, func(t *testing.T) {
			db := newDatabase(t, cluster)
			db.exec(t, `alter table `+table+` add constraint poison check (user_agent <> 'poison')`)
			sink := db.newSink(t)
			bad := testEvent("bad", `{"userAgent":"poison"}`)
			b := completing(batchOf("one", append(testEvents(2), bad)...))

			_, err := sink.Write(t.Context(), b)
			if !sdk.IsInvalid(err) {
				t.Errorf("error = %v, want one that is Invalid", err)
			}
			if diff := cmp.Diff(counts{}, db.counts(t)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if got := ask[int](t, db, `select count(*) from ledger`); got != 0 {
				t.Errorf("ledger has %d entries, want none", got)
			}
			mustWrite(t, sink, batchOf("one", testEvents(2)...))
		})
	}
}

func TestABatchWhoseSpansDoNotFitIsRefused(t *testing.T) {
	sink := openSink(t, unreachable())
	b := batchOf("one", testEvents(2)...)
	b.Spans[0].Len = 1
	if _, err := sink.Write(t.Context(), b); err == nil || sdk.IsInvalid(err) {
		t.Errorf("error = %v, want one that is not Invalid", err)
	}
}

func TestAnEmptyBatchWritesNothing(t *testing.T) {
	db := newDatabase(t, cluster)
	if diff := cmp.Diff(sdk.Result{New: []bool{}}, mustWrite(t, db.newSink(t), sdk.Batch{Pipeline: "audit"})); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// Writers on several hosts get the same things in any order. Without one order in a
// statement they deadlock here in no time. What they share is one thing a time: sharing
// an earlier one would make them wait for each other.
func TestParallelWritersDoNotDeadlockAndStoreEverythingOnce(t *testing.T) {
	const rounds, writers, size = 8, 6, 150
	const all = rounds * size
	events := testEvents(all)
	for i := range events { // over three months
		events[i].Time = events[i].Time.AddDate(0, -i%3, 0)
	}
	tests := []struct {
		name  string
		add   func(b *sdk.Batch, i int)
		count string
	}{
		{name: "events", count: `select count(*) from cloudtrail c join events e on e.id = c.event_id`, add: func(b *sdk.Batch, i int) {
			b.Events = append(b.Events, events[i])
			b.Spans = append(b.Spans, sdk.Span{Source: "s3", Split: "split", Len: 1})
		}},
		{name: "quarantine", count: `select count(*) from quarantine`, add: func(b *sdk.Batch, i int) {
			b.Quarantine = append(b.Quarantine, sdk.Quarantined{Source: "s3", Split: fmt.Sprint(i), Reason: "bad gzip"})
		}},
		{name: "ledger", count: `select count(*) from ledger`, add: func(b *sdk.Batch, i int) {
			b.Completed = append(b.Completed, sdk.Completion{Source: "s3", Split: sdk.Split{ID: fmt.Sprint(i)}, Status: sdk.StatusGone})
		}},
		{name: "variants", count: `select count(*) + 1 from variants`, add: func(b *sdk.Batch, i int) {
			b.Events = append(b.Events, testEvent("one id", fmt.Sprintf(`{"content":%d}`, i)))
			b.Spans = append(b.Spans, sdk.Span{Source: "s3", Split: "split", Len: 1})
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			sinks := []*Sink{db.newSink(t), db.newSink(t), db.newSink(t)}
			var added atomic.Int64
			for round := range rounds {
				var wg sync.WaitGroup
				for w := range writers {
					b := sdk.Batch{Pipeline: "audit"}
					for _, i := range rand.New(rand.NewPCG(uint64(round), uint64(w))).Perm(size) {
						tc.add(&b, round*size+i)
					}
					wg.Go(func() {
						result, err := sinks[w%len(sinks)].Write(t.Context(), b)
						if err != nil {
							t.Error(err)
						}
						for _, isNew := range result.New {
							if isNew {
								added.Add(1)
							}
						}
					})
				}
				wg.Wait()
			}
			if got := ask[int](t, db, tc.count); got != all {
				t.Errorf("rows = %d, want %d", got, all)
			}
			if got := ask[int64](t, db, `select count(*) from events`); got != added.Load() {
				t.Errorf("events = %d, but the results say that %d are new", got, added.Load())
			}
		})
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sink.Write(ctx, batchOf("one", testEvents(1)...))
	if err == nil || sdk.IsInvalid(err) || sdk.IsDenied(err) {
		t.Errorf("error = %v, want one to retry", err)
	}
}

// A role or database may be set to another encoding of the client, as those of old
// applications are.
func TestTextIsUTF8WhateverTheRoleIsSetTo(t *testing.T) {
	db := newDatabase(t, cluster)
	settings := db.settings()
	db.exec(t, `alter role `+settings.User+` set client_encoding = 'LATIN1'`)
	const record = `{"eventID":"e","userAgent":"é 한국어",` + testTimeText + `}`
	mustWrite(t, db.newSink(t), completing(batchOf("one", testEvent("e", record))))
	var got string
	if err := db.owner.QueryRow(t.Context(), `select user_agent from cloudtrail`).Scan(&got); err != nil || got != "é 한국어" {
		t.Errorf("user_agent = %q, %v", got, err)
	}
}
