package rdsdirect

import (
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The insert reports a row that something in the database took away as one that was there.
func TestEventsThatTheDatabaseTakesAwayAreNoDuplicates(t *testing.T) {
	for name, statement := range map[string]string{
		"a trigger":      `create trigger swallow before insert on events for each row execute function swallow()`,
		"a unique index": `create unique index on events_` + testTime.Format("2006_01") + ` (group_id)`,
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			sink := db.newSink(t)
			b := completing(batchOf("whole", testEvents(10)...))
			mustWrite(t, sink, completing(batchOf("before", testEvent("e", `{"eventID":"e",`+testTimeText+`}`))))
			db.exec(t, `create function swallow() returns trigger language plpgsql as 'begin if random() < 0.5 then return null; end if; return new; end'`)
			db.exec(t, statement)
			if _, err := sink.Write(t.Context(), b); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "look for a trigger") {
				t.Errorf("Write = %v, want it denied with advice", err)
			}
			if got := done(t, sink, "all", "whole"); got[0] != sdk.SplitNew {
				t.Errorf("the split is %v, want it new", got[0])
			}
		})
	}
}

func TestTablesThatSomebodyChangedAreNamedAndTakeNothingAside(t *testing.T) {
	for name, tc := range map[string]struct{ statement, undo, want string }{
		"a column without a default": {
			`alter table events add column tenant text not null`, `alter table events drop column tenant`,
			`column "tenant" of table "events`,
		},
		"no default partition": {
			`alter table events detach partition events_default`, `alter table events attach partition events_default default`,
			`table "events" lacks its default partition`,
		},
		"a unique index": {
			`create unique index once on cloudtrail_` + testTime.Format("2006_01") + ` (event_name)`, `drop index once`,
			`unique index "once" on table "cloudtrail_`,
		},
		"row-level security on cloudtrail": {
			`alter table cloudtrail enable row level security`, `alter table cloudtrail disable row level security`,
			`row-level security keeps COPY out`,
		},
		"row-level security": {
			`alter table events enable row level security`, `alter table events disable row level security`,
			`row-level security keeps COPY out`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			sink := db.newSink(t)
			mustWrite(t, sink, batchOf("before", testEvents(1)...)) // makes the month's partitions
			db.exec(t, `delete from cloudtrail`)
			db.exec(t, `delete from events`)
			db.exec(t, tc.statement)
			old := testEvent("old", `{"eventName":"n","eventTime":"2001-01-01T00:00:00Z"}`)
			old.Time = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
			b := completing(batchOf("whole", testEvent("one", `{"eventName":"n",`+testTimeText+`}`), testEvent("two", `{"eventName":"n",`+testTimeText+`}`), old))
			if _, err := sink.Write(t.Context(), b); !sdk.IsDenied(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Write = %v, want it denied with %q", err, tc.want)
			}
			db.exec(t, tc.undo)
			mustWrite(t, sink, b)
			if got := done(t, sink, "all", "whole"); got[0] != sdk.SplitDone {
				t.Errorf("after it was put right the split is %v, want it done", got[0])
			}
		})
	}
}

// What the sink tells an owner to type has to be what the migrations make.
func TestTheAdviceForALostPrimaryKeyIsTheKey(t *testing.T) {
	for _, table := range []string{"events", "cloudtrail", "ledger", "quarantine", "variants"} {
		t.Run(table, func(t *testing.T) {
			db := newDatabase(t, cluster)
			key := ask[string](t, db, `select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where contype = 'p' and conrelid = ('public.`+table+`')::regclass`)
			name, definition, _ := strings.Cut(key, " ")
			db.exec(t, `alter table `+table+` drop constraint `+name+` cascade`)
			_, err := db.newSink(t).Write(t.Context(), batchOf("one", testEvents(1)...))
			want := "alter table public." + table + " add " + strings.Replace(definition, "PRIMARY KEY", "primary key", 1)
			if !sdk.IsDenied(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("Write = %v, want it denied with %q", err, want)
			}
		})
	}
}
