// Package audit holds what sources list against the ledger of rds_direct sinks, and the
// ledger against the rows.
//
// What it proves if it finds nothing, at the time it ran:
//
//   - Every split that a source lists was read to its end under the pipeline's present
//     filter, or is in the quarantine as a whole.
//   - Each ledger entry adds up: read = stored + duplicate + filtered + quarantined.
//   - The rows of each split (column origin) are as many as the ledger says, and each has
//     its record: a row that somebody deleted is noticed, and so is a count that somebody
//     changed. The number is exact unless the split was read under several filters each
//     of which left something out: then it lies between what one of them must have seen
//     at least and the sum of all.
//   - Each record that was quarantined is in the quarantine, or was discarded by hand.
//   - What was taken out of the quarantine to be read again was read again, or discarded.
//
// What it does not prove: that the bytes of a row are those of the record, that the
// filter's decisions were right, that a duplicate's row is the right one or was not
// filtered, and that nobody changed rows and ledger alike. It cannot see what a source does not list: an
// object deleted before it was read, or one that AWS never delivered. Two equal records
// of one split with the same event ID, both refused by the sink, look like a lost one.
//
// CloudTrail's signed digest files would close the gap at the front: they name the
// objects that AWS delivered, with their hashes. Such a check is one more function
// beside auditor.list, and its results are Findings.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/database"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Options say what is audited.
type Options struct {
	DSN     string // of a member of inu_reader or of the owner of the tables
	Sources []Source
	// Range limits the splits that sources list. Rows of splits that were not completed
	// count as a finding only if none of them was stored at or after its end.
	Range sdk.TimeRange
	// Limit is how many findings the report holds; the others are only counted.
	Limit int
}

// A Source is one source block of a pipeline.
type Source struct {
	Pipeline string
	Type     string
	Plugin   interface {
		Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error
	}
	Since  time.Time   // splits before are not read
	Filter string      // fingerprint of the pipeline's filter
	Groups []uuid.UUID // of the pipeline's sinks in this database
}

// A Report is what was seen.
type Report struct {
	Listings []Listing
	Groups   []Group
	Findings []Finding // the first ones
	Found    int       // how many there are
}

// A Listing compares what a source lists with the ledger of one group. The splits listed
// are the sum of the other counts.
type Listing struct {
	Pipeline, Source string
	Group            uuid.UUID

	Listed, Done, Invalid, Missing, Refiltered, Gone int64
}

// A Group is the rows of one group and what the ledger says of them.
type Group struct {
	ID   uuid.UUID
	Rows int64
	// Variants is how many records came under the ID of a stored event with other
	// content. They are no finding, for the ledger counts them as duplicates, but
	// somebody should know.
	Variants int64
	Accounts []Account
}

// An Account is the sum of the ledger entries of a pipeline and source.
type Account struct {
	Pipeline, Source      string
	Splits, Invalid, Gone int64 // the entries, and those of them with this status

	Read, Stored, Duplicate, Filtered, Quarantined int64
}

// A Kind says what sort of thing does not add up.
type Kind string

// The kinds of findings.
const (
	Missing     Kind = "missing"     // listed, and not in the ledger
	Refiltered  Kind = "refiltered"  // listed, and read only under another filter, which left events out
	Gone        Kind = "gone"        // listed, and recorded as gone
	Counts      Kind = "counts"      // an entry whose counts do not add up
	Rows        Kind = "rows"        // fewer or more rows than the ledger says
	Unfinished  Kind = "unfinished"  // rows without a ledger entry
	NoRecord    Kind = "record"      // rows of events without their row of cloudtrail
	Quarantined Kind = "quarantined" // fewer or more kept aside than the ledger says
	Retried     Kind = "retried"     // taken out of the quarantine to be read again, and not read
)

// A Finding is something that does not add up.
type Finding struct {
	Kind             Kind
	Group            uuid.UUID
	Pipeline, Source string // empty where no ledger entry tells
	Split            string
	Detail           string
}

// Run audits. It first lists every source, then looks at the database as it is at one
// moment, so that it can run beside the agent; a split that was delivered after the
// agent's last listing is missing then, unless Options.Range leaves it out.
func Run(ctx context.Context, o Options) (Report, error) {
	conn, err := database.Connect(ctx, o.DSN)
	if err != nil {
		return Report{}, err
	}
	defer database.Close(ctx, conn)
	a := &auditor{Options: o, conn: conn}
	for _, s := range o.Sources {
		if err := a.list(ctx, s); err != nil {
			return Report{}, database.Explain(err)
		}
	}
	if err := a.inSnapshot(ctx, a.checkGroups); err != nil {
		return Report{}, database.Explain(err)
	}
	return a.report, nil
}

type auditor struct {
	Options
	conn   *pgx.Conn
	report Report
}

func (a *auditor) found(f Finding) {
	a.report.Found++
	if len(a.report.Findings) < a.Limit {
		a.report.Findings = append(a.report.Findings, f)
	}
}

// beginSnapshot also lets PostgreSQL join the two tables month by month, in the memory
// of one.
const beginSnapshot = `begin isolation level repeatable read, read only;
set local enable_partitionwise_join = on;
set local enable_partitionwise_aggregate = on`

// inSnapshot runs f in a transaction in which everything is as it was at its start.
func (a *auditor) inSnapshot(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, a.conn, pgx.TxOptions{BeginQuery: beginSnapshot}, func(tx pgx.Tx) error { return f(ctx, tx) })
}

func (a *auditor) checkGroups(ctx context.Context, tx pgx.Tx) error {
	seen := make(map[uuid.UUID]bool)
	for _, s := range a.Sources {
		for _, id := range s.Groups {
			if seen[id] {
				continue
			}
			seen[id] = true
			g := &groupCheck{auditor: a, tx: tx, group: Group{ID: id}}
			if err := g.run(ctx); err != nil {
				return fmt.Errorf("group %s: %w", id, err)
			}
			a.report.Groups = append(a.report.Groups, g.group)
		}
	}
	return nil
}
