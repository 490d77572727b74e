package quarantine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A Retried split is forgotten by the ledger: it counts as never read.
type Retried struct {
	Group                   uuid.UUID
	Pipeline, Source, Split string
	Entries                 int // that left the quarantine
	LedgerEntries           int // one for each filter it was read under
}

const (
	chosenByID     = `with chosen as (select distinct group_id, pipeline, source, split from public.quarantine where id = any($1))`
	chosenByFilter = `with chosen as (select distinct group_id, pipeline, source, split from public.quarantine where ` + matchesFilter + ` and not ` + isMessage + `)`

	// retrySplits follows one of the two.
	retrySplits = `, left_quarantine as (
	delete from public.quarantine q using chosen c
	where (q.group_id, q.pipeline, q.source, q.split) = (c.group_id, c.pipeline, c.source, c.split)
	returning q.*
), kept as (
	insert into public.released (id, kind, group_id, pipeline, source, split, event_id, event_time, reason, raw, recorded_at, action)
	select id, kind, group_id, pipeline, source, split, event_id, event_time, reason, raw, recorded_at, 'retry' from left_quarantine
), left_ledger as (
	delete from public.ledger l using chosen c
	where (l.group_id, l.pipeline, l.source, l.split) = (c.group_id, c.pipeline, c.source, c.split)
	returning l.group_id, l.pipeline, l.source, l.split
)
select group_id, pipeline, source, split, q.entries, coalesce(l.entries, 0)
from (select group_id, pipeline, source, split, count(*) as entries from left_quarantine group by 1, 2, 3, 4) as q
left join (select group_id, pipeline, source, split, count(*) as entries from left_ledger group by 1, 2, 3, 4) as l
	using (group_id, pipeline, source, split)
order by pipeline, source, split`
)

// Retry makes the splits of the entries with these IDs count as never read, so that the
// next listing of their source reads them whole. Every entry of such a split leaves the
// quarantine, not only those named: what still cannot be stored comes back with the same
// ID. All is one transaction; each is called before its end, and nothing has happened if
// Retry returns an error: ErrNotFound if one of the IDs is not there, ErrMessage if one is
// a message of a queue.
func (q *Quarantine) Retry(ctx context.Context, ids []uuid.UUID, each func(Retried) error) error {
	return q.change(ctx, "retry", func(tx pgx.Tx) error {
		if err := checkPresent(ctx, tx, selectPresent, ids); err != nil {
			return err
		}
		if err := checkNoMessage(ctx, tx, ids); err != nil {
			return err
		}
		return retry(ctx, tx, each, chosenByID, arrayOf(ids))
	})
}

// RetryAll is Retry for the entries that f chooses, but for messages, which stay.
func (q *Quarantine) RetryAll(ctx context.Context, f Filter, each func(Retried) error) error {
	return q.change(ctx, "retry", func(tx pgx.Tx) error {
		return retry(ctx, tx, each, chosenByFilter, f.arguments()...)
	})
}

func retry(ctx context.Context, tx pgx.Tx, each func(Retried) error, chosen string, arguments ...any) error {
	rows, err := tx.Query(ctx, chosen+retrySplits, arguments...)
	if err != nil {
		return err
	}
	var r Retried
	_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&r.Group), &r.Pipeline, &r.Source, &r.Split, &r.Entries, &r.LedgerEntries},
		func() error { return each(r) })
	return err
}

// unread holds for an entry r of released whose split nothing has read since.
const unread = `r.action = 'retry'
	and not exists (select from public.quarantine q where q.id = r.id)
	and not exists (
		select from public.ledger l
		where (l.group_id, l.pipeline, l.source, l.split) = (r.group_id, r.pipeline, r.source, r.split))`

const discardEntries = `
with left_quarantine as (
	delete from public.quarantine where id = any($1) returning *
), kept as (
	insert into public.released (id, kind, group_id, pipeline, source, split, event_id, event_time, reason, recorded_at, action)
	select id, kind, group_id, pipeline, source, split, event_id, event_time, reason, recorded_at, 'discard' from left_quarantine
), given_up as (
	update public.released r
	set action = 'discard', raw = null, released_by = session_user, released_at = case
		when released_at = (select max(newest.released_at) from public.released newest where newest.id = r.id) then now() at time zone 'UTC'
		else released_at
	end
	where r.id = any($1) and ` + unread + `
	returning r.*
)
select ` + entryColumns + ` from (
	select id, kind, group_id, pipeline, source, split, event_id, event_time, reason, recorded_at, raw from left_quarantine
	union
	select id, kind, group_id, pipeline, source, split, event_id, event_time, reason, recorded_at, raw from given_up
) as discarded order by recorded_at, id`

// Discard gives the entries with these IDs up for good: the bytes of a record are gone,
// unless its object still has them. The ledger goes on counting them as quarantined, and
// the table released says who discarded them and when. It is one transaction, as Retry.
//
// An entry that was retried and that nothing has read since, because its split is not
// there any more, can be discarded as well.
func (q *Quarantine) Discard(ctx context.Context, ids []uuid.UUID, each func(Entry) error) error {
	return q.change(ctx, "discard", func(tx pgx.Tx) error {
		if err := checkPresent(ctx, tx, selectDiscardable, ids); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, discardEntries, arrayOf(ids))
		if err != nil {
			return err
		}
		var e Entry
		_, err = pgx.ForEachRow(rows, e.fields(), func() error { return each(e) })
		return err
	})
}

// lockWriters makes sinks wait. One that is storing a split whose entries are about to
// go would else find them still there, add none, and record in the ledger that they are
// kept. Sinks, too, take the two tables in this order.
const lockWriters = `set local lock_timeout = '60s'; lock table public.quarantine, public.ledger in share row exclusive mode`

// change runs f in a transaction of its own, beside which nothing is stored.
func (q *Quarantine) change(ctx context.Context, doing string, f func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, q.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockWriters, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		return f(tx)
	})
	return explain(doing+" changed nothing", err)
}

const (
	selectPresent     = `select id from public.quarantine where id = any($1)`
	selectDiscardable = selectPresent + ` union select r.id from public.released r where r.id = any($1) and ` + unread
)

func checkPresent(ctx context.Context, tx pgx.Tx, query string, ids []uuid.UUID) error {
	rows, err := tx.Query(ctx, query, arrayOf(ids))
	if err != nil {
		return err
	}
	present, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(present, [16]byte(id)) {
			return fmt.Errorf("%s: %w", id, ErrNotFound)
		}
	}
	return nil
}

// isMessage is how the source s3 names a split that is a message of its queue, which no
// bucket's name can be.
const isMessage = `(source = 's3' and starts_with(split, 'sqs:'))`

const selectMessage = `select id, split from public.quarantine where id = any($1) and ` + isMessage + ` limit 1`

// ErrMessage says that an entry is a message of a queue, which nothing lists again.
var ErrMessage = errors.New("it is a message, which its queue has no more: send what agent quarantine show -raw writes to the queue again, then discard the entry")

func checkNoMessage(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	var id uuid.UUID
	var split string
	err := tx.QueryRow(ctx, selectMessage, arrayOf(ids)).Scan((*[16]byte)(&id), &split)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s, %s: %w", id, split, ErrMessage)
}

func arrayOf(ids []uuid.UUID) pgtype.FlatArray[[16]byte] {
	array := make(pgtype.FlatArray[[16]byte], len(ids))
	for i, id := range ids {
		array[i] = id
	}
	return array
}
