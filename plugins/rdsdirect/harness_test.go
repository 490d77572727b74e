package rdsdirect

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// One server serves all tests that leave it as they found it.
var cluster *pgtest.Cluster

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(pgtest.Main(m, &cluster))
}

// A database is a fresh one with the schema and testGroup. Sinks connect to it as the
// writer, which may do no more than the sink needs; the test looks at it as its owner.
type database struct {
	*pgtest.Database
	cluster *pgtest.Cluster
	owner   *pgx.Conn
}

func newDatabase(t testing.TB, c *pgtest.Cluster) *database {
	t.Helper()
	db, err := c.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.AddGroup(t.Context(), testGroup.String(), "test"); err != nil {
		t.Fatal(err)
	}
	return &database{Database: db, cluster: c, owner: connect(t, db.DSN(db.Owner))}
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (db *database) settings() Settings {
	return Settings{
		Host:          db.cluster.Host,
		Port:          db.cluster.Port,
		Database:      db.Name,
		User:          db.Writer.User,
		Password:      db.Writer.Password,
		SSLMode:       "disable",
		GroupID:       testGroup.String(),
		SourceProduct: "cloudtrail",
		Writers:       4,
	}
}

// newSink opens a sink with the database's settings and the given changes.
func (db *database) newSink(t testing.TB, changes ...func(*Settings)) *Sink {
	t.Helper()
	settings := db.settings()
	for _, change := range changes {
		change(&settings)
	}
	return openSink(t, settings)
}

func openSink(t testing.TB, settings Settings) *Sink {
	t.Helper()
	opened, err := Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	sink := opened.(*Sink)
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	return sink
}

// ask answers a query of one row and one column.
func ask[T any](t testing.TB, db *database, query string, arguments ...any) T {
	t.Helper()
	var answer T
	if err := db.owner.QueryRow(t.Context(), query, arguments...).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func (db *database) exec(t testing.TB, statement string, arguments ...any) {
	t.Helper()
	if _, err := db.owner.Exec(t.Context(), statement, arguments...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// counts are the rows of every table but groups and ledger.
type counts struct {
	Events, Cloudtrail, Quarantine, Variants int
}

func (db *database) counts(t *testing.T) counts {
	t.Helper()
	const query = `select (select count(*) from events), (select count(*) from cloudtrail),
		(select count(*) from quarantine), (select count(*) from variants)`
	var c counts
	if err := db.owner.QueryRow(t.Context(), query).Scan(&c.Events, &c.Cloudtrail, &c.Quarantine, &c.Variants); err != nil {
		t.Fatal(err)
	}
	return c
}

// batchOf is a batch with all events from one split of source "s3".
func batchOf(split string, events ...sdk.Event) sdk.Batch {
	return sdk.Batch{
		Pipeline: "audit",
		Events:   events,
		Spans:    []sdk.Span{{Source: "s3", Split: split, Len: len(events)}},
	}
}

// completing adds the end of the batch's split: all its events were in this batch.
func completing(b sdk.Batch) sdk.Batch {
	b.Completed = append(b.Completed, sdk.Completion{
		Source: b.Spans[0].Source,
		Split:  sdk.Split{ID: b.Spans[0].Split, Time: testTime, Bytes: 10},
		Filter: "all",
		Status: sdk.StatusStored,
		Read:   int64(len(b.Events)),
	})
	return b
}

func mustWrite(t testing.TB, sink *Sink, b sdk.Batch) sdk.Result {
	t.Helper()
	result, err := sink.Write(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// testEvents are n different events.
func testEvents(n int) []sdk.Event {
	events := make([]sdk.Event, n)
	for i := range events {
		id := uuid.NewSHA1(testGroup, fmt.Append(nil, i)).String()
		events[i] = testEvent(id, fmt.Sprintf(`{%s,"eventID":%q,"eventName":"Event%d"}`, testTimeText, id, i))
	}
	return events
}

// unreachable are settings of a server that nobody can connect to: port 1 of loopback.
func unreachable() Settings {
	return Settings{
		Host: "127.0.0.1", Port: 1, Database: "postgres", User: "writer", Password: "canary-password",
		SSLMode: "disable", GroupID: testGroup.String(), SourceProduct: "cloudtrail", Writers: 4,
	}
}
