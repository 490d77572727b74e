package rdsdirect

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sql"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func TestWhatSomebodyHasToPutRightIsDeniedAndSaysHow(t *testing.T) {
	tests := []struct {
		name   string
		change func(*testing.T, *database, *Settings)
		want   []string
	}{
		{
			name:   "a wrong password",
			change: func(_ *testing.T, _ *database, s *Settings) { s.Password = "canary-password" },
			want:   []string{"refuses user", "check user, password", "127.0.0.1:", "28P01"},
		},
		{
			name:   "no database",
			change: func(_ *testing.T, _ *database, s *Settings) { s.Database = "absent" },
			want:   []string{`no database "absent"`, "3D000"},
		},
		{
			name: "an empty database",
			change: func(t *testing.T, _ *database, s *Settings) {
				empty, err := cluster.NewDatabase(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.Database, s.User, s.Password = empty.Name, empty.Owner.User, empty.Owner.Password
			},
			want: []string{"does not have the tables", "agent migrate -config agent.hcl"},
		},
		{
			name:   "a dropped table",
			change: func(t *testing.T, db *database, _ *Settings) { db.exec(t, `drop table quarantine`) },
			want:   []string{"does not have the tables", "agent migrate", "42P01"},
		},
		{
			name:   "a column that is not there",
			change: func(t *testing.T, db *database, _ *Settings) { db.exec(t, `alter table ledger drop column reason`) },
			want:   []string{"does not have the tables", "agent migrate", "42703"},
		},
		{
			name: "a missing privilege",
			change: func(t *testing.T, db *database, s *Settings) {
				db.exec(t, `revoke insert on quarantine from `+s.User)
			},
			want: []string{"lacks a privilege", "agent migrate", "42501"},
		},
		{
			name: "a lost primary key",
			change: func(t *testing.T, db *database, _ *Settings) {
				db.exec(t, `alter table cloudtrail drop constraint cloudtrail_pkey`)
				db.exec(t, `alter table events drop constraint events_pkey cascade`)
			},
			want: []string{"add primary key (event_id, event_time); alter table public.events add primary key (id, event_time)"},
		},
		{
			name:   "an unknown group",
			change: func(_ *testing.T, _ *database, s *Settings) { s.GroupID = uuid.Nil.String() },
			want:   []string{"group 00000000-0000-0000-0000-000000000000 is not in database", "agent migrate"},
		},
		{
			name:   "an older schema",
			change: func(t *testing.T, db *database, _ *Settings) { setVersion(t, db, sql.Version-1) },
			want:   []string{fmt.Sprintf("at version %d, this program needs %d", sql.Version-1, sql.Version), "agent migrate"},
		},
		{
			name:   "a newer schema",
			change: func(t *testing.T, db *database, _ *Settings) { setVersion(t, db, sql.Version+1) },
			want:   []string{fmt.Sprintf("at version %d, this program knows %d", sql.Version+1, sql.Version), "upgrade the agent"},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			settings := db.settings()
			tc.change(t, db, &settings)
			b := completing(batchOf("one", testEvents(1)...))
			b.Completed[0].Read++
			b.Quarantine = []sdk.Quarantined{{Source: "s3", Split: "one", EventID: "x", Reason: "r"}}

			_, err := openSink(t, settings).Write(t.Context(), b)
			if !sdk.IsDenied(err) {
				t.Fatalf("error = %v, want one that is Denied", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), settings.Password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %q, want one line without the password", err)
			}
		})
	}
}

func setVersion(t *testing.T, db *database, version int) {
	t.Helper()
	db.exec(t, `update `+sql.VersionTable+` set version = $1`, version)
}

