package sql_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

const (
	eventA = "01000000-0000-8000-8000-00000000000a"
	eventB = "01000000-0000-8000-8000-00000000000b"
)

// event is a row of events and one of cloudtrail, with further fields as SQL.
type event struct {
	id, time       string
	fields, values string
}

// store writes what the sink writes: the months, then the rows.
func store(t *testing.T, writer *pgx.Conn, e event) {
	t.Helper()
	exec(t, writer, `select ensure_months(array[$1::text::timestamp])`, e.time)
	storeRows(t, writer, e)
}

func storeRows(t *testing.T, writer *pgx.Conn, e event) {
	t.Helper()
	if e.fields != "" {
		e.fields, e.values = ", "+e.fields, ", "+e.values
	}
	exec(t, writer, `insert into events (id, event_time, group_id) values ($1, $2::text::timestamp, $3)`, e.id, e.time, group)
	exec(t, writer, fmt.Sprintf(`insert into cloudtrail (event_id, event_time, origin%s) values ($1, $2::text::timestamp, 'split'%s)`,
		e.fields, e.values), e.id, e.time)
}

func partitions(t *testing.T, conn *pgx.Conn, parent string) []string {
	t.Helper()
	return values[string](t, conn, `select inhrelid::regclass::text from pg_inherits where inhparent = $1::text::regclass order by 1`, parent)
}

func month(ahead int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()+time.Month(ahead), 1, 0, 0, 0, 0, time.UTC)
}

func name(table string, month time.Time) string { return table + month.Format("_2006_01") }

func TestNewDatabaseHasPresentAndNextMonth(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	for _, table := range []string{"events", "cloudtrail"} {
		want := []string{name(table, month(0)), name(table, month(1)), table + "_default"}
		if diff := cmp.Diff(want, partitions(t, owner, table)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", table, diff)
		}
	}
}

func TestEnsureMonthsMakesThePairWithKeysAndIndexes(t *testing.T) {
	db := migrated(t)
	exec(t, connect(t, db.DSN(db.Writer)), `select ensure_months('{2021-07-28 10:00:00, 2021-07-01}')`)

	owner := connect(t, db.DSN(db.Owner))
	got := values[string](t, owner, `select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
		where conrelid in ('events_2021_07'::regclass, 'cloudtrail_2021_07'::regclass) and contype in ('f', 'p') order by 1`)
	want := []string{
		"cloudtrail_2021_07 FOREIGN KEY (event_id, event_time) REFERENCES events_2021_07(id, event_time)",
		"cloudtrail_2021_07 PRIMARY KEY (event_id, event_time)",
		"events_2021_07 FOREIGN KEY (group_id) REFERENCES groups(group_id)",
		"events_2021_07 PRIMARY KEY (id, event_time)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got := value[int](t, owner, `select count(*) from pg_index where indrelid = 'cloudtrail_2021_07'::regclass`); got != 6 {
		t.Errorf("cloudtrail_2021_07 has %d indexes, want 6", got)
	}
	store(t, connect(t, db.DSN(db.Writer)), event{id: eventA, time: "2021-07-31 23:59:59.999999"})
	if got := value[string](t, owner, `select tableoid::regclass::text from cloudtrail`); got != "cloudtrail_2021_07" {
		t.Errorf("the row lies in %s", got)
	}
}

func TestEnsureMonthsLeavesImpossibleTimesToTheDefault(t *testing.T) {
	for _, tc := range []struct {
		name string
		time time.Time
		want bool // a partition of its own
	}{
		{"before CloudTrail", time.Date(2013, 10, 31, 23, 59, 59, 0, time.UTC), false},
		{"its first month", time.Date(2013, 11, 1, 0, 0, 0, 0, time.UTC), true},
		{"three months ahead", month(3), true},
		{"four months ahead", month(4), false},
		{"unknown", time.Unix(0, 0).UTC(), false},
		{"year 9999", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := migrated(t)
			store(t, connect(t, db.DSN(db.Writer)), event{id: eventA, time: tc.time.Format("2006-01-02 15:04:05")})
			want := "events_default"
			if tc.want {
				want = name("events", tc.time)
			}
			if got := value[string](t, connect(t, db.DSN(db.Reader)), `select tableoid::regclass::text from events`); got != want {
				t.Errorf("the row lies in %s, want %s", got, want)
			}
		})
	}
}

