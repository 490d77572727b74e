package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// Every run of the agent in this package connects as the role that agent migrate
// -create-role has made. Here somebody has got hold of its password.

func TestTheWriterReadsNoColumnOfTheRecordsButTheID(t *testing.T) {
	s, writer := writerSite(t)
	columns := answers[string](t, s, `
		select c.relname || '.' || quote_ident(a.attname) from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = 'public'::regnamespace and (c.relname ~ '^(events|cloudtrail)' or c.relkind = 'v')
		  and c.relkind in ('r', 'p', 'v') and not a.attisdropped order by 1`)
	if len(columns) < 100 {
		t.Fatalf("only %d columns: %q", len(columns), columns)
	}
	var readable []string
	for _, c := range columns {
		table, column, _ := strings.Cut(c, ".")
		if refused(t, writer, "select "+column+" from "+table+" limit 1") && refused(t, writer, "select from "+table+" where "+column+" is null") {
			continue
		}
		readable = append(readable, c)
	}
	if diff := cmp.Diff([]string{"events.id"}, readable); diff != "" {
		t.Errorf("columns that can be read (-want +got):\n%s", diff)
	}
}

func TestTheWriterOwnsNothingAndChangesNothing(t *testing.T) {
	s, writer := writerSite(t)
	owned := answers[string](t, s, `
		select pg_describe_object(classid, objid, 0) from pg_shdepend
		where refclassid = 'pg_authid'::regclass and refobjid = $1::text::regrole and deptype = 'o'
		union all select 'member of ' || roleid::regrole from pg_auth_members where member = $1::text::regrole
		union all select 'may more than log in' from pg_roles where rolname = $1::text
			and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)`, s.db.Writer.User)
	if len(owned) > 0 {
		t.Errorf("the writer has %q", owned)
	}
	for _, table := range []string{"groups", "events", "cloudtrail", "ledger", "quarantine", "variants"} {
		for _, statement := range []string{"delete from " + table, "truncate " + table, "drop table " + table, "do 'begin lock table " + table + " in access exclusive mode; end'"} {
			if !refused(t, writer, statement) {
				t.Errorf("the writer may %s", statement)
			}
		}
	}
	for _, statement := range []string{
		"update events set user_agent = ''", "update cloudtrail set event_name = ''", "update ledger set stored = 0",
		"insert into groups values (gen_random_uuid(), 'mine')", "create table mine ()", "create schema mine", "set role inu_reader",
	} {
		if !refused(t, writer, statement) {
			t.Errorf("the writer may %s", statement)
		}
	}
}

// writerSite is a site after a run, with a connection as the writer.
func writerSite(t *testing.T) (*site, *pgx.Conn) {
	t.Helper()
	s := newSite(t, s3Block, rdsBlock)
	if !slices.Contains(s.env, "RDS_USER="+s.db.Writer.User) {
		t.Fatal("the agent does not run as the writer")
	}
	want := s.load(t, s3test.Trail{Events: 200}.Objects())
	s.once(t)
	s.checkStored(t, want)
	writer, err := pgx.Connect(t.Context(), s.db.DSN(s.db.Writer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writer.Close(context.WithoutCancel(t.Context())) })
	return s, writer
}

// refused reports whether a statement fails for want of a privilege. Any other error
// fails the test.
func refused(t *testing.T, conn *pgx.Conn, statement string) bool {
	t.Helper()
	const insufficientPrivilege = "42501"
	_, err := conn.Exec(t.Context(), statement)
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return false
	case errors.As(err, &pgErr) && pgErr.Code == insufficientPrivilege:
		return true
	}
	t.Fatalf("%s: %v", statement, err)
	return false
}
