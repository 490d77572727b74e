package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// measureAgain measures a pass over a bucket of small objects that are all stored: what
// it asks of S3 and of the ledger, and how long that takes.
func (b *bench) measureAgain(ctx context.Context) error {
	objects, err := startBucket(ctx, b.options.objects, 1, "", 0)
	if err != nil {
		return err
	}
	err = b.inFresh(ctx, func(db *pgtest.Database) error {
		config, err := b.config([]string{objects.source(), b.sink(db)})
		if err != nil {
			return err
		}
		if err := b.trackFunctions(ctx, db); err != nil {
			return err
		}
		first, err := b.carry(ctx, b.agent, config, db.Writer.Password)
		if err != nil {
			return err
		}
		if err := b.sameRows(ctx, db, objects.Records); err != nil {
			return err
		}
		b.report.add("again-first", objects.Objects, first.wall, first.metrics(objects.Objects)...)
		for range b.rounds {
			if err := b.again(ctx, db, objects, config); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return objects.close()
}

func (b *bench) again(ctx context.Context, db *pgtest.Database, objects *bucket, config string) error {
	lists, err := objects.lists(ctx)
	if err != nil {
		return err
	}
	queries, err := b.ledgerQueries(ctx, db)
	if err != nil {
		return err
	}
	c, err := b.carry(ctx, b.agent, config, db.Writer.Password)
	if err != nil {
		return err
	}
	listsAfter, err := objects.lists(ctx)
	if err != nil {
		return err
	}
	queriesAfter, err := b.ledgerQueries(ctx, db)
	if err != nil {
		return err
	}
	thousands := float64(objects.Objects) / 1000
	b.report.add("again", objects.Objects, c.wall,
		metric{"seconds", c.wall.Seconds()},
		metric{"lists/1000-keys", float64(listsAfter-lists) / thousands},
		metric{"ledger-queries/1000-keys", float64(queriesAfter-queries) / thousands},
		metric{"peak-pss-MiB", float64(c.watch.peak) / (1 << 20)})
	return b.sameRows(ctx, db, objects.Records)
}

// trackFunctions makes the server count calls.
func (b *bench) trackFunctions(ctx context.Context, db *pgtest.Database) error {
	return b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf(`alter database %s set track_functions = 'all'`, db.Name))
		return err
	})
}

// ledgerQueries is how often the ledger was asked so far.
func (b *bench) ledgerQueries(ctx context.Context, db *pgtest.Database) (n int, err error) {
	err = b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select coalesce(sum(calls), 0) from pg_stat_user_functions where funcname = 'ledger_done'`).Scan(&n)
	})
	return n, err
}
