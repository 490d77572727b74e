package migrate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster)) }

// setup is an empty database and options that fit it: one group, and a writer to create.
func setup(t *testing.T) (*pgtest.Database, *Options, *report) {
	t.Helper()
	db, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := new(report)
	return db, &Options{
		DSN:         db.DSN(db.Owner),
		Groups:      []Group{{ID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Name: "security"}},
		Writers:     []Writer{{User: db.Writer.User, Password: db.Writer.Password}},
		CreateRoles: true,
		Report:      r.add,
	}, r
}

// report collects what Run reports. Runs may share it.
type report struct {
	mu    sync.Mutex
	lines []string
}

func (r *report) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *report) String() string { return strings.Join(r.lines, "\n") }

func run(t *testing.T, opts *Options) {
	t.Helper()
	if err := Run(t.Context(), *opts); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func connectAs(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func text(t *testing.T, conn *pgx.Conn, query string, args ...any) string {
	t.Helper()
	var v string
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// catalog is all that a migration may change, with the names of the database's own
// roles replaced, so that two databases can be compared.
func catalog(t *testing.T, db *pgtest.Database) string {
	t.Helper()
	conn := connectAs(t, db.SuperuserDSN())
	return strings.ReplaceAll(text(t, conn, `
		select coalesce(string_agg(line, e'\n' order by line), '') from (
			select format('%s.%s %s owner %s grants %s', n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relacl) as line
			from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('public', 'inu_detector_old')
			union all
			select format('%s.%s %s %s grants %s', c.relnamespace::regnamespace, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attacl)
			from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relnamespace = 'public'::regnamespace and a.attnum > 0
			union all
			select format('%s %s %s grants %s', p.oid::regprocedure, p.prosecdef, md5(p.prosrc), p.proacl) from pg_proc p where p.pronamespace = 'public'::regnamespace
			union all
			select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'public'::regnamespace
		) as lines`), db.Name, "DATABASE")
}

// execAsOwner runs statements as the owner of the database.
func execAsOwner(t *testing.T, db *pgtest.Database, statements string) {
	t.Helper()
	exec(t, connectAs(t, db.DSN(db.Owner)), statements)
}
