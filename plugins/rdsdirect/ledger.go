package rdsdirect

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const insertLedgerEntries = `
insert into public.ledger (group_id, pipeline, source, split, filter, split_time, bytes,
	read, stored, duplicate, repeated, filtered, quarantined, status, reason)
select $1::uuid, $2::text, * from unnest($3::text[], $4::text[], $5::text[], $6::timestamp[], $7::bigint[],
	$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[])
order by 3, 4, 5
on conflict do nothing`

// insertLedger records the splits that end with the batch. An entry that is there
// already stays as it is: the split was read again after a crash, or by another host.
func (s *Sink) insertLedger(ctx context.Context, tx pgx.Tx, w *write) error {
	entries, err := w.ledgerEntries()
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := s.countRepeated(ctx, tx, entries); err != nil {
		return err
	}
	var (
		sources, splits, filters, statuses                               []string
		times                                                            []*time.Time
		sizes, reads, stored, duplicate, repeated, filtered, quarantined []int64
		reasons                                                          []*string
	)
	for _, c := range entries {
		sources, splits, filters = append(sources, storable(c.Source)), append(splits, storable(c.Split.ID)), append(filters, storable(c.Filter))
		times, sizes = append(times, optionalTime(c.Split.Time)), append(sizes, max(0, c.Split.Bytes))
		reads, stored, duplicate = append(reads, c.Read), append(stored, c.Stored), append(duplicate, c.Duplicate)
		repeated = append(repeated, c.repeated)
		filtered, quarantined = append(filtered, c.Filtered), append(quarantined, c.Quarantined)
		statuses, reasons = append(statuses, string(c.Status)), append(reasons, optionalText(c.Reason))
	}
	_, err = tx.Exec(ctx, insertLedgerEntries, [16]byte(s.group), storable(w.batch.Pipeline),
		sources, splits, filters, times, sizes, reads, stored, duplicate, repeated, filtered, quarantined, statuses, reasons)
	if err != nil {
		return fmt.Errorf("insert into ledger: %w", err)
	}
	return nil
}

// A ledgerEntry is a completion with what only the sink knows.
type ledgerEntry struct {
	sdk.Completion
	repeated int64
}

// ledgerEntries are the completions, with what this transaction does of their splits
// added.
func (w *write) ledgerEntries() ([]ledgerEntry, error) {
	entries := make([]ledgerEntry, len(w.batch.Completed))
	for i, c := range w.batch.Completed {
		if t := w.splits[splitKey{c.Source, c.Split.ID}]; t != nil {
			c.Stored += t.stored
			c.Duplicate += t.duplicate
			c.Quarantined += t.quarantined
		}
		if c.Read != c.Stored+c.Duplicate+c.Filtered+c.Quarantined {
			return nil, fmt.Errorf("split %s does not add up: %d read, but %d stored, %d duplicate, %d filtered, %d quarantined",
				c.Split.ID, c.Read, c.Stored, c.Duplicate, c.Filtered, c.Quarantined)
		}
		entries[i].Completion = c
	}
	return entries, nil
}

const selectRowsFrom = `select public.rows_from($1, $2)`

// countRepeated finds out how many of a split's duplicates are rows of its own, stored
// by an earlier reading that a crash cut short, or that was under another filter. With
// it an audit knows the rows by origin exactly. It runs after the inserts: this reading
// stored c.Stored of the rows that are there now, in this transaction and before.
//
// Rows that the present filter would have left out may be among the others; then they
// may be taken for duplicates.
func (s *Sink) countRepeated(ctx context.Context, tx pgx.Tx, entries []ledgerEntry) error {
	var origins []string
	var asked []*ledgerEntry
	for i := range entries {
		if c := &entries[i]; c.Duplicate > 0 {
			origins, asked = append(origins, storable(c.Split.ID)), append(asked, c)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	var rows []int64
	if err := tx.QueryRow(ctx, selectRowsFrom, [16]byte(s.group), origins).Scan(&rows); err != nil {
		return fmt.Errorf("count rows by origin: %w", err)
	}
	if len(rows) != len(asked) {
		return fmt.Errorf("count rows by origin: %d answers for %d splits", len(rows), len(asked))
	}
	for i, c := range asked {
		// Fewer than stored are there only if somebody deletes rows while we store them.
		c.repeated = min(max(0, rows[i]-c.Stored), c.Duplicate)
	}
	return nil
}

const selectDone = `select public.ledger_done($1, $2, $3, $4, $5)`

func (s *Sink) askLedger(ctx context.Context, tx pgx.Tx, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	splits := make([]string, len(q.Splits))
	for i, id := range q.Splits {
		splits[i] = storable(id)
	}
	var answers []int16
	err := tx.QueryRow(ctx, selectDone, [16]byte(s.group), storable(q.Pipeline), storable(q.Source), storable(q.Filter), splits).Scan(&answers)
	if err != nil {
		return nil, fmt.Errorf("ask the ledger: %w", err)
	}
	if len(answers) != len(splits) {
		return nil, fmt.Errorf("ask the ledger: %d answers for %d splits", len(answers), len(splits))
	}
	states := make([]sdk.SplitState, len(answers))
	for i, a := range answers {
		// The function answers in the numbers of sdk.SplitState.
		states[i] = sdk.SplitState(a)
	}
	return states, nil
}

// optionalText is NULL for text that says nothing.
func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	s = storable(s)
	return &s
}
