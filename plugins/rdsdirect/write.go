package rdsdirect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
		w.splits[k] = &tally{splitKey: k}
	}
	return w.splits[k]
}

// makeRows fills first and repeats, and rejects what cannot be a row.
func (w *write) makeRows(group uuid.UUID) {
	rows := make([]row, len(w.batch.Events))
	w.first = make([]*row, 0, len(rows))
	m := rowMaker{group: group}
	for i := range w.batch.Events {
		e, t := &w.batch.Events[i], w.tallies[i]
		if err := m.make(&rows[i], e); err != nil {
			w.reject(group, i, err.Error())
			continue
		}
		rows[i].event = i
		rows[i].origin = storable(t.split)
		w.first = append(w.first, &rows[i])
	}
	// Every writer inserts in the order of ids, so that no two wait for each other.
	slices.SortStableFunc(w.first, func(a, b *row) int { return bytes.Compare(a.id[:], b.id[:]) })
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
func (s *Sink) store(ctx context.Context, tx pgx.Tx, w *write) error {
	inserted, err := s.insertEvents(ctx, tx, w.first)
	if err != nil {
		return err
	}
	added, present := w.count(inserted)
	if err := insertRecords(ctx, tx, added); err != nil {
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
func (w *write) count(inserted map[[16]byte]bool) (added, present []*row) {
	for _, r := range w.first {
		if inserted[r.id] {
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

const insertEvents = `
insert into public.events (id, event_time, group_id, source_product, source_ip, user_agent)
select unnest($3::uuid[]), unnest($4::timestamp[]), $1::uuid, $2::text, unnest($5::inet[]), unnest($6::text[])
on conflict do nothing
returning id`

// insertEvents answers which rows were not there before. unnest keeps the order of
// [newWrite], so that the server need not sort. Two writers with the same
// event meet here: the second waits for the first's COMMIT and then finds the row.
func (s *Sink) insertEvents(ctx context.Context, tx pgx.Tx, rows []*row) (map[[16]byte]bool, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	p := newParameters()
	defer p.release()
	p.value(s.group[:])
	p.value([]byte(storable(s.settings.SourceProduct)))
	p.ids(rows)
	p.times(rows)
	p.addresses(rows)
	p.texts(rows, userAgent)
	inserted := make(map[[16]byte]bool, len(rows))
	err := p.run(ctx, tx, insertEvents, func(cells [][]byte) { inserted[[16]byte(cells[0])] = true })
	return inserted, dataError("insert into events", err)
}

const selectVariants = `select public.record_variants($1, $2, $3, $4, $5, $6)`

// errSwallowed ends a transaction in which the server said that rows are there which are not.
var errSwallowed = sdk.Denied(errors.New("the database takes events away that are inserted: look for a trigger, a rule or a unique index on the table events " +
	"that is not this program's, and remove it"))

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
		return 0, errSwallowed
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