func TestEnsureMonthsIgnoresNull(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	exec(t, writer, `select ensure_months(null)`)
	exec(t, writer, `select ensure_months('{}')`)
	exec(t, writer, `select ensure_months('{null}')`)
}

func TestEnsureMonthsMayBeCalledByManyAtOnce(t *testing.T) {
	db := migrated(t)
	var wg sync.WaitGroup
	for range 8 {
		writer := connect(t, db.DSN(db.Writer))
		wg.Go(func() {
			if _, err := writer.Exec(t.Context(), `select ensure_months('{2021-07-28, 2021-08-01, 2020-02-29}')`); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(partitions(t, connect(t, db.DSN(db.Owner)), "cloudtrail")); got != 6 {
		t.Errorf("cloudtrail has %d partitions, want 6", got)
	}
}

// An event dated far ahead lies in the default partition. When its month comes near
// it must not keep the partition from being made.
func TestRowsOfAMonthMoveOutOfTheDefault(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	storeRows(t, writer, event{id: eventA, time: "2021-07-28 10:00:00", fields: "event_name, user_identity", values: `'X', '{"a": 1}'`})
	storeRows(t, writer, event{id: eventB, time: "1970-01-01"})
	reader := connect(t, db.DSN(db.Reader))
	const all = `select jsonb_agg(to_jsonb(c) order by id)::text from cloudtrail c`
	before := value[string](t, reader, all)

	exec(t, writer, `select ensure_months('{2021-07-01}')`)

	if after := value[string](t, reader, all); after != before {
		t.Errorf("rows changed from\n%s to\n%s", before, after)
	}
	got := values[string](t, reader, `select e.tableoid::regclass || ' ' || c.tableoid::regclass from events e join cloudtrail c on e.id = c.event_id order by e.id`)
	if diff := cmp.Diff([]string{"events_2021_07 cloudtrail_2021_07", "events_default cloudtrail_default"}, got); diff != "" {
		t.Errorf("rows lie in (-want +got):\n%s", diff)
	}
}

func TestMonthIsMadeWhileOthersWriteAndReadTheirs(t *testing.T) {
	db := migrated(t)
	store(t, connect(t, db.DSN(db.Writer)), event{id: eventA, time: "2022-01-01"})
	for _, busy := range []struct {
		login     pgtest.Login
		statement string
	}{
		{db.Writer, `insert into events (id, event_time, group_id) values ('` + eventB + `', '2022-01-02', '` + group + `')`},
		{db.Reader, `select event_name from cloudtrail where event_time >= '2022-01-01' and event_time < '2022-02-01'`},
	} {
		tx, err := connect(t, db.DSN(busy.login)).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), busy.statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, connect(t, db.DSN(db.Writer)), `select ensure_months('{2021-07-01}')`)
}

func TestEnsureMonthsGivesUpWhereALongQueryIsInItsWay(t *testing.T) {
	db := migrated(t)
	reader := connect(t, db.DSN(db.Reader))
	tx, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `select count(*) from events`); err != nil {
		t.Fatal(err)
	}
	writer := connect(t, db.DSN(db.Writer))
	_, err = writer.Exec(t.Context(), `select ensure_months('{2021-07-01}')`)
	if got := state(t, err); got != "55P03" {
		t.Errorf("state = %q, want 55P03 (lock not available)", got)
	}
	exec(t, writer, `select ensure_months(array[now() at time zone 'UTC'])`) // nothing to make: no lock
}

func TestLedgerDone(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	other := "22222222-2222-4222-8222-222222222222"
	if err := db.AddGroup(t.Context(), other, "other"); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []struct {
		group, pipeline, source, split, filter string
		filtered                               int
	}{
		{group, "p", "s3", "whole", "old", 0},
		{group, "p", "s3", "same filter", "now", 5},
		{group, "p", "s3", "other filter", "old", 5},
		{group, "p", "s3", "read again", "old", 5},
		{group, "p", "s3", "read again", "now", 3},
		{other, "p", "s3", "other group", "now", 0},
		{group, "q", "s3", "other pipeline", "now", 0},
		{group, "p", "file", "other source", "now", 0},
	} {
		exec(t, writer, `insert into ledger (group_id, pipeline, source, split, filter, read, stored, duplicate, filtered, quarantined, status)
			values ($1, $2, $3, $4, $5, $6, 0, 0, $6, 0, 'stored')`, entry.group, entry.pipeline, entry.source, entry.split, entry.filter, entry.filtered)
	}
	splits := []string{"never read", "whole", "same filter", "other filter", "read again", "other group", "other pipeline", "other source", "whole"}
	got := value[[]int16](t, writer, `select ledger_done($1, 'p', 's3', 'now', $2)`, group, splits)
	if diff := cmp.Diff([]int16{0, 1, 1, 2, 1, 0, 0, 0, 1}, got); diff != "" {
		t.Errorf("states of %q (-want +got):\n%s", splits, diff)
	}
	if got := value[[]int16](t, writer, `select ledger_done($1, 'p', 's3', 'now', '{}')`, group); len(got) != 0 {
		t.Errorf("no splits: %v", got)
	}
}

func TestRecordVariantsKeepsWhatDiffersOnce(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	store(t, writer, event{id: eventA, time: "2021-07-28 10:00:00", fields: "event_name", values: `'X'`})
	store(t, writer, event{id: eventB, time: "1970-01-01", fields: "has_event_time, event_name, sanitized, raw", values: `false, '?', true, 'X\000'`})
	const stored = `{"eventName": "X", "eventTime": "2021-07-28T10:00:00Z"}`
	for _, tc := range []struct {
		name, id, time, record, raw string
		sanitized                   bool
		want                        int64
	}{
		{"the same record in another layout", eventA, "2021-07-28 10:00:00", `{"eventTime":"2021-07-28T10:00:00Z","eventName":"X"}`, "a", false, 0},
		{"the same record from LookupEvents", eventA, "2021-07-28 10:00:00", `{"eventTime":"2021-07-28T10:00:00Z","eventName":"X","lookupEvents":{"username":"u"}}`, "a", false, 0},
		{"another field", eventA, "2021-07-28 10:00:00", `{"eventName":"Y"}`, "b", false, 1},
		{"the same once more", eventA, "2021-07-28 10:00:00", `{"eventName":"Y"}`, "b", false, 0},
		{"equal only after cleaning", eventA, "2021-07-28 10:00:00", stored, "c", true, 1},
		{"an event that was skipped and is not there", eventA, "2021-07-28 10:00:01", `{}`, "d", false, -1},
		{"the same cleaned record", eventB, "1970-01-01", `{"eventName":"?"}`, "X\x00", true, 0},
		{"cleaned to the same from other bytes", eventB, "1970-01-01", `{"eventName":"?"}`, "Y\x00", true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := value[int64](t, writer, `select record_variants(array[$1::uuid], array[$2::text::timestamp], '{origin}', array[$3::jsonb], array[$4::bool], array[$5::bytea])`,
				tc.id, tc.time, json.RawMessage(tc.record), tc.sanitized, []byte(tc.raw))
			if got != tc.want {
				t.Errorf("new variants = %d, want %d", got, tc.want)
			}
		})
	}
	reader := connect(t, db.DSN(db.Reader))
	if diff := cmp.Diff([]string{"b", "c", "Y\x00"}, bytesAsText(values[[]byte](t, reader, `select raw from variants order by id, raw`))); diff != "" {
		t.Errorf("variants (-want +got):\n%s", diff)
	}
}

func bytesAsText(rows [][]byte) []string {
	var text []string
	for _, row := range rows {
		text = append(text, string(row))
	}
	return text
}

func TestRowsFromCountsTheGroupsRowsOfEachOrigin(t *testing.T) {
	db := migrated(t)
	const other = "22222222-2222-4222-8222-222222222222"
	if err := db.AddGroup(t.Context(), other, "other"); err != nil {
		t.Fatal(err)
	}
	writer := connect(t, db.DSN(db.Writer))
	store(t, writer, event{id: eventA, time: "2021-07-28 10:00:00"})
	store(t, writer, event{id: eventB, time: "2021-08-28 10:00:00"})
	for query, want := range map[string][]int64{
		`select rows_from('` + group + `', '{none, split, split}')`: {0, 2, 2},
		`select rows_from('` + other + `', '{split}')`:              {0},
		`select rows_from('` + group + `', '{}')`:                   {},
	} {
		if diff := cmp.Diff(want, value[[]int64](t, writer, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
