package migrate

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func TestOwnerWithoutAPrivilegeIsToldWhich(t *testing.T) {
	for _, tc := range []struct {
		name string
		prep string // as superuser; %[1]s is the connecting user, %[2]s the writer
		want string
	}{
		{"CREATE on schema public", `drop schema public; create schema public`, "CREATE on schema public"},
		{"CREATEROLE", `alter role %[1]s nocreaterole`, "lacks CREATEROLE, to make %[2]s"},
		{"ownership of the old tables", testdata(t, "create_table.sql"), "does not own table public.cloudtrail, postgres does"},
		{
			"CREATE on the database",
			testdata(t, "code.sql") + `; alter table groups owner to %[1]s; alter table events owner to %[1]s; alter table cloudtrail owner to %[1]s;
				grant all on schema public to %[1]s; alter database %[3]s owner to postgres`,
			"lacks CREATE on the database, to make schema inu_detector_old",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db, opts, _ := setup(t)
			fill := func(format string) string {
				return strings.NewReplacer("%[1]s", db.Owner.User, "%[2]s", db.Writer.User, "%[3]s", db.Name).Replace(format)
			}
			exec(t, connectAs(t, db.SuperuserDSN()), fill(tc.prep))
			before := catalog(t, db)
			err := Run(t.Context(), *opts)
			if err == nil || !strings.Contains(err.Error(), fill(tc.want)) || !strings.Contains(err.Error(), db.Owner.User) {
				t.Errorf("Run = %v, want an error with the role and %q", err, fill(tc.want))
			}
			if diff := cmp.Diff(before, catalog(t, db)); diff != "" {
				t.Errorf("catalog (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAnotherUserCannotMigrateAMigratedDatabase(t *testing.T) {
	db, opts, _ := setup(t)
	run(t, opts)
	opts.DSN = db.DSN(db.Writer)
	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), "does not own table public.inu_logsmith_version, "+db.Owner.User) {
		t.Errorf("Run as the writer = %v", err)
	}
}

func TestSchemaOfANewerAgentIsRefused(t *testing.T) {
	db, opts, _ := setup(t)
	run(t, opts)
	execAsOwner(t, db, `update inu_logsmith_version set version = 99`)
	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), "schema version 99") || !strings.Contains(err.Error(), "newer agent") {
		t.Errorf("Run = %v, want an error that says which side is newer", err)
	}
}

func TestWriterThatDoesNotExistIsNamed(t *testing.T) {
	db, opts, _ := setup(t)
	opts.CreateRoles = false
	before := catalog(t, db)
	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), db.Writer.User) || !strings.Contains(err.Error(), "-create-role") {
		t.Errorf("Run = %v, want an error that names role and option", err)
	}
	if diff := cmp.Diff(before, catalog(t, db)); diff != "" {
		t.Errorf("catalog (-before +after):\n%s", diff)
	}
}

func TestDatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	db, opts, _ := setup(t)
	name := db.Name + "_latin"
	exec(t, connectAs(t, db.SuperuserDSN()), fmt.Sprintf(`create database %s owner %s encoding 'LATIN1' template template0`, name, db.Owner.User))
	opts.DSN = cluster.DSN(db.Owner.User, db.Owner.Password, name)
	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("Run = %v, want an error that names the encoding", err)
	}
}

func TestPasswordIsInNoErrorPlanOrServerLog(t *testing.T) {
	const secret = "p%zz'w0rd?/@secret"
	db, opts, lines := setup(t)
	exec(t, connectAs(t, db.SuperuserDSN()), fmt.Sprintf(`alter database %s set log_statement = 'all'`, db.Name))
	opts.Writers[0].Password = secret
	run(t, opts)
	connectAs(t, db.DSN(pgtest.Login{User: db.Writer.User, Password: secret}))

	var plan bytes.Buffer
	opts.Print, opts.DSN = &plan, ""
	run(t, opts)
	texts := map[string]string{"log": cluster.Log(), "plan": plan.String(), "report": lines.String()}
	opts.Print = nil
	for _, dsn := range []string{
		"postgres://owner:" + secret + "@localhost:port/x", "host=localhost password=" + secret,
		cluster.DSN(db.Owner.User, secret, db.Name), "",
	} {
		opts.DSN = dsn
		err := Run(t.Context(), *opts)
		if err == nil {
			t.Errorf("Run with %q succeeds", dsn)
			continue
		}
		texts["error for "+dsn] = err.Error()
	}
	for where, text := range texts {
		for _, form := range []string{secret, url.QueryEscape(secret), "secret", strings.ReplaceAll(secret, "'", "''")} {
			if strings.Contains(text, form) {
				t.Errorf("%s has the password: %s", where, text)
			}
		}
	}
}
