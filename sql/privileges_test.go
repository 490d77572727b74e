package sql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a role may do with our tables, columns and functions, asked of the catalog
// object by object. A partition counts as a table of its own.
const (
	tablePrivileges = `
		select c.relname || ' ' || p.name
		from pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as p (name)
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
		  and has_table_privilege($1, c.oid, p.name)
		order by 1`
	columnPrivileges = `
		select c.relname || '.' || a.attname || ' ' || p.name
		from pg_class c join pg_attribute a on a.attrelid = c.oid, unnest(array['SELECT', 'UPDATE', 'REFERENCES']) as p (name)
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum <> 0 and not a.attisdropped
		  and has_column_privilege($1, c.oid, a.attnum, p.name)
		order by 1`
	functionPrivileges = `
		select p.proname from pg_proc p
		where p.pronamespace = 'public'::regnamespace and has_function_privilege($1, p.oid, 'EXECUTE')
		order by 1`
	owned = `
		select objid::text from pg_shdepend where refobjid = $1::text::regrole and deptype = 'o'
		union all select m.roleid::regrole::text from pg_auth_members m where m.member = $1::text::regrole`
)

func TestWriterHasLeastPrivilege(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	for _, tc := range []struct {
		name, query string
		want        []string
	}{
		{"tables", tablePrivileges, []string{"cloudtrail INSERT", "events INSERT", "ledger INSERT", "quarantine INSERT"}},
		{"columns", columnPrivileges, []string{"events.id SELECT"}},
		{"functions", functionPrivileges, []string{"ensure_months", "ledger_done", "record_variants", "rows_from", "schema_version"}},
		{"owned objects and memberships", owned, []string{}},
	} {
		if diff := cmp.Diff(tc.want, values[string](t, owner, tc.query, db.Writer.User)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestWriterIsRefusedTheRest(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	store(t, writer, event{id: eventA, time: "2021-07-28 10:00:00"})

	owner := connect(t, db.DSN(db.Owner))
	var refused []string
	for _, column := range values[string](t, owner, `
		select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relname in ('events', 'cloudtrail', 'events_2021_07', 'cloudtrail_2021_07', 'ledger', 'quarantine', 'released', 'variants', 'groups', 'records')
		  and a.attnum > 0 order by 1`) {
		table, column, _ := strings.Cut(column, ".")
		if table+"."+column != "events.id" {
			refused = append(refused, "select "+column+" from "+table, "select "+table+" from "+table+" where "+column+" is null")
		}
	}
	refused = append(refused,
		"update events set source_product = ''", "delete from events", "truncate events", "drop table events",
		"delete from ledger", "update ledger set filtered = 0", "delete from quarantine", "delete from variants",
		"insert into released select * from released", "delete from released",
		"insert into variants default values", "insert into groups values (gen_random_uuid(), '')",
		"insert into events_2021_07 (id) values (gen_random_uuid())", "create table events_2021_09 partition of events for values from ('2021-09-01') to ('2021-10-01')",
		"select create_month('2021-09-01')", "select month_exists('2021-09-01')", "select grant_writer(current_user)",
		"insert into events (id, event_time, group_id) values (gen_random_uuid(), now(), gen_random_uuid()) returning group_id",
		"insert into events (id) values (gen_random_uuid()) on conflict (id, event_time) do nothing",
		"alter function ledger_done owner to current_user", "create table public.mine ()", "set role inu_reader",
	)
	for _, statement := range refused {
		_, err := writer.Exec(t.Context(), statement)
		if got := state(t, err); got != "42501" {
			t.Errorf("%s: state %q, want 42501 (%v)", statement, got, err)
		}
	}
}

func TestReaderReadsEverythingAndWritesNothing(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	want := []string{"cloudtrail SELECT", "events SELECT", "groups SELECT", "ledger SELECT", "quarantine SELECT", "records SELECT", "released SELECT", "variants SELECT"}
	if diff := cmp.Diff(want, values[string](t, owner, tablePrivileges, "inu_reader")); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"schema_version"}, values[string](t, owner, functionPrivileges, "inu_reader")); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	reader := connect(t, db.DSN(db.Reader))
	for _, table := range []string{"groups", "events", "cloudtrail", "ledger", "quarantine", "released", "variants", "records"} {
		exec(t, reader, "select * from "+table)
	}
}

func TestPublicHasNothing(t *testing.T) {
	db := migrated(t)
	superuser := connect(t, db.SuperuserDSN())
	exec(t, superuser, "create role "+db.Name+"_stranger")
	for name, query := range map[string]string{"tables": tablePrivileges, "columns": columnPrivileges, "functions": functionPrivileges} {
		if got := values[string](t, superuser, query, db.Name+"_stranger"); len(got) != 0 {
			t.Errorf("%s: a stranger has %q", name, got)
		}
	}
}

// A function with the owner's rights must not run what its caller made.
func TestSecurityDefinerFunctionsIgnoreTheCallersSearchPath(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	unpinned := values[string](t, owner, `select proname::text from pg_proc where pronamespace = 'public'::regnamespace
		and not coalesce('search_path=pg_catalog, pg_temp' = any(proconfig), false)`)
	if len(unpinned) != 0 {
		t.Errorf("functions without a pinned search_path: %q", unpinned)
	}

	writer := connect(t, db.DSN(db.Writer))
	exec(t, writer, `create temp table ledger (group_id uuid, pipeline text, source text, split text, filter text, filtered bigint)`)
	exec(t, writer, `insert into ledger values ($1, 'p', 's3', 'split', 'f', 0)`, group)
	exec(t, writer, `set search_path = pg_temp, public`)
	if got := value[[]int16](t, writer, `select ledger_done($1, 'p', 's3', 'f', '{split}')`, group); got[0] != 0 {
		t.Error("ledger_done was answered from the caller's own table")
	}
}
