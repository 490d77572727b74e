package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A groupCheck holds the rows of one group against its ledger. PostgreSQL does the
// joining, with temporary files where its memory is short; only what does not add up
// comes here.
type groupCheck struct {
	*auditor
	tx    pgx.Tx
	group Group
}

func (g *groupCheck) run(ctx context.Context) error {
	for _, check := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"sum up the ledger", g.sumLedger},
		{"check the ledger's counts", g.checkCounts},
		{"count rows by origin", g.checkRows},
		{"count variants", g.countVariants},
		{"count the quarantine", g.checkQuarantine},
		{"look for splits to be read again", g.checkRetried},
	} {
		if err := check.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
	}
	return nil
}

// each calls f after scanning each row of a query into fields. The first argument is
// the group.
func (g *groupCheck) each(ctx context.Context, query string, fields []any, f func() error, more ...any) error {
	rows, err := g.tx.Query(ctx, query, append([]any{[16]byte(g.group.ID)}, more...)...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, fields, f)
	return err
}

// report adds a finding about the group.
func (g *groupCheck) report(f Finding, format string, args ...any) {
	f.Group, f.Detail = g.group.ID, fmt.Sprintf(format, args...)
	g.found(f)
}

const sumEntries = `
select pipeline, source, count(*), count(*) filter (where status = 'invalid'), count(*) filter (where status = 'gone'),
	sum(read)::bigint, sum(stored)::bigint, sum(duplicate)::bigint, sum(filtered)::bigint, sum(quarantined)::bigint
from public.ledger
where group_id = $1
group by pipeline, source
order by pipeline, source`

func (g *groupCheck) sumLedger(ctx context.Context) error {
	var a Account
	fields := []any{&a.Pipeline, &a.Source, &a.Splits, &a.Invalid, &a.Gone, &a.Read, &a.Stored, &a.Duplicate, &a.Filtered, &a.Quarantined}
	return g.each(ctx, sumEntries, fields, func() error {
		g.group.Accounts = append(g.group.Accounts, a)
		return nil
	})
}

// A CHECK of the table holds the same; here it holds also where somebody dropped it.
const selectWrongCounts = `
select pipeline, source, split, read, stored, duplicate, filtered, quarantined
from public.ledger
where group_id = $1
  and (read <> stored + duplicate + filtered + quarantined or least(read, stored, duplicate, filtered, quarantined) < 0)
order by pipeline, source, split`

func (g *groupCheck) checkCounts(ctx context.Context) error {
	f := Finding{Kind: Counts}
	var read, stored, duplicate, filtered, quarantined int64
	fields := []any{&f.Pipeline, &f.Source, &f.Split, &read, &stored, &duplicate, &filtered, &quarantined}
	return g.each(ctx, selectWrongCounts, fields, func() error {
		g.report(f, "the entry does not add up: %d read, but %d stored, %d duplicate, %d filtered, %d quarantined",
			read, stored, duplicate, filtered, quarantined)
		return nil
	})
}

// countRows answers the number of all rows first, then every split whose rows are not as
// many as its entries say, in whatever pipeline: rows belong to the group.
//
// Each row with the split as origin was stored by one reading of it, so there are at
// least as many as all readings stored, and as one of them has seen: stored + repeated.
// A reading that left nothing out has seen all there are. Else there are at most as many
// as all readings have seen; how much of a split was stored before it went away or broke
// nobody knows.
const countRows = `
with entry as (
	select split,
		string_agg(distinct pipeline, ', ') as pipeline, string_agg(distinct source, ', ') as source,
		greatest(sum(stored), max(stored + coalesce(repeated, 0)))::bigint as fewest,
		case
			when bool_or(status = 'stored' and filtered = 0)
				then min(stored + coalesce(repeated, duplicate)) filter (where status = 'stored' and filtered = 0)
			when bool_and(status = 'stored') then sum(stored + coalesce(repeated, duplicate))
		end::bigint as most
	from public.ledger
	where group_id = $1
	group by split
), origin as (
	select c.origin as split, count(*) as rows, max(e.created_at) as newest
	from public.events e
	left join public.cloudtrail c on c.event_id = e.id and c.event_time = e.event_time
	where e.group_id = $1
	group by c.origin
), compared as materialized (
	select split, pipeline, source, fewest, most, coalesce(rows, 0) as rows, newest
	from entry full join origin using (split)
)
select true, null, null, null, null, null, coalesce(sum(rows), 0)::bigint from compared
union all (
	select false, split, pipeline, source, fewest, most, rows from compared
	where rows < fewest or rows > most
	   or (pipeline is null and (split is null or $2::timestamp is null or newest < $2))
	order by pipeline, source, split
)`

