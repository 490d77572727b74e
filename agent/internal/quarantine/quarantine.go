// Package quarantine is what a person does about records and splits that are kept aside, by
// an rds_direct sink in its database, or for another sink in the state folder: look at
// them, have them read again, or discard them. Nothing leaves the quarantine by itself.
//
// What a person takes out of a database goes to the table released, so that every record
// that was read stays accounted for: package audit counts what was discarded, and finds
// what was to be read again and was not.
package quarantine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/database"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
)

// The kinds of entries.
const (
	KindRecord = "record"
	KindSplit  = "split"
)

// An Entry is a record, or a whole split, that is kept aside. Its texts come from
// whoever wrote the record; they may hold anything but NUL.
type Entry struct {
	ID       uuid.UUID
	Kind     string
	Group    uuid.UUID // of an rds_direct sink
	Sink     string    // the name of another one
	Pipeline string
	Source   string // the source's type
	Split    string
	EventID  string    // empty for a split
	Time     time.Time // the record's or split's, UTC; zero if unknown
	Reason   string
	Recorded time.Time // when it was quarantined, UTC
	Size     int64     // of the record, in bytes
	Raw      []byte    // the record's bytes; only Find fills it
}

// A Filter chooses entries. Empty fields choose all.
type Filter struct {
	Pipeline, Source, Kind string
	Since                  time.Time // recorded then or later
}

// ErrNotFound says that there is no entry with an ID.
var ErrNotFound = ledger.ErrNotKept

// A Quarantine is a connection to the quarantine of one database. Its methods are for
// one goroutine.
type Quarantine struct {
	conn *pgx.Conn
}

// Open connects. The role in dsn needs to be a member of inu_reader for List and Find,
// and the owner of the tables for Retry and Discard.
func Open(ctx context.Context, dsn string) (*Quarantine, error) {
	conn, err := database.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &Quarantine{conn: conn}, nil
}

// The columns of an entry; Raw is added where it is wanted.
const (
	entryColumns = `id, kind, group_id, pipeline, source, split, coalesce(event_id, '') as event_id,
	coalesce(event_time, '0001-01-01') as event_time, reason, recorded_at, coalesce(length(raw), 0)::bigint as size`

	matchesFilter = `($1 = '' or pipeline = $1) and ($2 = '' or source = $2) and ($3 = '' or kind = $3) and recorded_at >= $4`

	selectEntries = `select ` + entryColumns + ` from public.quarantine where ` + matchesFilter + ` order by recorded_at, id`
	selectEntry   = `select ` + entryColumns + `, raw from public.quarantine where id = $1`
)

// List calls each with the entries that f chooses, the oldest first. It does not hold
// them in memory. An error that each returns ends it.
func (q *Quarantine) List(ctx context.Context, f Filter, each func(Entry) error) error {
	rows, err := q.conn.Query(ctx, selectEntries, f.arguments()...)
	if err != nil {
		return explain("list the quarantine", err)
	}
	var e Entry
	_, err = pgx.ForEachRow(rows, e.fields(), func() error { return each(e) })
	return explain("list the quarantine", err)
}

// Find answers the entry with the ID, or ErrNotFound.
func (q *Quarantine) Find(ctx context.Context, id uuid.UUID) (Entry, error) {
	var e Entry
	err := q.conn.QueryRow(ctx, selectEntry, [16]byte(id)).Scan(append(e.fields(), &e.Raw)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	return e, explain(fmt.Sprintf("read quarantine entry %s", id), err)
}

// Close closes the connection.
func (q *Quarantine) Close(ctx context.Context) { database.Close(ctx, q.conn) }

// arguments are those of matchesFilter.
func (f Filter) arguments() []any { return []any{f.Pipeline, f.Source, f.Kind, f.Since.UTC()} }

// fields are where the entryColumns are scanned into.
func (e *Entry) fields() []any {
	return []any{
		(*[16]byte)(&e.ID), &e.Kind, (*[16]byte)(&e.Group), &e.Pipeline, &e.Source, &e.Split, &e.EventID,
		&e.Time, &e.Reason, &e.Recorded, &e.Size,
	}
}

func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return database.Explain(fmt.Errorf("%s: %w", doing, err))
}
