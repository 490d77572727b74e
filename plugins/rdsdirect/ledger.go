package rdsdirect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const insertLedgerEntries = `
insert into public.ledger (group_id, pipeline, source, split, filter, split_time, bytes,
	read, stored, duplicate, filtered, quarantined, status, reason)
select $1::uuid, $2::text, * from unnest($3::text[], $4::text[], $5::text[], $6::timestamp[], $7::bigint[],
	$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[])
order by 3, 4, 5
on conflict do nothing`

// insertLedger records the splits that end with the batch. An entry that is there
// already stays as it is: the split was read again after a crash, or by another host.
func (s *Sink) insertLedger(ctx context.Context, tx pgx.Tx, w *write) error {
	entries, err := w.ledgerEntries()
	if err != nil || len(entries) == 0 {
		return err
	}
	var (
		sources, splits, filters, statuses                     []string
		times                                                  []*time.Time
		sizes, reads, stored, duplicate, filtered, quarantined []int64
		reasons                                                []*string
	)
	for _, c := range entries {
		sources, splits, filters = append(sources, storable(c.Source)), append(splits, storable(c.Split.ID)), append(filters, storable(c.Filter))
		times, sizes = append(times, optionalTime(c.Split.Time)), append(sizes, max(0, c.Split.Bytes))
		reads, stored, duplicate = append(reads, c.Read), append(stored, c.Stored), append(duplicate, c.Duplicate)
		filtered, quarantined = append(filtered, c.Filtered), append(quarantined, c.Quarantined)
		statuses, reasons = append(statuses, string(c.Status)), append(reasons, optionalText(c.Reason))
	}
	_, err = tx.Exec(ctx, insertLedgerEntries, [16]byte(s.group), storable(w.batch.Pipeline),
		sources, splits, filters, times, sizes, reads, stored, duplicate, filtered, quarantined, statuses, reasons)
	if err != nil {
		return fmt.Errorf("insert into ledger: %w", err)
	}
	return nil
}

// ledgerEntries are the completions, with what this transaction does of their splits
// added.
func (w *write) ledgerEntries() ([]sdk.Completion, error) {
	entries := slices.Clone(w.batch.Completed)
	for i := range entries {
		c := &entries[i]
		if t := w.splits[splitKey{c.Source, c.Split.ID}]; t != nil {
			c.Stored += t.stored
			c.Duplicate += t.duplicate
			c.Quarantined += t.quarantined
		}
		if c.Read != c.Stored+c.Duplicate+c.Filtered+c.Quarantined {
			return nil, fmt.Errorf("split %s does not add up: %d read, but %d stored, %d duplicate, %d filtered, %d quarantined",
				c.Split.ID, c.Read, c.Stored, c.Duplicate, c.Filtered, c.Quarantined)
		}
	}
	return entries, nil
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