func (g *groupCheck) checkRows(ctx context.Context) error {
	var total bool
	var split, pipeline, source *string
	var fewest, most *int64
	var rows int64
	fields := []any{&total, &split, &pipeline, &source, &fewest, &most, &rows}
	return g.each(ctx, countRows, fields, func() error {
		switch {
		case total:
			g.group.Rows = rows
		case split == nil:
			g.report(Finding{Kind: NoRecord}, "%d rows of events have no record in cloudtrail", rows)
		case pipeline == nil:
			g.report(Finding{Kind: Unfinished, Split: *split}, "%d rows, but the ledger has no entry: the split was not read to its end", rows)
		default:
			g.report(Finding{Kind: Rows, Pipeline: *pipeline, Source: *source, Split: *split}, "%s", difference(rows, fewest, most, "rows"))
		}
		return nil
	}, optionalTime(g.Range.Until))
}

const countVariants = `
select count(*)
from public.variants v join public.events e on e.id = v.id and e.event_time = v.event_time
where e.group_id = $1`

func (g *groupCheck) countVariants(ctx context.Context) error {
	return g.each(ctx, countVariants, []any{&g.group.Variants}, func() error { return nil })
}

// The ledger counts what was discarded by hand as quarantined still. What was discarded
// before the split was read again is not of that reading.
const countQuarantine = `
with entry as (
	select pipeline, source, split, max(quarantined) as fewest, case when bool_and(status = 'stored') then sum(quarantined)::bigint end as most
	from public.ledger
	where group_id = $1
	group by pipeline, source, split
), kept as (
	select pipeline, source, split, count(distinct id) as entries
	from (
		select id, pipeline, source, split from public.quarantine where group_id = $1
		union all
		select r.id, r.pipeline, r.source, r.split
		from public.released r
		where r.group_id = $1 and r.action = 'discard' and exists (
			select from public.ledger l
			where (l.group_id, l.pipeline, l.source, l.split) = (r.group_id, r.pipeline, r.source, r.split) and l.recorded_at <= r.released_at)
	) as k
	group by pipeline, source, split
)
select pipeline, source, split, fewest, most, coalesce(entries, 0)
from entry left join kept using (pipeline, source, split)
where coalesce(entries, 0) < fewest or coalesce(entries, 0) > most
order by pipeline, source, split`

func (g *groupCheck) checkQuarantine(ctx context.Context) error {
	f := Finding{Kind: Quarantined}
	var fewest, most *int64
	var entries int64
	return g.each(ctx, countQuarantine, []any{&f.Pipeline, &f.Source, &f.Split, &fewest, &most, &entries}, func() error {
		g.report(f, "%s", difference(entries, fewest, most, "entries in the quarantine"))
		return nil
	})
}

const selectUnread = `
select pipeline, source, split, max(released_at), max(released_by), string_agg(distinct id::text, ' ' order by id::text)
from public.released r
where group_id = $1 and action = 'retry' and not exists (
	select from public.ledger l
	where (l.group_id, l.pipeline, l.source, l.split) = (r.group_id, r.pipeline, r.source, r.split))
group by pipeline, source, split
order by pipeline, source, split`

func (g *groupCheck) checkRetried(ctx context.Context) error {
	f := Finding{Kind: Retried}
	var at time.Time
	var by, ids string
	return g.each(ctx, selectUnread, []any{&f.Pipeline, &f.Source, &f.Split, &at, &by, &ids}, func() error {
		g.report(f, "to be read again since %s, by %s, and not read; the table released has what was quarantined of it. "+
			"If the split is not there any more, or was changed, give that up: agent quarantine discard %s",
			at.UTC().Format(time.RFC3339), by, shortened(ids))
		return nil
	})
}

// shortened leaves out what would make a line of thousands of IDs.
func shortened(ids string) string {
	const most = 20 * len("00000000-0000-0000-0000-000000000000 ")
	if len(ids) <= most {
		return ids
	}
	return ids[:most] + "…"
}

// difference says how many there are, and how many there ought to be.
func difference(got int64, fewest, most *int64, what string) string {
	switch {
	case fewest != nil && most != nil && *fewest == *most:
		return fmt.Sprintf("%d %s, but the ledger counts %d", got, what, *fewest)
	case fewest != nil && got < *fewest:
		return fmt.Sprintf("%d %s, but the ledger counts at least %d", got, what, *fewest)
	case most != nil:
		return fmt.Sprintf("%d %s, but the ledger counts at most %d", got, what, *most)
	}
	return fmt.Sprintf("%d %s", got, what)
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
