package rdsdirect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestTransactionsAreLimitedAndDurableWhateverTheRoleSays(t *testing.T) {
	db := newDatabase(t, cluster)
	superuser := connect(t, db.SuperuserDSN())
	for _, setting := range []string{"synchronous_commit = off", "statement_timeout = 0", "lock_timeout = 0"} {
		if _, err := superuser.Exec(t.Context(), "alter role "+db.Writer.User+" set "+setting); err != nil {
			t.Fatal(err)
		}
	}
	sink := db.newSink(t)
	settings := func() map[string]string {
		got := make(map[string]string)
		err := sink.inTx(t.Context(), func(tx pgx.Tx) error {
			for _, name := range []string{"synchronous_commit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
				var value string
				if err := tx.QueryRow(t.Context(), `select current_setting($1)`, name).Scan(&value); err != nil {
					return err
				}
				got[name] = value
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]string{
		"synchronous_commit": "on", "statement_timeout": "1min", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s",
	}
	if diff := cmp.Diff(want, settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}

	if _, err := superuser.Exec(t.Context(), "alter role "+db.Writer.User+" set synchronous_commit = remote_apply"); err != nil {
		t.Fatal(err)
	}
	sink = db.newSink(t)
	if got := settings()["synchronous_commit"]; got != "remote_apply" {
		t.Errorf("synchronous_commit = %s, want the stronger remote_apply to stay", got)
	}
}

func TestASinkThatCannotMakeSenseOfItsGroupDoesNotOpen(t *testing.T) {
	settings := unreachable()
	settings.GroupID = "security"
	if _, err := Open(t.Context(), settings); err == nil {
		t.Error("no error")
	}
}

func BenchmarkWrite(b *testing.B) {
	const size = 1000
	sink := newDatabase(b, cluster).newSink(b)
	b.SetBytes(int64(size * len(typicalRecord)))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		events := make([]sdk.Event, size)
		for i := range events {
			id := uuid.NewSHA1(testGroup, fmt.Append(nil, n, i)).String()
			events[i] = testEvent(id, strings.Replace(typicalRecord, typicalID, id, 1))
		}
		mustWrite(b, sink, completing(batchOf(fmt.Sprint(n), events...)))
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "events/s")
}
