package quarantine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster)) }

const testGroup = "11111111-1111-4111-8111-111111111111"

// A site is a database with entries in its quarantine.
type site struct {
	db    *pgtest.Database
	owner *pgx.Conn
}

// newSite has four entries: 1 and 2 are records of the split a, 3 is the split b, 4 is a
// record of another pipeline's split a.
func newSite(t *testing.T) *site {
	t.Helper()
	db, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.AddGroup(t.Context(), testGroup, "test"); err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(t.Context(), db.DSN(db.Owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Close(context.WithoutCancel(t.Context())) })
	s := &site{db: db, owner: owner}
	s.exec(t, `insert into quarantine (id, kind, group_id, pipeline, source, split, event_id, event_time, reason, raw, recorded_at) values
		($2, 'record', $1, 'audit', 's3', 'a', 'event 1', '2026-11-01 10:00', 'not an object', '\x370a1b', '2026-11-02 10:00'),
		($3, 'record', $1, 'audit', 's3', 'a', 'event 2', null, 'not an object', '\x', '2026-11-02 11:00'),
		($4, 'split', $1, 'audit', 's3', 'b', null, '2026-11-01', 'bad gzip', null, '2026-11-02 12:00'),
		($5, 'record', $1, 'files', 'file', 'a', 'event 4', null, 'refused', '\x7b7d', '2026-11-02 13:00')`,
		testGroup, id(1).String(), id(2).String(), id(3).String(), id(4).String())
	s.exec(t, `insert into ledger (group_id, pipeline, source, split, filter, status, read, stored, duplicate, filtered, quarantined) values
		($1, 'audit', 's3', 'a', '', 'stored', 3, 1, 0, 0, 2), ($1, 'audit', 's3', 'a', 'narrow', 'stored', 3, 0, 0, 1, 2),
		($1, 'audit', 's3', 'b', '', 'invalid', 1, 0, 0, 0, 1), ($1, 'audit', 's3', 'c', '', 'stored', 0, 0, 0, 0, 0),
		($1, 'files', 'file', 'a', '', 'stored', 1, 0, 0, 0, 1)`, testGroup)
	return s
}

func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-8000-8000-%012d", n)) }

func (s *site) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.owner.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// lines are the rows of a query of one text column.
func (s *site) lines(t *testing.T, query string) []string {
	t.Helper()
	rows, err := s.owner.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

const (
	leftInQuarantine = `select right(id::text, 1) from quarantine order by 1`
	leftInLedger     = `select concat_ws(' ', pipeline, split, filter) from ledger order by 1`
	leftReleased     = `select concat_ws(' ', right(id::text, 1), action, reason, encode(raw, 'hex'), recorded_at::time, released_by) from released order by 1`
)

func (s *site) open(t *testing.T, login pgtest.Login) *Quarantine {
	t.Helper()
	q, err := Open(t.Context(), s.db.DSN(login))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(context.WithoutCancel(t.Context())) })
	return q
}

