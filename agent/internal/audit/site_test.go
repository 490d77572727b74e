package audit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster)) }

var (
	testGroup  = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	otherGroup = uuid.MustParse("22222222-2222-4222-8222-222222222222")
	testTime   = time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
)

// A site is a database with what sinks have stored in it, and a source.
type site struct {
	db     *pgtest.Database
	owner  *pgx.Conn
	source fakeSource
	rows   int
}

func newSite(t *testing.T) *site {
	t.Helper()
	db, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, group := range []uuid.UUID{testGroup, otherGroup} {
		if err := db.AddGroup(t.Context(), group.String(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := pgx.Connect(t.Context(), db.DSN(db.Owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Close(context.WithoutCancel(t.Context())) })
	return &site{db: db, owner: owner}
}

func (s *site) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.owner.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// A reading is how a split was read, and its ledger entry. The zero values of the texts
// are replaced by those of the site's one pipeline.
type reading struct {
	group            uuid.UUID
	pipeline, source string
	split, filter    string
	status           string

	stored, duplicate, filtered, quarantined int
	repeated                                 any // a number, or nil for unknown
}

// record stores the ledger entry of a reading.
func (s *site) record(t *testing.T, r reading) {
	t.Helper()
	r = r.complete()
	s.exec(t, `insert into ledger (group_id, pipeline, source, split, filter, status, stored, duplicate, repeated, filtered, quarantined, read)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.group.String(), r.pipeline, r.source, r.split, r.filter, r.status, r.stored, r.duplicate, r.repeated, r.filtered, r.quarantined,
		r.stored+r.duplicate+r.filtered+r.quarantined)
}

// done stores a reading with the rows that it stored, and lists its split.
func (s *site) done(t *testing.T, r reading) {
	t.Helper()
	if r.repeated == nil {
		r.repeated = 0
	}
	s.record(t, r)
	s.store(t, r.complete().group, r.split, r.stored)
	for range r.quarantined {
		s.quarantine(t, r)
	}
	s.source = append(s.source, sdk.Split{ID: r.split, Time: testTime})
}

// store stores rows with the split as their origin.
func (s *site) store(t *testing.T, group uuid.UUID, split string, rows int) {
	t.Helper()
	for range rows {
		s.rows++
		id := fmt.Sprintf("00000000-0000-8000-8000-%012x", s.rows)
		s.exec(t, `insert into events (id, event_time, group_id) values ($1, '1970-01-01', $2)`, id, group.String())
		s.exec(t, `insert into cloudtrail (event_id, event_time, origin) values ($1, '1970-01-01', $2)`, id, split)
	}
}

func (s *site) quarantine(t *testing.T, r reading) {
	t.Helper()
	r = r.complete()
	s.exec(t, `insert into quarantine (id, kind, group_id, pipeline, source, split, reason) values (gen_random_uuid(), 'record', $1, $2, $3, $4, 'bad')`,
		r.group.String(), r.pipeline, r.source, r.split)
}

func (r reading) complete() reading {
	if r.group == (uuid.UUID{}) {
		r.group = testGroup
	}
	for text, or := range map[*string]string{&r.pipeline: "audit", &r.source: "s3", &r.filter: "all", &r.status: "stored"} {
		if *text == "" {
			*text = or
		}
	}
	return r
}

// options audit the site's one source as the reader.
func (s *site) options() Options {
	return Options{DSN: s.db.DSN(s.db.Reader), Limit: 100, Sources: []Source{
		{Pipeline: "audit", Type: "s3", Plugin: s.source, Filter: "all", Groups: []uuid.UUID{testGroup}},
	}}
}

func (s *site) audit(t *testing.T) Report {
	t.Helper()
	return mustRun(t, s.options())
}

func mustRun(t *testing.T, o Options) Report {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A fakeSource lists splits, two a page.
type fakeSource []sdk.Split

func (f fakeSource) Discover(_ context.Context, _ sdk.TimeRange, found func([]sdk.Split) error) error {
	for i := 0; i < len(f); i += 2 {
		if err := found(append([]sdk.Split(nil), f[i:min(i+2, len(f))]...)); err != nil {
			return err
		}
	}
	return nil
}
