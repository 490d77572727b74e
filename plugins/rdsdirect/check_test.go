package rdsdirect

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// found is the finding about a subject.
func found(t *testing.T, findings []sdk.Finding, subject string) sdk.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Subject == subject {
			return f
		}
	}
	t.Errorf("nothing about %q in %+v", subject, findings)
	return sdk.Finding{}
}

func TestCheckOfAWriterAsMigrateMakesIt(t *testing.T) {
	db := newDatabase(t, cluster)
	findings := db.newSink(t).Check(t.Context())
	for _, subject := range []string{"connect", "clock", "schema", "privileges", "group"} {
		if f := found(t, findings, subject); f.State != sdk.CheckOK {
			t.Errorf("%+v, want it to work", f)
		}
	}
	if f := found(t, findings, "TLS"); f.State != sdk.CheckWarning {
		t.Errorf("%+v, want a warning: there is no TLS", f)
	}
	if n := db.counts(t).Events; n != 0 {
		t.Errorf("the check left %d rows", n)
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, db *database)
		change  func(*Settings)
		subject string
		state   sdk.CheckState
		says    string
	}{
		{
			name: "a server that is not there", change: func(s *Settings) { s.Port = 1 },
			subject: "connect", state: sdk.CheckFailed, says: "connect to 127.0.0.1:1: connect: connection refused",
		},
		{
			name: "a wrong password", change: func(s *Settings) { s.Password = "canary" },
			subject: "connect", state: sdk.CheckFailed, says: "refuses user",
		},
		{
			name: "an unknown group", change: func(s *Settings) { s.GroupID = uuid.NewString() },
			subject: "group", state: sdk.CheckFailed, says: "agent migrate",
		},
		{
			name:    "a missing privilege",
			prepare: func(t *testing.T, db *database) { db.exec(t, `revoke insert on ledger from `+db.Writer.User) },
			subject: "privileges", state: sdk.CheckFailed, says: "INSERT on ledger",
		},
		{
			name:    "a privilege too many",
			prepare: func(t *testing.T, db *database) { db.exec(t, `grant select, delete on cloudtrail to `+db.Writer.User) },
			subject: "privileges", state: sdk.CheckWarning, says: "DELETE on cloudtrail",
		},
		{
			name:    "an older schema",
			prepare: func(t *testing.T, db *database) { db.exec(t, `drop function public.schema_version()`) },
			subject: "schema", state: sdk.CheckFailed, says: "agent migrate",
		},
		{
			name:    "the owner as writer",
			change:  nil,
			subject: "privileges", state: sdk.CheckWarning, says: "ownership of events",
			prepare: func(t *testing.T, db *database) {
				db.exec(t, `grant `+pgx.Identifier{ask[string](t, db, `select current_user::text`)}.Sanitize()+` to `+db.Writer.User)
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			if tc.prepare != nil {
				tc.prepare(t, db)
			}
			var changes []func(*Settings)
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			f := found(t, db.newSink(t, changes...).Check(t.Context()), tc.subject)
			if f.State != tc.state || !strings.Contains(f.Detail+f.Fix, tc.says) {
				t.Errorf("%+v, want state %d and %q", f, tc.state, tc.says)
			}
			if strings.Contains(f.Detail+f.Fix, "canary") {
				t.Errorf("%+v holds the password", f)
			}
		})
	}
}

// The grants that are printed are all that a writer needs, and none is superfluous to
// the check.
func TestAWriterWithThePrintedGrantsAloneCanWrite(t *testing.T) {
	db := newDatabase(t, cluster)
	user := "printed_" + db.Name
	db.exec(t, `create role `+user+` login password 'x'`) // it goes with the server
	s := db.settings()
	s.User, s.Password = user, "x"
	for _, r := range s.Rights() {
		if r.System != "postgresql" {
			t.Errorf("a right of %s for a login by password: %s", r.System, r.Statement)
			continue
		}
		db.exec(t, r.Statement)
	}
	sink := openSink(t, s)
	if _, err := sink.Write(t.Context(), batchOf("one", testEvents(3)...)); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Done(t.Context(), sdk.DoneQuery{Source: "s3", Splits: []string{"one"}}); err != nil {
		t.Fatal(err)
	}
	if f := found(t, sink.Check(t.Context()), "privileges"); f.State != sdk.CheckOK {
		t.Errorf("%+v, want all it needs and no more", f)
	}
}

func TestRightsOfOtherLogins(t *testing.T) {
	s := unreachable()
	s.User, s.Auth, s.Host = "w", authIAM, "db.x.eu-west-1.rds.amazonaws.com"
	var text strings.Builder
	for _, r := range s.Rights() {
		text.WriteString(r.Statement + "\n")
	}
	for _, want := range []string{`GRANT rds_iam TO "w"`, `"rds-db:connect"`, "arn:aws:rds-db:eu-west-1:*:dbuser:*/w"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("rights %s lack %s", text.String(), want)
		}
	}
	s.Auth, s.PasswordSecret = authPassword, secretARN
	if rights := s.Rights(); !strings.Contains(rights[len(rights)-1].Statement, secretARN) {
		t.Errorf("rights %+v lack the secret", rights)
	}
}
