package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// pageSize is how many splits the ledger is asked about at a time.
const pageSize = 1000

// list lists one source and asks the ledger of each group about every page.
func (a *auditor) list(ctx context.Context, s Source) error {
	r := a.Range
	if s.Since.After(r.Since) {
		r.Since = s.Since
	}
	var listings []*Listing
	for _, group := range s.Groups {
		listings = append(listings, a.listing(s, group))
	}
	err := s.Plugin.Discover(ctx, r, func(splits []sdk.Split) error {
		splits = slices.DeleteFunc(splits, func(split sdk.Split) bool { return !r.Contains(split.Time) })
		for page := range slices.Chunk(splits, pageSize) {
			for _, l := range listings {
				if err := a.check(ctx, s, l, page); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list source %s of pipeline %s: %w", s.Type, s.Pipeline, err)
	}
	for _, l := range listings {
		a.merge(*l)
	}
	return nil
}

func (a *auditor) listing(s Source, group uuid.UUID) *Listing {
	return &Listing{Pipeline: s.Pipeline, Source: s.Type, Group: group}
}

// merge adds a listing to the report. Source blocks of one type share their ledger
// entries, and so their line.
func (a *auditor) merge(l Listing) {
	for i := range a.report.Listings {
		if m := &a.report.Listings[i]; m.Pipeline == l.Pipeline && m.Source == l.Source && m.Group == l.Group {
			m.Listed += l.Listed
			m.Done += l.Done
			m.Invalid += l.Invalid
			m.Missing += l.Missing
			m.Refiltered += l.Refiltered
			m.Gone += l.Gone
			return
		}
	}
	a.report.Listings = append(a.report.Listings, l)
}

// What the ledger says of a split. An entry under another filter that left nothing out
// is as good as one under the present filter.
const (
	stateDone       = "done"
	stateInvalid    = "invalid"
	stateGone       = "gone"
	stateRefiltered = "refiltered"
	stateMissing    = "missing"

	selectStates = `
select coalesce(entry.state, 'missing'), coalesce(entry.reason, '')
from unnest($5::text[]) with ordinality as asked (split, position)
left join lateral (
	select
		case
			when bool_or(good and status = 'stored') then 'done'
			when bool_or(good and status = 'invalid') then 'invalid'
			when bool_or(good and status = 'gone') then 'gone'
			else 'refiltered'
		end as state,
		max(reason) as reason
	from (
		select status, reason, filtered = 0 or filter = $4 as good
		from public.ledger l
		where l.group_id = $1 and l.pipeline = $2 and l.source = $3 and l.split = asked.split
	) as e
	having count(*) > 0
) as entry on true
order by asked.position`
)

// check asks the ledger of one group about a page of splits.
func (a *auditor) check(ctx context.Context, s Source, l *Listing, splits []sdk.Split) error {
	ids := make([]string, len(splits))
	for i, split := range splits {
		ids[i] = storable(split.ID)
	}
	rows, err := a.conn.Query(ctx, selectStates, [16]byte(l.Group), s.Pipeline, s.Type, s.Filter, ids)
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	i := 0
	var state, reason string
	_, err = pgx.ForEachRow(rows, []any{&state, &reason}, func() error {
		a.count(l, state, reason, ids[i])
		i++
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	return nil
}

func (a *auditor) count(l *Listing, state, reason, split string) {
	l.Listed++
	finding := Finding{Group: l.Group, Pipeline: l.Pipeline, Source: l.Source, Split: split}
	switch state {
	case stateDone:
		l.Done++
		return
	case stateInvalid:
		l.Invalid++
		return
	case stateMissing:
		l.Missing++
		finding.Kind, finding.Detail = Missing, "listed, but the ledger has no entry: it was never read to its end"
	case stateRefiltered:
		l.Refiltered++
		finding.Kind, finding.Detail = Refiltered, "read only under another filter, which left events out; the next run reads it again"
	case stateGone:
		l.Gone++
		finding.Kind, finding.Detail = Gone, "listed, but it was gone when it was to be read; the next run tries it again: "+reason
	}
	a.found(finding)
}

// storable is a split's ID as the ledger holds it.
func storable(id string) string {
	const replacement = "\uFFFD"
	return strings.ReplaceAll(strings.ToValidUTF8(id, replacement), "\x00", replacement)
}
