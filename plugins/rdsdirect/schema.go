package rdsdirect

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

// knownSchema is what the sink knows of the database's schema. It forgets everything at any
// error: the database may have been restored to a time before a month was made, or
// migrated by somebody.
type knownSchema struct {
	mu      sync.Mutex
	checked bool
	months  map[time.Time]bool // the first days of months that have partitions
}

// forget makes the next call look again.
func (k *knownSchema) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checked, k.months = false, nil
}

// unknown says whether the version is still to be checked, and which of the months of
// rows are not known to exist.
func (k *knownSchema) unknown(rows []*row) (unchecked bool, months []time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	missing := make(map[time.Time]bool)
	for _, r := range rows {
		if m := month(r.time); !k.months[m] && !missing[m] {
			missing[m] = true
			months = append(months, m)
		}
	}
	return !k.checked, months
}

// learn remembers that the version is right and the months are there. A month that is
// too far ahead has no partition of its own yet and is asked for again.
func (k *knownSchema) learn(months []time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checked = true
	if k.months == nil {
		k.months = make(map[time.Time]bool)
	}
	now := time.Now().UTC()
	for _, m := range months {
		if m.Before(now) {
			k.months[m] = true
		}
	}
}

func month(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

const (
	selectVersion = `select public.schema_version()`
	selectMonths  = `select public.ensure_months($1)`

	selectWithoutKey = `select coalesce(array_agg('alter table public.' || name || ' add primary key (' || key || ')' order by name), '{}')
		from (values
			('events', 'id, event_time'),
			('cloudtrail', 'event_id, event_time'),
			('ledger', 'group_id, pipeline, source, split, filter, status'),
			('quarantine', 'id'),
			('variants', 'id, event_time, content')
		) as t (name, key)
		where to_regclass('public.' || name) is not null and not exists (
			select from pg_catalog.pg_index i
			where i.indrelid = to_regclass('public.' || name) and i.indisprimary and i.indisvalid)`
)

// prepareSchema makes sure that the database's schema is the one this program knows,
// and that the partitions for rows are there. It has a transaction of its own, because
// making a partition locks others out.
func (s *Sink) prepareSchema(ctx context.Context, rows []*row) error {
	unchecked, months := s.known.unknown(rows)
	if !unchecked && len(months) == 0 {
		return nil
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if unchecked {
			if err := s.checkSchema(ctx, tx); err != nil {
				return err
			}
		}
		if len(months) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, selectMonths, pgtype.FlatArray[time.Time](months)); err != nil {
			return fmt.Errorf("make partitions: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.known.learn(months)
	return nil
}

// checkSchema looks for what the promise of one row rests on: the version, and the primary
// keys, without which a repeated insert adds a second row and says nothing.
func (s *Sink) checkSchema(ctx context.Context, tx pgx.Tx) error {
	if err := s.checkVersion(ctx, tx); err != nil {
		return err
	}
	var without []string
	if err := tx.QueryRow(ctx, selectWithoutKey).Scan(&without); err != nil {
		return fmt.Errorf("look for primary keys: %w", err)
	}
	if len(without) > 0 {
		return sdk.Denied(fmt.Errorf("database %q has lost primary keys, and events would be stored twice (as the owner: %s)",
			s.settings.Database, strings.Join(without, "; ")))
	}
	return nil
}

func (s *Sink) checkVersion(ctx context.Context, tx pgx.Tx) error {
	var version int
	if err := tx.QueryRow(ctx, selectVersion).Scan(&version); err != nil {
		return fmt.Errorf("ask for the schema's version: %w", err)
	}
	switch {
	case version < sql.Version:
		return sdk.Denied(fmt.Errorf("the schema of database %q is at version %d, this program needs %d (%s)",
			s.settings.Database, version, sql.Version, migrate))
	case version > sql.Version:
		return sdk.Denied(fmt.Errorf("the schema of database %q is at version %d, this program knows %d: upgrade the agent",
			s.settings.Database, version, sql.Version))
	}
	return nil
}
