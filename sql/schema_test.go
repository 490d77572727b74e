package sql_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

func TestVersionIsTheNumberOfMigrations(t *testing.T) {
	files, err := fs.Glob(sql.Files, "*.sql")
	if err != nil || len(files) != sql.Version {
		t.Errorf("%d migrations (%v), Version = %d", len(files), err, sql.Version)
	}
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	if got := value[int](t, writer, "select schema_version()"); got != sql.Version {
		t.Errorf("schema_version() = %d, want %d", got, sql.Version)
	}
}

// The predecessor's tables, as far as its users' queries see them.
func TestColumnsOfThePredecessorKeepTheirTypes(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	for table, columns := range map[string]map[string]string{
		"groups": {"group_id": "uuid", "group_name": "text", "created_at": "timestamp without time zone"},
		"events": {
			"id": "uuid", "group_id": "uuid", "source_product": "text", "source_ip": "inet", "user_agent": "text",
			"occurred_at": "timestamp with time zone", "created_at": "timestamp without time zone",
		},
		"cloudtrail": {
			"id": "uuid", "event_id": "uuid", "event_time": "timestamp without time zone", "event_name": "text", "event_source": "text",
			"aws_region": "text", "source_ip": "inet", "user_identity": "jsonb", "request_parameters": "jsonb", "response_elements": "jsonb",
			"cloudtrail_event_id": "text", "event_type": "text", "management_event": "boolean", "recipient_account_id": "text",
			"event_category": "text", "created_at": "timestamp without time zone",
			"event_version": "text", "read_only": "boolean", "request_id": "text", "user_agent": "text",
			"session_credential_from_console": "text", "shared_event_id": "text", "error_code": "text", "error_message": "text",
			"tls_details": "jsonb", "insight_details": "jsonb", "resources": "jsonb",
		},
	} {
		for column, want := range columns {
			got := values[string](t, owner, `select data_type from information_schema.columns
				where table_schema = 'public' and table_name = $1 and column_name = $2`, table, column)
			if len(got) != 1 || got[0] != want {
				t.Errorf("%s.%s is %q, want %q", table, column, got, want)
			}
		}
	}
}

func TestQueriesOfThePredecessorAnswer(t *testing.T) {
	db := migrated(t)
	store(t, connect(t, db.DSN(db.Writer)), event{id: eventA, time: "2021-07-28 10:00:00", fields: `event_name`, values: `'ConsoleLogin'`})
	reader := connect(t, db.DSN(db.Reader))
	if got := value[int](t, reader, "SELECT COUNT(*) FROM events"); got != 1 {
		t.Errorf("events = %d, want 1", got)
	}
	if got := value[int](t, reader, "SELECT COUNT(*) FROM cloudtrail"); got != 1 {
		t.Errorf("cloudtrail = %d, want 1", got)
	}
	var id, groupID, name string
	err := reader.QueryRow(t.Context(), `SELECT e.id::text, e.group_id::text, c.event_name FROM events e JOIN cloudtrail c ON e.id = c.event_id LIMIT 5`).
		Scan(&id, &groupID, &name)
	if err != nil || id != eventA || groupID != group || name != "ConsoleLogin" {
		t.Errorf("join = %s %s %s, %v", id, groupID, name, err)
	}
}

func TestIndexesAreThoseDecidedAndNoMore(t *testing.T) {
	db := migrated(t)
	owner := connect(t, db.DSN(db.Owner))
	got := values[string](t, owner, `
		select replace(substring(pg_get_indexdef(indexrelid) from ' ON .*'), ' ON ONLY public.', '')
		from pg_index where indrelid in ('events'::regclass, 'cloudtrail'::regclass) order by 1`)
	want := []string{
		"cloudtrail USING btree (cloudtrail_event_id)",
		"cloudtrail USING btree (event_id, event_time)",
		"cloudtrail USING btree (event_name)",
		"cloudtrail USING btree (event_time)",
		"cloudtrail USING btree (hashtextextended(origin, (0)::bigint))",
		"cloudtrail USING gin (user_identity jsonb_path_ops)",
		"events USING btree (id, event_time)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("indexes (-want +got):\n%s", diff)
	}
}

func TestUnknownTimeIsNoTimeInOccurredAt(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	store(t, writer, event{id: eventA, time: "2021-07-28 10:00:00"})
	store(t, writer, event{id: eventB, time: "1970-01-01"})

	reader := connect(t, db.DSN(db.Reader))
	exec(t, reader, "set timezone = 'Asia/Seoul'")
	got := values[*time.Time](t, reader, "select occurred_at from events order by id")
	if want := time.Date(2021, 7, 28, 10, 0, 0, 0, time.UTC); got[0] == nil || !got[0].Equal(want) {
		t.Errorf("occurred_at = %v, want %v", got[0], want)
	}
	if got[1] != nil {
		t.Errorf("occurred_at of an unknown time = %v, want null", got[1])
	}
}

func TestLedgerRefusesCountsThatDoNotAddUp(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	for name, tc := range map[string]struct {
		read, stored, duplicate, filtered, quarantined int
		status, want                                   string
	}{
		"all accounted for": {read: 10, stored: 4, duplicate: 3, filtered: 2, quarantined: 1, status: "stored"},
		"one missing":       {read: 10, stored: 4, duplicate: 3, filtered: 2, status: "stored", want: "23514"},
		"negative":          {read: 3, stored: 4, duplicate: -1, status: "stored", want: "23514"},
		"unknown status":    {status: "lost", want: "23514"},
		"gone":              {status: "gone"},
		"invalid":           {read: 1, quarantined: 1, status: "invalid"},
	} {
		_, err := writer.Exec(t.Context(), `insert into ledger
			(group_id, pipeline, source, split, filter, read, stored, duplicate, filtered, quarantined, status)
			values ($1, 'p', 's3', $2, '', $3, $4, $5, $6, $7, $8)`,
			group, name, tc.read, tc.stored, tc.duplicate, tc.filtered, tc.quarantined, tc.status)
		if got := state(t, err); got != tc.want {
			t.Errorf("%s: state %q, want %q", name, got, tc.want)
		}
	}
}

func TestUnknownGroupIsRefusedByName(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	_, err := writer.Exec(t.Context(), `insert into events (id, event_time, group_id) values ($1, '1970-01-01', gen_random_uuid())`, eventA)
	if got := state(t, err); got != "23503" {
		t.Errorf("state = %q, want 23503", got)
	}
}
