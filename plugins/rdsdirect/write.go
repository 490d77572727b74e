package rdsdirect

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A write is one batch on its way into the database.
type write struct {
	batch   sdk.Batch
	tallies []*tally // of each event's split
	splits  map[splitKey]*tally

	rows       []row  // of all events, see close
	first      []*row // one for each id, sorted by id
	repeats    []*row // more events of the batch with an id in first
	quarantine []quarantined

	variants int64 // kept by record_variants
	result   sdk.Result
}

type splitKey struct{ source, split string }

// A tally counts what the transaction does with the events of one split.
type tally struct {
	splitKey
	origin                         string // the split as text of PostgreSQL
	stored, duplicate, quarantined int64
}

// newWrite turns events into rows. It fails if the batch contradicts itself.
func newWrite(group uuid.UUID, b sdk.Batch) (*write, error) {
	w := &write{
		batch:   b,
		tallies: make([]*tally, 0, len(b.Events)),
		splits:  make(map[splitKey]*tally),
		result:  sdk.Result{New: make([]bool, len(b.Events))},
	}
	for _, span := range b.Spans {
		for range span.Len {
			w.tallies = append(w.tallies, w.tally(span.Source, span.Split))
		}
	}
	if len(w.tallies) != len(b.Events) {
		return nil, fmt.Errorf("batch has %d events, but its spans cover %d", len(b.Events), len(w.tallies))
	}
	for _, q := range b.Quarantine {
		w.tally(q.Source, q.Split).quarantined++
		w.quarantine = append(w.quarantine, newQuarantined(group, b.Pipeline, q))
	}
	w.makeRows(group)
	return w, nil
}

func (w *write) tally(source, split string) *tally {
	k := splitKey{source, split}
	if w.splits[k] == nil {
		w.splits[k] = &tally{splitKey: k, origin: storable(split)}
	}
	return w.splits[k]
}

// makeRows fills first and repeats, and rejects what cannot be a row.
func (w *write) makeRows(group uuid.UUID) {
	rows := rowsFor(len(w.batch.Events))
	w.rows = rows
	w.first = make([]*row, 0, len(rows))
	m := rowMaker{group: group}
	for i := range w.batch.Events {
		e, t := &w.batch.Events[i], w.tallies[i]
		if err := m.make(&rows[i], e); err != nil {
			w.reject(group, i, err.Error())
			continue
		}
		rows[i].event = i
		rows[i].origin = t.origin
		w.first = append(w.first, &rows[i])
	}
	// Every writer inserts in the order of ids, so that no two wait for each other.
	slices.SortFunc(w.first, func(a, b *row) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.event, b.event))
	})
	unique := w.first[:0]
	for _, r := range w.first {
		if n := len(unique); n > 0 && unique[n-1].id == r.id {
			w.repeats = append(w.repeats, r)
			continue
		}
		unique = append(unique, r)
	}
	w.first = unique
}

// rowsPool has memory for rows, which is a third of what a write takes beside its batch.
var rowsPool sync.Pool

func rowsFor(events int) []row {
	if rows, ok := rowsPool.Get().(*[]row); ok && cap(*rows) >= events {
		return (*rows)[:events]
	}
	return make([]row, events)
}

// close gives the rows' memory back. Nothing may look at w's rows any more, as a connection
// might on which a write failed.
func (w *write) close() {
	rows := w.rows
	w.rows, w.first, w.repeats = nil, nil, nil
	clear(rows)
	rowsPool.Put(&rows)
}

// reject quarantines an event that can never be stored.
func (w *write) reject(group uuid.UUID, event int, reason string) {
	e, t := &w.batch.Events[event], w.tallies[event]
	w.result.Rejected = append(w.result.Rejected, sdk.Reject{Index: event, Reason: reason})
	t.quarantined++
	w.quarantine = append(w.quarantine, newQuarantined(group, w.batch.Pipeline, sdk.Quarantined{
		Source: t.source, Split: t.split, EventID: e.ID, Time: e.Time, Reason: reason, Raw: e.Raw,
	}))
}

// store is the transaction. A crash before its COMMIT leaves nothing of it; a crash
// after it makes the agent repeat whole splits, and then the ids of the rows, the
// quarantine's ids and the ledger's key let every statement add nothing.
//
// allNew is a guess that none of the events was there before. Where it is wrong, store
// fails with errPresent, and nothing of w has changed.
func (s *Sink) store(ctx context.Context, tx pgx.Tx, w *write, allNew bool) (err error) {
	if allNew {
		err = s.copyEvents(ctx, tx, w.first)
	} else {
		err = s.insertEvents(ctx, tx, w.first)
	}
	if err != nil {
		return err
	}
	added, present := w.count()
	if err := copyRows(ctx, tx, cloudtrailTable, added); err != nil {
		return err
	}
	if w.variants, err = recordVariants(ctx, tx, w.batch.Events, present); err != nil {
		return err
	}
	if err := insertQuarantine(ctx, tx, w.quarantine); err != nil {
		return err
	}
	return s.insertLedger(ctx, tx, w)
}

// count settles which events are new, and divides the rows into those that were
// inserted and those whose id was there before.
func (w *write) count() (added, present []*row) {
	added = make([]*row, 0, len(w.first))
	for _, r := range w.first {
		if r.added {
			w.tallies[r.event].stored++
			w.result.New[r.event] = true
			added = append(added, r)
			continue
		}
		w.tallies[r.event].duplicate++
		present = append(present, r)
	}
	for _, r := range w.repeats {
		w.tallies[r.event].duplicate++
	}
	return added, append(present, w.repeats...)
}

const selectVariants = `select public.record_variants($1, $2, $3, $4, $5, $6)`

// errSwallowed ends a transaction in which the server said that rows are there which are not.
func errSwallowed(table string) error {
	return sdk.Denied(fmt.Errorf("the database takes rows away that are inserted: look for a trigger, a rule or a unique index on the table %s "+
		"that is not this program's, and remove it", table))
}

// recordVariants compares events whose id was there with what is stored under it, and
// answers how many it kept because their content is another. It runs after the inserts,
// so that events repeated within the batch are seen too.
func recordVariants(ctx context.Context, tx pgx.Tx, events []sdk.Event, rows []*row) (kept int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	err = tx.QueryRow(ctx, selectVariants,
		column(rows, func(r *row) [16]byte { return r.id }),
		column(rows, func(r *row) time.Time { return r.time }),
		column(rows, func(r *row) string { return r.origin }),
		column(rows, func(r *row) []byte { return r.record }),
		column(rows, func(r *row) bool { return r.raw != nil }),
		column(rows, func(r *row) []byte { return events[r.event].Raw }),
	).Scan(&kept)
	if kept < 0 {
		return 0, errSwallowed(eventsTable)
	}
	return kept, dataError("compare with stored records", err)
}

// column is one column of rows as an array parameter. Elements that are nil slices are
// SQL NULL.
func column[T any](rows []*row, value func(*row) T) pgtype.FlatArray[T] {
	values := make(pgtype.FlatArray[T], len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	return values
}
