// Package migrate brings a database to the schema of the rds_direct sink, as the
// owner of its tables, and gives the sink's user what it needs and no more.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	tern "github.com/jackc/tern/v2/migrate"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/database"
	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

// Options say what Run does.
type Options struct {
	// DSN connects to the database as the owner, directly and not through a pooler.
	// It may be empty if Print is set, which then is for a fresh database.
	DSN string
	// Database, if set, is the name of the database that DSN must lead to.
	Database string
	// Groups are made if they are missing. A name that is given replaces another one.
	Groups []Group
	// Writers are the users of the sinks. Each is granted what a sink needs.
	Writers []Writer
	// CreateRoles makes writers that do not exist, with their password. The password
	// of one that does is left as it is.
	CreateRoles bool
	// Print, if set, takes the SQL that would run. Nothing runs then.
	Print io.Writer
	// Report, if set, hears in whole lines what was done and what to do next.
	Report func(line string)
}

// A Group owns events.
type Group struct {
	ID   uuid.UUID
	Name string // empty: keep the present name; a new group is named by its ID
}

// A Writer is the user of an rds_direct sink.
type Writer struct {
	User     string
	Password string // empty: a role that is made has none
	IAM      bool   // it logs in with tokens of RDS
}

// Run brings the database up to date: it moves the predecessor's tables aside,
// applies the migrations that are missing, and sees to groups, roles and grants.
// Each step is a transaction. Run may be repeated, also after an error, and called
// from several hosts at once; they take turns.
//
// It refuses, changing nothing, a database whose tables have other shapes than it
// knows, one that a newer agent has migrated, and an owner who lacks a privilege.
func Run(ctx context.Context, opts Options) error {
	if opts.Report == nil {
		opts.Report = func(string) {}
	}
	writers, err := distinctWriters(opts.Writers)
	if err != nil {
		return err
	}
	opts.Writers = writers
	if opts.DSN == "" {
		if opts.Print == nil {
			return errors.New("no connection string for the owner of the tables")
		}
		return printPlan(opts.Print, freshState(), opts)
	}

	conn, err := connect(ctx, opts)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if err := checkDatabase(ctx, conn, opts.Database); err != nil {
		return err
	}
	if err := lock(ctx, conn); err != nil {
		return err
	}
	state, err := inspect(ctx, conn, opts)
	if err != nil {
		return err
	}
	if err := state.check(opts); err != nil {
		return err
	}
	if opts.Print != nil {
		return printPlan(opts.Print, state, opts)
	}
	return apply(ctx, conn, state, opts)
}

// connect keeps the connection string out of every error: it may hold a password,
// and what a parser says of a broken one may quote it.
func connect(ctx context.Context, opts Options) (*pgx.Conn, error) {
	config, err := database.Parse(opts.DSN)
	if err != nil {
		return nil, err
	}
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			opts.Report("PostgreSQL warns: " + notice.Message)
		}
	}
	return database.Dial(ctx, config)
}

// checkDatabase keeps a connection string from leading the migration elsewhere than
// where the sinks write.
func checkDatabase(ctx context.Context, conn *pgx.Conn, want string) error {
	var name string
	if err := conn.QueryRow(ctx, `select current_database()`).Scan(&name); err != nil {
		return fmt.Errorf("ask for the database's name: %w", err)
	}
	if want != "" && name != want {
		return fmt.Errorf("the owner's connection string leads to database %q, but the sink writes to %q: correct one of them", name, want)
	}
	return nil
}

// closeConn closes also when ctx has ended, which lets go of the lock.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the work is committed, or has failed with an error of its own
}

// lock makes Runs on one database take turns, from looking at it to the last
// grant. The connection holds the lock until it is closed.
func lock(ctx context.Context, conn *pgx.Conn) error {
	const key = 5403921869327461127 // any number will do
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, int64(key)); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	return nil
}

func apply(ctx context.Context, conn *pgx.Conn, state state, opts Options) error {
	if err := runSteps(ctx, conn, stepsBefore(state), opts.Report); err != nil {
		return err
	}
	if err := runMigrations(ctx, conn, opts.Report); err != nil {
		return err
	}
	after, err := stepsAfter(state, opts)
	if err != nil {
		return err
	}
	return runSteps(ctx, conn, after, opts.Report)
}

func runSteps(ctx context.Context, conn *pgx.Conn, steps []step, report func(string)) error {
	for _, s := range steps {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, statement := range s.statements {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		report(s.done)
	}
	return nil
}

// runMigrations leaves order, transactions and the version table to tern.
func runMigrations(ctx context.Context, conn *pgx.Conn, report func(string)) error {
	migrations, err := migrations()
	if err != nil {
		return err
	}
	migrator, err := tern.NewMigrator(ctx, conn, sql.VersionTable)
	if err != nil {
		return fmt.Errorf("make table %s: %w", sql.VersionTable, err)
	}
	for _, m := range migrations {
		migrator.AppendMigration(m.name, m.text, "")
	}
	migrator.OnStart = func(_ int32, name, _, _ string) { report("apply " + name) }
	if err := migrator.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	report(fmt.Sprintf("schema version %d", sql.Version))
	return nil
}

// A migration is one file of package sql.
type migration struct {
	name, text string
}

// migrations are all of them; the first one leads to version 1.
func migrations() ([]migration, error) {
	names, err := tern.FindMigrations(sql.Files)
	if err != nil {
		return nil, err
	}
	var found []migration
	for _, name := range names {
		text, err := fs.ReadFile(sql.Files, name)
		if err != nil {
			return nil, err
		}
		found = append(found, migration{name: name, text: string(text)})
	}
	return found, nil
}
