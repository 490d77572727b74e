package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// The tests of this file are named after the defects of INU-Detector, the program that
// this one follows. None of them may come back. A tenth, that it held everything in
// memory, is in memory_test.go.

// keyAt is where CloudTrail would put an object that it delivers at a time.
func keyAt(at time.Time, suffix string) string {
	at = at.UTC()
	return "AWSLogs/111122223333/CloudTrail/us-east-1/" + at.Format("2006/01/02") +
		"/111122223333_CloudTrail_us-east-1_" + at.Format("20060102T1504") + "Z_" + suffix + ".json"
}

// key is keyAt for a time of 2026-11-01.
func key(hour, minute int, suffix string) string {
	return keyAt(time.Date(2026, 11, 1, hour, minute, 0, 0, time.UTC), suffix)
}

// object is one that holds a record of a name for each of the IDs.
func object(name string, ids ...string) string {
	var records []string
	for _, id := range ids {
		records = append(records, fmt.Sprintf(`{"eventID":%q,"eventName":%q,"eventTime":"2026-11-01T11:55:00Z"}`, id, name))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func (s *site) eventIDs(t *testing.T) []string {
	t.Helper()
	return answers[string](t, s, `select cloudtrail_event_id from cloudtrail order by 1`)
}

func (s *site) checkEventIDs(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.eventIDs(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// richRecord has every field that has a column.
const richRecord = `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","invokedBy":"config.amazonaws.com",
"sessionContext":{"sessionIssuer":{"type":"Role","userName":"worker"},"attributes":{"mfaAuthenticated":"false"}}},
"eventTime":"2026-11-01T11:55:00Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","awsRegion":"us-east-1",
"sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2","errorCode":"AccessDenied","errorMessage":"no","apiVersion":"2006-03-01",
"requestParameters":{"a":1},"responseElements":{"b":2},"additionalEventData":{"c":3},"requestID":"R1","eventID":"e1","readOnly":false,
"resources":[{"ARN":"arn:aws:s3:::x"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333",
"serviceEventDetails":{"d":4},"sharedEventID":"shared-1","vpcEndpointId":"vpce-1","vpcEndpointAccountId":"444455556666",
"eventCategory":"Management","addendum":{"reason":"UPDATED_DATA"},"sessionCredentialFromConsole":"true","edgeDeviceDetails":{"e":5},
"tlsDetails":{"tlsVersion":"TLSv1.3"},"insightDetails":{"state":"Start"},"eventContext":{"tagContext":{}},"notYetInvented":true}`

func TestPredecessorShippedSchemaAndShippedCodeDisagree(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.put(t, key(12, 0, "a"), `{"Records":[`+richRecord+`]}`)
	s.once(t)
	for table, without := range map[string][]string{
		"events":     nil,
		"cloudtrail": {"raw"}, // only for records that jsonb cannot hold
	} {
		columns := answers[string](t, s, `select attname::text from pg_attribute
			where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attname <> all($2::text[])`, table, without)
		for _, c := range columns {
			if n := ask[int](t, s, `select count(`+c+`) from `+table); n != 1 {
				t.Errorf("column %s.%s is there, but nothing is written to it", table, c)
			}
		}
	}
	s.checkGivenBack(t, []string{richRecord})
}

func TestPredecessorPositionMovedBeforeTheWriteSucceeded(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	want := s.load(t, s3test.Trail{Events: 500}.Objects())
	// Rows of events are inserted before those of cloudtrail, which fail.
	s.exec(t, `revoke insert on cloudtrail from `+s.db.Writer.User)
	if got := s.run(t, "-mode", "once"); got.code != 1 {
		t.Errorf("a write failed: %s", got)
	}
	if rows, entries := s.rows(t), ask[int](t, s, `select count(*) from ledger`); rows != 0 || entries != 0 {
		t.Errorf("after writes that failed there are %d rows and %d ledger entries", rows, entries)
	}
	s.exec(t, `grant insert on cloudtrail to `+s.db.Writer.User)
	s.once(t)
	s.checkStored(t, want)
}

func TestPredecessorOneBadEventRollsBackTheCycle(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.exec(t, `alter table cloudtrail add constraint refuses check (event_name <> 'Refused')`)
	s.put(t, key(12, 0, "a"), object("Good", "a1", "a2", "a3"))
	s.put(t, key(12, 1, "b"), object("Refused", "bad"))
	s.put(t, key(12, 2, "c"), object("Good", "c1", `c2\u0000`, "c3"))
	if got := s.once(t); got.count("stored") != 6 || got.count("quarantined") != 1 {
		t.Errorf("once: %s", got)
	}
	quarantined := answers[string](t, s, `select event_id from quarantine where kind = 'record' and reason like '%refuses%'`)
	if diff := cmp.Diff([]string{"bad"}, quarantined); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	s.checkLedger(t, 7)
}

func TestPredecessorMaxFilesCutInsideAMinuteLosesTheRestOfIt(t *testing.T) {
	s := newSite(t, strings.Replace(s3Block, "\n  }", "\n    max_files = 2\n  }", 1), rdsBlock)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s.put(t, key(12, 0, id), object("Good", id))
	}
	s.once(t)
	s.checkEventIDs(t, "a", "b", "c", "d", "e")

	for _, id := range []string{"f", "g", "h", "i", "j"} {
		s.put(t, key(12, 0, "0"+id), object("Good", id)) // in front of those that are stored
	}
	r := s.start(t)
	r.await(t, "the rest of the minute", func() bool { return s.rows(t) == 10 })
	r.signal(t, syscall.SIGTERM)
	r.wait()
	s.checkEventIDs(t, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
}

func TestPredecessorLateObjectWithAnOlderStampIsNeverRead(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.put(t, key(12, 0, "m"), object("Good", "first"))
	s.once(t)
	s.put(t, key(3, 0, "z"), object("Good", "hours late"))
	s.put(t, key(12, 0, "a"), object("Good", "same minute, lesser suffix"))
	s.once(t)
	s.checkEventIDs(t, "first", "hours late", "same minute, lesser suffix")
}

func TestPredecessorObjectUnreadableOnceIsNeverRetried(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	now := time.Now() // every poll lists the last hours; the further past has its turn less often
	s.put(t, keyAt(now, "a"), object("Good", "a"))
	s.put(t, keyAt(now, "b"), object("Good", "b"))
	s.put(t, keyAt(now, "c"), object("Good", "c"))
	refused := make(chan struct{})
	var first sync.Once
	s.s3.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "Z_b.json") {
			return false
		}
		s3test.Fail(w, r, http.StatusForbidden, "AccessDenied")
		first.Do(func() { close(refused) })
		return true
	})
	r := s.start(t)
	<-refused
	r.await(t, "the other objects", func() bool { return s.rows(t) == 2 })
	r.await(t, "a line about it", r.says("left for the next listing"))
	s.s3.SetHook(nil)
	r.await(t, "the object that was refused", func() bool { return s.rows(t) == 3 })
	s.checkEventIDs(t, "a", "b", "c")
}

func TestPredecessorSessionContextInvokedByAndSharedEventIDLost(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.put(t, key(12, 0, "a"), `{"Records":[`+richRecord+`]}`)
	s.once(t)
	got := answers[string](t, s, `
		select concat_ws(' ', user_identity #>> '{sessionContext,sessionIssuer,userName}', user_identity ->> 'invokedBy', shared_event_id)
		from cloudtrail`)
	if diff := cmp.Diff([]string{"worker config.amazonaws.com shared-1"}, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestPredecessorSchemaNotRepeatable(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	want := s.load(t, s3test.Trail{Events: 300}.Objects())
	s.once(t)
	var both []*running // at once, as two hosts do it
	for range 2 {
		both = append(both, s.start(t, "migrate", "-create-role", "-dsn", s.db.DSN(s.db.Owner)))
	}
	for _, r := range both {
		if got := r.wait(); got.code != 0 {
			t.Errorf("migrate again: %s", got)
		}
	}
	s.checkStored(t, want)
	if got := s.once(t); got.count("splits:") != 0 {
		t.Errorf("after migrating again: %s", got)
	}
}

func TestPredecessorJoinOfTheREADMEReturnsNothing(t *testing.T) {
	const join = `SELECT e.id, e.group_id, c.event_name FROM events e JOIN cloudtrail c ON e.id = c.event_id LIMIT 5`
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), join) {
		t.Errorf("the README has another join than %s", join)
	}
	s := newSite(t, s3Block, rdsBlock)
	s.load(t, s3test.Trail{Events: 300}.Objects())
	s.once(t)
	rows := answers[string](t, s, `select j::text from (`+join+`) as j`)
	if len(rows) != 5 {
		t.Errorf("the join has %d rows, want 5: %q", len(rows), rows)
	}
}
