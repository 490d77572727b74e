package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

const group = "7d0c6a52-44b5-4c0e-9f3a-6f8f2f0d1a11"

// server is PostgreSQL as the benchmark uses it.
type server struct {
	*pgtest.Cluster
	postmaster int
	settings   string
}

func startServer(ctx context.Context, o options) (*server, error) {
	c, err := pgtest.Start(ctx, pgtest.Options{
		Fsync: o.fsync,
		Settings: map[string]string{
			"shared_buffers": o.buffers, "synchronous_commit": "on",
			// Rare enough for no checkpoint to fall into one measurement and not into another.
			"max_wal_size": "16GB", "checkpoint_timeout": "30min",
		},
	})
	if err != nil {
		return nil, err
	}
	s := &server{Cluster: c}
	err = s.superuser(ctx, "postgres", func(conn *pgx.Conn) error {
		backend, err := readStat(int(conn.PgConn().PID()))
		if err != nil {
			return err
		}
		s.postmaster = backend.parent
		var version string
		if err := conn.QueryRow(ctx, `show server_version`).Scan(&version); err != nil {
			return err
		}
		s.settings = fmt.Sprintf("PostgreSQL %s", version)
		for _, name := range []string{"shared_buffers", "fsync", "synchronous_commit", "full_page_writes", "max_wal_size", "max_connections"} {
			var value string
			if err := conn.QueryRow(ctx, `select current_setting($1)`, name).Scan(&value); err != nil {
				return err
			}
			s.settings += fmt.Sprintf(" %s=%s", name, value)
		}
		return nil
	})
	if err != nil {
		_ = c.Stop()
		return nil, err
	}
	return s, nil
}

// superuser gives f a connection.
func (s *server) superuser(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.DSN(pgtest.Superuser, s.Password, database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// fresh makes a database with the shipped schema, and leaves the server with nothing
// else to do.
func (s *server) fresh(ctx context.Context) (*pgtest.Database, error) {
	db, err := s.NewDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := db.AddGroup(ctx, group, "bench"); err != nil {
		return nil, err
	}
	return db, s.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		// The months of the bucket, so that COPY finds them too.
		if _, err := conn.Exec(ctx, `select public.ensure_months(array[$1::timestamp])`, trail(1, 1, 0).Start); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "checkpoint")
		return err
	})
}

func (s *server) drop(ctx context.Context, db *pgtest.Database) error {
	return s.superuser(ctx, "postgres", func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "drop database "+db.Name+" with (force)")
		return err
	})
}

// stored says in how many transactions the rows of db were stored, and how many bytes they
// take with their indexes.
func (s *server) stored(ctx context.Context, db *pgtest.Database) (writes int, size int64, err error) {
	err = s.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select (select count(distinct created_at) from events), (select sum(pg_total_relation_size(c.oid))
			from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname ~ '^(events|cloudtrail)_')`).Scan(&writes, &size)
	})
	return writes, size, err
}

// usage is what a measurement cost the server, and what time of processors it left unused.
type usage struct {
	wall, cpu, idle time.Duration
}

// measure runs f and says what it took.
func (s *server) measure(f func() error) (usage, error) {
	before, unused, start := cpu(s.postmaster), idle(), time.Now()
	err := f()
	return usage{time.Since(start), cpu(s.postmaster) - before, idle() - unused}, err
}

// A relation is a table with the columns that are not made by the server.
type relation struct {
	name    string
	columns []string
}

// relations are the two tables of an event, in the order in which their foreign key
// wants them.
func relations(ctx context.Context, conn *pgx.Conn) ([]relation, error) {
	var found []relation
	for _, name := range []string{"events", "cloudtrail"} {
		rows, err := conn.Query(ctx, `select attname from pg_attribute
			where attrelid = ('public.' || $1)::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`, name)
		if err != nil {
			return nil, err
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		found = append(found, relation{name, columns})
	}
	return found, nil
}

// Prepared rows are what the agent stored, in files in COPY's binary form, in the order
// in which it stored them: the first two hold half of the events each.
type prepared struct {
	relations []relation
	files     [2][2]string // by half and relation
	sample    [2][][]any   // text of some rows by relation
}

// prepare takes the rows of db out of it.
func prepare(ctx context.Context, conn *pgx.Conn, dir string, sample int) (*prepared, error) {
	p := &prepared{}
	var err error
	if p.relations, err = relations(ctx, conn); err != nil {
		return nil, err
	}
	const joined = ` from (select e.*, row_number() over (order by e.tableoid, e.ctid) as n, count(*) over () as of from events e) as events
		join cloudtrail on cloudtrail.event_id = events.id and cloudtrail.event_time = events.event_time`
	for r, rel := range p.relations {
		columns := rel.name + "." + strings.Join(rel.columns, ", "+rel.name+".")
		for half := range 2 {
			query := fmt.Sprintf(`select %s %s where (n > of / 2) = %t order by n`, columns, joined, half == 1)
			p.files[half][r] = fmt.Sprintf("%s/%s.%d", dir, rel.name, half)
			if err := copyOut(ctx, conn, query, p.files[half][r]); err != nil {
				return nil, err
			}
		}
		texts := rel.name + "." + strings.Join(rel.columns, "::text, "+rel.name+".") + "::text"
		rows, err := conn.Query(ctx, fmt.Sprintf(`select %s %s where n <= %d order by n`, texts, joined, sample))
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return nil, err
			}
			p.sample[r] = append(p.sample[r], values)
		}
		if rows.Err() != nil {
			return nil, rows.Err()
		}
	}
	return p, nil
}

func copyOut(ctx context.Context, conn *pgx.Conn, query, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := conn.PgConn().CopyTo(ctx, f, `copy (`+query+`) to stdout (format binary)`); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return f.Close()
}
