package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

// oldestServer is the oldest server_version_num that the schema is tried with.
const oldestServer = 140000

// state is what a database looks like before anything is changed.
type state struct {
	server      int    // server_version_num
	encoding    string // of the database
	version     int    // of the schema; 0: not ours yet
	tables      []table
	rights      rights
	user        string          // who we are
	writers     map[string]role // those that exist, by name
	readerRole  bool            // inu_reader exists
	keptAside   []string        // tables in the schema that old ones are moved to
	predecessor predecessor
}

// table is a relation of schema public that has the name of one of ours.
type table struct {
	name    string
	kind    string // pg_class.relkind
	columns []string
	owner   string
	owned   bool // by us, or by a role that we are a member of
}

// rights are what the connected user may do.
type rights struct {
	createRole     bool
	createSchema   bool // CREATE on the database
	createInPublic bool // CREATE on schema public
}

// role is a writer that exists.
type role struct {
	Superuser bool
	IsOwner   bool // it is who we are, or a member of that role
}

// freshState is that of a new database that lets its owner do anything.
func freshState() state {
	return state{
		server: oldestServer, encoding: "UTF8", user: "the owner",
		rights: rights{createRole: true, createSchema: true, createInPublic: true},
	}
}

func inspect(ctx context.Context, conn *pgx.Conn, opts Options) (state, error) {
	var s state
	err := conn.QueryRow(ctx, `
		select current_setting('server_version_num')::int, current_setting('server_encoding'), current_user::text,
		       r.rolcreaterole or r.rolsuper,
		       has_database_privilege(current_database(), 'CREATE'),
		       has_schema_privilege('public', 'CREATE'),
		       to_regrole('inu_reader') is not null
		from pg_roles r where r.rolname = current_user`,
	).Scan(&s.server, &s.encoding, &s.user, &s.rights.createRole, &s.rights.createSchema, &s.rights.createInPublic, &s.readerRole)
	if err != nil {
		return state{}, fmt.Errorf("look at the database: %w", err)
	}
	for _, look := range []func(context.Context, *pgx.Conn) error{s.inspectVersion, s.inspectTables, s.inspectKeptAside} {
		if err := look(ctx, conn); err != nil {
			return state{}, fmt.Errorf("look at the database: %w", err)
		}
	}
	if err := s.inspectWriters(ctx, conn, opts.Writers); err != nil {
		return state{}, fmt.Errorf("look at the roles: %w", err)
	}
	return s, nil
}

func (s *state) inspectVersion(ctx context.Context, conn *pgx.Conn) error {
	schema, name, _ := strings.Cut(sql.VersionTable, ".")
	var owner string
	var owned bool
	err := conn.QueryRow(ctx, `
		select pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2`, schema, name).Scan(&owner, &owned)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if !owned {
		return s.refuse(notOwned(sql.VersionTable, owner))
	}
	return conn.QueryRow(ctx, `select version from `+sql.VersionTable).Scan(&s.version)
}

func (s *state) inspectTables(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		select c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE'),
		       coalesce((select array_agg(a.attname::text order by a.attnum) from pg_attribute a
		                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{}')
		from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relname = any($1)
		order by c.relname`, ourTables())
	if err != nil {
		return err
	}
	s.tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		err = row.Scan(&t.name, &t.kind, &t.owner, &t.owned, &t.columns)
		return t, err
	})
	return err
}

func (s *state) inspectKeptAside(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = any($2) order by 1`, oldSchema, ourTables())
	if err != nil {
		return err
	}
	s.keptAside, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

func (s *state) inspectWriters(ctx context.Context, conn *pgx.Conn, writers []Writer) error {
	s.writers = map[string]role{}
	for _, w := range writers {
		var r role
		err := conn.QueryRow(ctx, `select rolsuper, pg_has_role(rolname, current_user, 'USAGE') from pg_roles where rolname = $1`, w.User).
			Scan(&r.Superuser, &r.IsOwner)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		s.writers[w.User] = r
	}
	return nil
}

// check refuses what cannot be migrated, before anything is changed. It finds out
// which tables are the predecessor's.
func (s *state) check(opts Options) error {
	if s.server < oldestServer {
		return fmt.Errorf("the server is PostgreSQL %d: version %d or newer is needed", s.server/10000, oldestServer/10000)
	}
	if s.encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s: make one with \"create database … encoding 'UTF8' template template0\"", s.encoding)
	}
	if s.version > sql.Version {
		return fmt.Errorf("the database has schema version %d and this agent knows versions up to %d: use the newer agent", s.version, sql.Version)
	}
	if s.version == 0 {
		var err error
		if s.predecessor, err = recognize(s.tables); err != nil {
			return err
		}
		if s.predecessor.found() && len(s.keptAside) > 0 {
			return fmt.Errorf("schema %s has tables already (%s), so those in public cannot be moved there: rename it",
				oldSchema, strings.Join(s.keptAside, ", "))
		}
	}
	return errors.Join(s.checkRights(opts), s.checkWriters(opts))
}

// checkRights names each privilege that the steps need and the owner lacks.
func (s *state) checkRights(opts Options) error {
	var missing []string
	for _, t := range s.tables {
		if !t.owned {
			missing = append(missing, notOwned("public."+t.name, t.owner))
		}
	}
	if s.version < sql.Version && !s.rights.createInPublic {
		missing = append(missing, "it lacks CREATE on schema public")
	}
	if s.predecessor.found() && !s.rights.createSchema {
		missing = append(missing, fmt.Sprintf("it lacks CREATE on the database, to make schema %s", oldSchema))
	}
	if roles := s.rolesToMake(opts); len(roles) > 0 && !s.rights.createRole {
		missing = append(missing, fmt.Sprintf("it lacks CREATEROLE, to make %s", strings.Join(roles, ", ")))
	}
	if len(missing) == 0 {
		return nil
	}
	return s.refuse(missing...)
}

func (s *state) refuse(missing ...string) error {
	return fmt.Errorf("role %s cannot migrate this database: %s; connect as the owner", s.user, strings.Join(missing, "; "))
}

func notOwned(table, owner string) string {
	return fmt.Sprintf("it does not own table %s, %s does", table, owner)
}

func (s *state) rolesToMake(opts Options) []string {
	var roles []string
	if s.version < sql.Version && !s.readerRole {
		roles = append(roles, "inu_reader")
	}
	if !opts.CreateRoles {
		return roles
	}
	for _, w := range opts.Writers {
		if _, exists := s.writers[w.User]; !exists {
			roles = append(roles, w.User)
		}
	}
	return roles
}

func (s *state) checkWriters(opts Options) error {
	if opts.CreateRoles || (opts.Print != nil && opts.DSN == "") {
		return nil
	}
	var errs []error
	for _, w := range opts.Writers {
		if _, exists := s.writers[w.User]; !exists {
			errs = append(errs, fmt.Errorf("role %s, the user of a sink, does not exist: run agent migrate with -create-role, or create it", w.User))
		}
	}
	return errors.Join(errs...)
}
