package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// An indexing is a way to index the table cloudtrail, as changes to the shipped one.
type indexing struct {
	name    string
	changes []string
}

const (
	dropUserIdentity = `drop index public.cloudtrail_user_identity_idx`
	dropForeignKey   = `do $$ declare t regclass; begin
		for t in select conrelid::regclass from pg_constraint where conname = 'cloudtrail_event_fkey' loop
			execute format('alter table %s drop constraint cloudtrail_event_fkey', t);
		end loop; end $$`
)

// indexings says what each index costs by leaving it out, and what others would cost.
func indexings() []indexing {
	all := []indexing{{name: "shipped"}}
	var none []string
	for _, index := range []string{"event_name", "event_time", "event_id", "origin", "user_identity"} {
		drop := fmt.Sprintf(`drop index public.cloudtrail_%s_idx`, index)
		all = append(all, indexing{"without-" + index, []string{drop}})
		none = append(none, drop)
	}
	return append(all,
		indexing{"without-all-five", none},
		indexing{"without-foreign-key", []string{dropForeignKey}},
		indexing{"user_identity-plain-gin", []string{dropUserIdentity, `create index on public.cloudtrail using gin (user_identity)`}},
		indexing{"user_identity-arn-btree", []string{dropUserIdentity, `create index on public.cloudtrail ((user_identity ->> 'arn'))`}},
	)
}

// measureIndexes stores the prepared rows by COPY on one connection under each indexing.
func (b *bench) measureIndexes(ctx context.Context) error {
	n := b.objects.Records
	for _, x := range indexings() {
		err := b.inFresh(ctx, func(db *pgtest.Database) error {
			err := b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
				for _, change := range x.changes {
					if _, err := conn.Exec(ctx, change); err != nil {
						return fmt.Errorf("%s: %w", change, err)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			u, err := b.pg.measure(func() error { return b.rows.copyRows(ctx, db.DSN(db.Owner), 1) })
			if err != nil {
				return err
			}
			_, size, err := b.pg.stored(ctx, db)
			if err != nil {
				return err
			}
			b.report.add("index/"+x.name, n, u.wall, metric{"pg-cpu-s/M", perMillion(u.cpu, n)}, metric{"bytes/event", float64(size) / float64(n)})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
