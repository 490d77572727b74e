package migrate

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func TestCreatedWriterLogsInWithItsPassword(t *testing.T) {
	for name, password := range map[string]string{
		"plain":                  "correct horse battery staple",
		"quotes and backslashes": `'"\'$$`,
		"Korean":                 "비밀번호",
		"decomposed Korean":      "\u1107\u1175\u1106\u1175\u11af",
		"not to be normalized":   "tab\tand \x07",
	} {
		t.Run(name, func(t *testing.T) {
			db, opts, _ := setup(t)
			opts.Writers[0].Password = password
			run(t, opts)
			connectAs(t, db.DSN(pgtest.Login{User: db.Writer.User, Password: password}))
			if conn, err := pgx.Connect(t.Context(), db.DSN(pgtest.Login{User: db.Writer.User, Password: password + "x"})); err == nil {
				conn.Close(t.Context())
				t.Error("another password is good, too")
			}
		})
	}
}

func TestPasswordOfAnExistingWriterIsLeftAlone(t *testing.T) {
	db, opts, lines := setup(t)
	run(t, opts)
	opts.Writers[0].Password = "another"
	run(t, opts)
	connectAs(t, db.DSN(db.Writer))
	if want := "its password is as it was"; !strings.Contains(lines.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, lines)
	}
}

func TestWriterNamesAreQuoted(t *testing.T) {
	db, opts, _ := setup(t)
	user := db.Name + ` "Writer"; drop table events; --`
	opts.Writers = []Writer{{User: user, Password: "p"}}
	run(t, opts)
	if got := text(t, connectAs(t, db.DSN(pgtest.Login{User: user, Password: "p"})), `select current_user::text`); got != user {
		t.Errorf("logged in as %q, want %q", got, user)
	}
}

func TestWriterWithoutAPasswordIsMadeAndReported(t *testing.T) {
	_, opts, lines := setup(t)
	opts.Writers[0].Password = ""
	run(t, opts)
	if want := "without a password"; !strings.Contains(lines.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, lines)
	}
}

func TestSinksMayShareAUserWithOnePassword(t *testing.T) {
	_, opts, _ := setup(t)
	opts.Writers = append(opts.Writers, opts.Writers[0])
	run(t, opts)
	opts.Writers[1].Password += "x"
	if err := Run(t.Context(), *opts); err == nil || !strings.Contains(err.Error(), "different passwords") || strings.Contains(err.Error(), opts.Writers[0].Password) {
		t.Errorf("Run = %v, want an error about the passwords, without them", err)
	}
}

func TestOwnerAsWriterIsWarnedOf(t *testing.T) {
	db, opts, lines := setup(t)
	opts.Writers = []Writer{{User: db.Owner.User}}
	run(t, opts)
	if want := "give the sink a user of its own"; !strings.Contains(lines.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, lines)
	}
}

// RFC 7677 has the exchange for user "user" and password "pencil"; its ServerSignature
// and ClientProof follow from these two keys.
func TestSCRAMVerifierOfTheRFC(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	got, err := scramVerifierWithSalt("pencil", salt)
	if err != nil {
		t.Fatal(err)
	}
	want := "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got != want {
		t.Errorf("verifier = %s\nwant %s", got, want)
	}
}
