package rdsdirect

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func at(id string, t time.Time) sdk.Event {
	return sdk.Event{ID: id, Time: t, Raw: fmt.Appendf(nil, `{"eventTime":%q}`, t.UTC().Format(time.RFC3339))}
}

func TestOnlyTheMonthsOfEventsGetPartitions(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	before := ask[int](t, db, `select count(*) from pg_inherits where inhparent = 'events'::regclass`)

	mustWrite(t, sink, batchOf("one",
		at("old", time.Date(2014, 2, 28, 23, 59, 59, 0, time.UTC)),
		at("leap", time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC)),
		at("same month", time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC)),
		at("before CloudTrail", time.Date(2013, 10, 31, 0, 0, 0, 0, time.UTC)),
		at("no time", time.Time{}),
		at("too far ahead", time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC))))

	after := ask[int](t, db, `select count(*) from pg_inherits where inhparent = 'events'::regclass`)
	if after-before != 2 {
		t.Errorf("new partitions = %d, want 2", after-before)
	}
	got := ask[[]string](t, db, `select array_agg(tableoid::regclass || ' ' || event_time::date order by event_time) from cloudtrail`)
	want := []string{
		"cloudtrail_default 1970-01-01", "cloudtrail_default 2013-10-31", "cloudtrail_2014_02 2014-02-28",
		"cloudtrail_2020_02 2020-02-01", "cloudtrail_2020_02 2020-02-29", "cloudtrail_default 2999-01-01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

func TestAMonthThatWentAwayIsMadeAgainAfterAnError(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	when := time.Date(2014, 2, 3, 0, 0, 0, 0, time.UTC)
	mustWrite(t, sink, batchOf("one", at("a", when)))
	if _, months := sink.known.unknown([]*row{{time: when}}); len(months) != 0 {
		t.Errorf("months to ask for = %v, want none", months)
	}

	// As after a restore to a time before the month was made.
	db.exec(t, `drop table cloudtrail_2014_02, events_2014_02`)
	db.exec(t, `alter table ledger rename to elsewhere`)
	if _, err := sink.Write(t.Context(), completing(batchOf("one", at("a", when)))); !sdk.IsDenied(err) {
		t.Fatalf("error = %v, want one that is Denied", err)
	}
	db.exec(t, `alter table elsewhere rename to ledger`)
	mustWrite(t, sink, completing(batchOf("one", at("a", when))))
	if got := ask[string](t, db, `select tableoid::regclass::text from cloudtrail`); got != "cloudtrail_2014_02" {
		t.Errorf("the row is in %s, want it in the month's partition", got)
	}
}

func TestMonthsAheadAreAskedForEachTime(t *testing.T) {
	var known knownSchema
	past, ahead := time.Now().UTC(), time.Now().UTC().AddDate(0, 2, 0)
	known.learn([]time.Time{month(past), month(ahead)})
	unchecked, months := known.unknown([]*row{{time: past}, {time: ahead}, {time: ahead}})
	if unchecked {
		t.Error("the version is to be checked again")
	}
	if diff := cmp.Diff([]time.Time{month(ahead)}, months); diff != "" {
		t.Errorf("months to ask for (-want +got):\n%s", diff)
	}
	known.forget()
	if unchecked, months = known.unknown([]*row{{time: past}}); !unchecked || len(months) != 1 {
		t.Errorf("after forget: unchecked = %v, months = %v", unchecked, months)
	}
}
