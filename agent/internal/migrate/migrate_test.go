package migrate

import (
	"bytes"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func TestFreshDatabaseBecomesOneThatTheWriterCanUse(t *testing.T) {
	db, opts, _ := setup(t)
	run(t, opts)

	writer := connectAs(t, db.DSN(db.Writer))
	if got := text(t, writer, `select schema_version()::text`); got != strconv.Itoa(sql.Version) {
		t.Errorf("schema_version() = %s, want %d", got, sql.Version)
	}
	if got := text(t, writer, `insert into events (id, event_time, group_id) values
		('01000000-0000-8000-8000-00000000000a', '1970-01-01', '11111111-1111-4111-8111-111111111111') returning id::text`); got == "" {
		t.Error("nothing inserted")
	}
	if got := text(t, connectAs(t, opts.DSN), `select group_name from groups`); got != "security" {
		t.Errorf("group_name = %q, want security", got)
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	db, opts, second := setup(t)
	run(t, opts)
	before := catalog(t, db)
	second.lines = nil
	run(t, opts)
	if diff := cmp.Diff(before, catalog(t, db)); diff != "" {
		t.Errorf("catalog (-before +after):\n%s", diff)
	}
	if strings.Contains(second.String(), "apply") || strings.Contains(second.String(), "created") {
		t.Errorf("the second run reports:\n%s", second)
	}
}

func TestHostsMayRunAtOnce(t *testing.T) {
	db, opts, lines := setup(t)
	execAsOwner(t, db, testdata(t, "create_table.sql"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := Run(t.Context(), *opts); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, once := range []string{"moved cloudtrail, events, groups", "apply 0001_tables.sql", "created role"} {
		if got := strings.Count(lines.String(), once); got != 1 {
			t.Errorf("%q was reported %d times, want once:\n%s", once, got, lines)
		}
	}
}

func TestFailedStepLeavesNothingAndIsRepeated(t *testing.T) {
	db, opts, _ := setup(t)
	owner := connectAs(t, opts.DSN)
	exec(t, owner, `create function public.grant_writer(writer name) returns void language sql as ''`)

	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), "0003_privileges.sql") {
		t.Fatalf("Run = %v, want an error that names the migration", err)
	}
	if got := text(t, owner, `select schema_version()::text`); got != "2" {
		t.Errorf("schema_version() = %s, want 2", got)
	}
	if got := text(t, owner, `select coalesce(relacl::text, '') from pg_class where oid = 'ledger'::regclass`); got != "" {
		t.Errorf("grants of the failed step: %s", got)
	}
	exec(t, owner, `drop function public.grant_writer`)
	run(t, opts)
	connectAs(t, db.DSN(db.Writer))
}

func TestGroupKeepsItsNameUnlessAnotherIsGiven(t *testing.T) {
	_, opts, _ := setup(t)
	owner := connectAs(t, opts.DSN)
	id := uuid.New()
	for _, tc := range []struct{ name, want string }{{"", id.String()}, {"it's", "it's"}, {"", "it's"}, {`back\slash`, `back\slash`}} {
		opts.Groups = []Group{{ID: id, Name: tc.name}}
		run(t, opts)
		if got := text(t, owner, `select group_name from groups`); got != tc.want {
			t.Errorf("after %q the name is %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestPrintedPlanDoesWhatRunDoes(t *testing.T) {
	bin, err := pgtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	psql := filepath.Join(bin, "psql")
	if _, err := osexec.LookPath(psql); err != nil {
		t.Skipf("no psql beside the server programs: %v", err)
	}
	for _, shape := range []string{"", "create_table.sql", "code.sql"} {
		t.Run("predecessor "+shape, func(t *testing.T) {
			ran, ranOpts, _ := setup(t)
			printed, printedOpts, _ := setup(t)
			if shape != "" {
				execAsOwner(t, ran, testdata(t, shape))
				execAsOwner(t, printed, testdata(t, shape))
			}
			run(t, ranOpts)

			var plan bytes.Buffer
			printedOpts.Print = &plan
			before := catalog(t, printed)
			run(t, printedOpts)
			if diff := cmp.Diff(before, catalog(t, printed)); diff != "" {
				t.Errorf("printing changed the catalog (-before +after):\n%s", diff)
			}
			if strings.Contains(plan.String(), printed.Writer.Password) {
				t.Error("the plan has the password")
			}
			cmd := osexec.CommandContext(t.Context(), psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", printedOpts.DSN)
			cmd.Stdin = &plan
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("psql: %v\n%s", err, out)
			}
			if diff := cmp.Diff(catalog(t, ran), catalog(t, printed)); diff != "" {
				t.Errorf("catalog (-run +printed):\n%s", diff)
			}
			connectAs(t, printed.DSN(printed.Writer))

			printedOpts.Print = nil
			run(t, printedOpts)
		})
	}
}

func TestPlanForAFreshDatabaseNeedsNoConnection(t *testing.T) {
	db, opts, _ := setup(t)
	var connected, unconnected bytes.Buffer
	opts.CreateRoles = false
	opts.Print, opts.DSN = &unconnected, ""
	run(t, opts)

	execAsOwner(t, db, "create role "+db.Writer.User)
	opts.Print, opts.DSN = &connected, db.DSN(db.Owner)
	run(t, opts)
	if diff := cmp.Diff(connected.String(), unconnected.String()); diff != "" {
		t.Errorf("plan (-connected +unconnected):\n%s", diff)
	}
}