func TestASinkGoesOnOnceItIsPutRight(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	mustWrite(t, sink, batchOf("one", testEvents(1)...))

	db.exec(t, `revoke insert on cloudtrail from `+db.Writer.User)
	if _, err := sink.Write(t.Context(), batchOf("one", testEvents(2)...)); !sdk.IsDenied(err) {
		t.Fatalf("error = %v, want one that is Denied", err)
	}
	db.exec(t, `grant insert on cloudtrail to `+db.Writer.User)
	mustWrite(t, sink, batchOf("one", testEvents(2)...))
	if diff := cmp.Diff(counts{Events: 2, Cloudtrail: 2}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAServerThatIsDownIsRetriedAndFoundAgain(t *testing.T) {
	own := startCluster(t, pgtest.Options{})
	db := newDatabase(t, own)
	sink := db.newSink(t)
	mustWrite(t, sink, batchOf("one", testEvents(1)...))
	if err := own.Kill9(); err != nil {
		t.Fatal(err)
	}

	for name, call := range map[string]func() error{
		"Write": func() error { _, err := sink.Write(t.Context(), batchOf("one", testEvents(2)...)); return err },
		"Done": func() error {
			_, err := sink.Done(t.Context(), sdk.DoneQuery{Pipeline: "audit", Source: "s3", Splits: []string{"one"}})
			return err
		},
	} {
		for range 3 { // the first may meet a connection that does not know yet
			err := call()
			if err == nil || sdk.IsDenied(err) || sdk.IsInvalid(err) {
				t.Fatalf("%s without a server = %v, want an error to retry", name, err)
			}
			if strings.Contains(err.Error(), db.Writer.Password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %q, want one line without the password", err)
			}
		}
		err := call()
		if want := fmt.Sprintf("connect to 127.0.0.1:%d: ", own.Port); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s = %v, want %q first", name, err, want)
		}
	}

	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, sink, batchOf("one", testEvents(2)...))
	db.owner = connect(t, db.DSN(db.Owner))
	if diff := cmp.Diff(counts{Events: 2, Cloudtrail: 2}, db.counts(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func startCluster(t *testing.T, options pgtest.Options) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestTerminatedConnectionsCostOneAttemptAtMost(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	mustWrite(t, sink, batchOf("one", testEvents(1)...))
	superuser := connect(t, db.SuperuserDSN())
	const terminate = `select count(*) from (select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = $1) x`
	if _, err := superuser.Exec(t.Context(), terminate, db.Writer.User); err != nil {
		t.Fatal(err)
	}
	// The pool finds out by itself if the connection has been idle for long enough.
	if _, err := sink.Write(t.Context(), batchOf("one", testEvents(2)...)); sdk.IsDenied(err) || sdk.IsInvalid(err) {
		t.Fatalf("error = %v, want one to retry, if any", err)
	}
	mustWrite(t, sink, batchOf("one", testEvents(2)...))
}

func TestAServerThatTakesNoWritesIsRetried(t *testing.T) {
	db := newDatabase(t, cluster)
	db.exec(t, `alter database `+db.Name+` set default_transaction_read_only = on`)
	sink := db.newSink(t)
	_, err := sink.Write(t.Context(), batchOf("one", testEvents(1)...))
	if err == nil || sdk.IsDenied(err) || sdk.IsInvalid(err) {
		t.Fatalf("error = %v, want one to retry", err)
	}
	db.owner = connect(t, db.DSN(db.Owner))
	db.exec(t, `set default_transaction_read_only = off`)
	db.exec(t, `alter database `+db.Name+` reset default_transaction_read_only`)
	mustWrite(t, sink, batchOf("one", testEvents(1)...))
}

func TestALostAnswerToCommitIsAnErrorAndTheRepeatAddsNothing(t *testing.T) {
	db := newDatabase(t, cluster)
	settings := db.settings()
	settings.Port = cutAfterCommit(t, fmt.Sprintf("%s:%d", settings.Host, settings.Port))
	b := completing(batchOf("one", testEvents(3)...))

	_, err := openSink(t, settings).Write(t.Context(), b)
	if err == nil || sdk.IsDenied(err) || sdk.IsInvalid(err) {
		t.Fatalf("error = %v, want one to retry", err)
	}
	if diff := cmp.Diff(counts{Events: 3, Cloudtrail: 3}, db.counts(t)); diff != "" {
		t.Errorf("rows although the answer was lost (-want +got):\n%s", diff)
	}
	result := mustWrite(t, db.newSink(t), completing(batchOf("one", testEvents(3)...)))
	if diff := cmp.Diff([]bool{false, false, false}, result.New); diff != "" {
		t.Errorf("new in the repeat (-want +got):\n%s", diff)
	}
	if got := ask[string](t, db, `select string_agg(read || ' ' || stored || ' ' || duplicate, ', ') from ledger`); got != "3 3 0" {
		t.Errorf("ledger = %s, want the first attempt's entry alone", got)
	}
}

// cutAfterCommit listens in front of a server, and cuts the first connection that
// commits a ledger entry, between the server's answer and the client. It returns the
// port.
func cutAfterCommit(t *testing.T, server string) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				return
			}
			go cutConnection(client, upstream)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func cutConnection(client, upstream net.Conn) {
	defer client.Close()
	defer upstream.Close()
	committing := make(chan struct{})
	go func() {
		var sent []byte
		buffer := make([]byte, 64<<10)
		for cut := false; ; {
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			sent = append(sent, buffer[:n]...)
			ledger := bytes.Index(sent, []byte("insert into public.ledger"))
			if !cut && ledger >= 0 && bytes.Contains(sent[ledger:], []byte("commit\x00")) {
				cut = true
				close(committing)
			}
			if _, err := upstream.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := upstream.Read(buffer) // once the client commits, this is the answer
		if err != nil {
			return
		}
		select {
		case <-committing:
			return
		default:
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