func (s *site) check(t *testing.T, query string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.lines(t, query)); diff != "" && len(want)+len(s.lines(t, query)) > 0 {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

func TestListChoosesAndTheOldestComesFirst(t *testing.T) {
	s := newSite(t)
	q := s.open(t, s.db.Reader)
	for _, tc := range []struct {
		name   string
		filter Filter
		want   []uuid.UUID
	}{
		{"everything", Filter{}, []uuid.UUID{id(1), id(2), id(3), id(4)}},
		{"a pipeline", Filter{Pipeline: "files"}, []uuid.UUID{id(4)}},
		{"a source", Filter{Source: "s3"}, []uuid.UUID{id(1), id(2), id(3)}},
		{"a kind", Filter{Kind: KindSplit}, []uuid.UUID{id(3)}},
		{"since, in another zone", Filter{Since: time.Date(2026, 11, 2, 20, 0, 0, 0, time.FixedZone("KST", 9*3600))}, []uuid.UUID{id(2), id(3), id(4)}},
		{"several", Filter{Source: "s3", Kind: KindRecord}, []uuid.UUID{id(1), id(2)}},
		{"nothing", Filter{Pipeline: "other"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []uuid.UUID
			err := q.List(t.Context(), tc.filter, func(e Entry) error {
				got = append(got, e.ID)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListEndsWithItsCallersError(t *testing.T) {
	s := newSite(t)
	enough := errors.New("enough")
	calls := 0
	err := s.open(t, s.db.Reader).List(t.Context(), Filter{}, func(Entry) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("error %v after %d calls, want %v after 1", err, calls, enough)
	}
}

func TestFindAnswersAllOfAnEntry(t *testing.T) {
	s := newSite(t)
	q := s.open(t, s.db.Reader)
	day := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	for _, want := range []Entry{
		{
			ID: id(1), Kind: KindRecord, Group: uuid.MustParse(testGroup), Pipeline: "audit", Source: "s3", Split: "a", EventID: "event 1",
			Time: day(1, 10), Reason: "not an object", Recorded: day(2, 10), Size: 3, Raw: []byte("7\n\x1b"),
		},
		{
			ID: id(3), Kind: KindSplit, Group: uuid.MustParse(testGroup), Pipeline: "audit", Source: "s3", Split: "b",
			Time: day(1, 0), Reason: "bad gzip", Recorded: day(2, 12),
		},
	} {
		got, err := q.Find(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("entry (-want +got):\n%s", diff)
		}
	}
	if got, err := q.Find(t.Context(), id(2)); err != nil || !got.Time.IsZero() {
		t.Errorf("time of an entry without one = %s, %v", got.Time, err)
	}
	if _, err := q.Find(t.Context(), id(9)); !errors.Is(err, ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
}

func TestRetryForgetsTheWholeSplitAndNothingElse(t *testing.T) {
	s := newSite(t)
	var got []Retried
	err := s.open(t, s.db.Owner).Retry(t.Context(), []uuid.UUID{id(1)}, func(r Retried) error {
		got = append(got, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Retried{{Group: uuid.MustParse(testGroup), Pipeline: "audit", Source: "s3", Split: "a", Entries: 2, LedgerEntries: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("retried (-want +got):\n%s", diff)
	}
	s.check(t, leftInQuarantine, "3", "4")
	s.check(t, leftInLedger, "audit b ", "audit c ", "files a ")
	s.check(t, leftReleased,
		"1 retry not an object 370a1b 10:00:00 "+s.db.Owner.User, "2 retry not an object  11:00:00 "+s.db.Owner.User)
}

func TestRetryAllForgetsTheSplitsThatTheFilterChooses(t *testing.T) {
	s := newSite(t)
	q := s.open(t, s.db.Owner)
	count := 0
	each := func(Retried) error { count++; return nil }
	if err := q.RetryAll(t.Context(), Filter{Pipeline: "audit", Kind: KindSplit}, each); err != nil || count != 1 {
		t.Fatalf("retried %d splits (%v), want 1", count, err)
	}
	s.check(t, leftInQuarantine, "1", "2", "4")
	if err := q.RetryAll(t.Context(), Filter{}, each); err != nil || count != 3 {
		t.Fatalf("retried %d splits (%v), want 3", count, err)
	}
	s.check(t, leftInQuarantine)
	s.check(t, leftInLedger, "audit c ")
}

// Its queue has deleted a message by the time it is in the quarantine: forgotten by the
// ledger as well, it would be nowhere.
func TestRetryLeavesMessagesOfQueues(t *testing.T) {
	s := newSite(t)
	s.exec(t, `update quarantine set split = 'sqs:111122223333/events/0b0e5d3a' where split = 'a' and source = 's3'`)
	q := s.open(t, s.db.Owner)
	err := q.Retry(t.Context(), []uuid.UUID{id(3), id(2)}, func(Retried) error { return nil })
	if !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), id(2).String()) {
		t.Errorf("error = %v, want ErrMessage about %s", err, id(2))
	}
	s.check(t, leftInQuarantine, "1", "2", "3", "4")
	if err := q.RetryAll(t.Context(), Filter{}, func(Retried) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.check(t, leftInQuarantine, "1", "2")
}

// Quarantined again and released again, an entry has two rows in released.
func TestAnEntryMayBeReleasedMoreThanOnce(t *testing.T) {
	s := newSite(t)
	q := s.open(t, s.db.Owner)
	for range 2 {
		if err := q.Retry(t.Context(), []uuid.UUID{id(4)}, func(Retried) error { return nil }); err != nil {
			t.Fatal(err)
		}
		s.exec(t, `insert into quarantine (id, kind, group_id, pipeline, source, split, reason) values ($1, 'record', $2, 'files', 'file', 'a', 'refused')`,
			id(4).String(), testGroup)
	}
	if got := s.lines(t, leftReleased); len(got) != 2 {
		t.Errorf("released = %q, want two rows", got)
	}
}

func TestDiscardKeepsWhoDidItAndDropsTheBytes(t *testing.T) {
	s := newSite(t)
	var got []uuid.UUID
	err := s.open(t, s.db.Owner).Discard(t.Context(), []uuid.UUID{id(4), id(1)}, func(e Entry) error {
		got = append(got, e.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uuid.UUID{id(1), id(4)}, got); diff != "" {
		t.Errorf("discarded (-want +got):\n%s", diff)
	}
	s.check(t, leftInQuarantine, "2", "3")
	s.check(t, leftReleased, "1 discard not an object 10:00:00 "+s.db.Owner.User, "4 discard refused 13:00:00 "+s.db.Owner.User)
	s.check(t, leftInLedger, "audit a ", "audit a narrow", "audit b ", "audit c ", "files a ")
}

func TestNothingChangesIfSomethingIsWrong(t *testing.T) {
	s := newSite(t)
	ids := []uuid.UUID{id(1), id(9)}
	broken := errors.New("broken pipe")
	for _, tc := range []struct {
		name  string
		login pgtest.Login
		run   func(q *Quarantine) error
		is    error
		says  string
	}{
		{"retry of an unknown ID", s.db.Owner, func(q *Quarantine) error { return q.Retry(t.Context(), ids, nil) }, ErrNotFound, id(9).String()},
		{"discard of an unknown ID", s.db.Owner, func(q *Quarantine) error { return q.Discard(t.Context(), ids, nil) }, ErrNotFound, id(9).String()},
		{"retry as the reader", s.db.Reader, func(q *Quarantine) error { return q.Retry(t.Context(), ids[:1], nil) }, nil, "owner of the tables"},
		{"retry all as the reader", s.db.Reader, func(q *Quarantine) error { return q.RetryAll(t.Context(), Filter{}, nil) }, nil, "owner of the tables"},
		{"discard as the reader", s.db.Reader, func(q *Quarantine) error { return q.Discard(t.Context(), ids[:1], nil) }, nil, "owner of the tables"},
		{"list as the sink's user", s.db.Writer, func(q *Quarantine) error { return q.List(t.Context(), Filter{}, nil) }, nil, "inu_reader"},
		{
			"retry that cannot say so", s.db.Owner,
			func(q *Quarantine) error { return q.Retry(t.Context(), ids[:1], func(Retried) error { return broken }) }, broken, "changed nothing",
		},
		{
			"discard that cannot say so", s.db.Owner,
			func(q *Quarantine) error { return q.Discard(t.Context(), ids[:1], func(Entry) error { return broken }) }, broken, "changed nothing",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.run(s.open(t, tc.login))
			if err == nil || (tc.is != nil && !errors.Is(err, tc.is)) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v, want one that is %v and says %q", err, tc.is, tc.says)
			}
			s.check(t, leftInQuarantine, "1", "2", "3", "4")
			s.check(t, leftReleased)
		})
	}
}

// A sink that has found its entry in the quarantine, and is about to record so in the
// ledger, must not be left with an entry that says what is not so.
func TestRetryWaitsForWhoIsStoringTheSplit(t *testing.T) {
	s := newSite(t)
	q := s.open(t, s.db.Owner)
	sink, err := s.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`insert into quarantine (id, kind, group_id, pipeline, source, split, reason) values ('` + id(3).String() + `', 'split', $1, 'audit', 's3', 'b', 'bad gzip') on conflict do nothing`,
		`insert into ledger (group_id, pipeline, source, split, filter, status, read, stored, duplicate, filtered, quarantined)
			values ($1, 'audit', 's3', 'b', 'another', 'invalid', 1, 0, 0, 0, 1)`,
	} {
		if _, err := sink.Exec(t.Context(), statement, testGroup); err != nil {
			t.Fatal(err)
		}
	}
	var got Retried
	done := make(chan error, 1)
	go func() {
		done <- q.Retry(t.Context(), []uuid.UUID{id(3)}, func(r Retried) error { got = r; return nil })
	}()
	for waiting := false; !waiting; {
		err := s.owner.QueryRow(t.Context(), `select exists (select from pg_locks where not granted and relation = 'quarantine'::regclass)`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || got.LedgerEntries != 2 {
		t.Errorf("retried %+v (%v), want both ledger entries gone", got, err)
	}
	s.check(t, leftInQuarantine, "1", "2", "4")
}
