package cloudtrail_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// FuzzRecord compares the envelope of one record with what encoding/json finds in it,
// wherever the two agree on what the text means: in UTF-8, with whole surrogate pairs.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(one))
	f.Fuzz(func(t *testing.T, record []byte) {
		record = bytes.Trim(record, " \t\r\n")
		if !json.Valid(record) || record[0] != '{' {
			return
		}
		file := []byte(records(string(record), two))
		events, err := read(file, "111122223333", cloudtrail.Limits{})
		if err != nil {
			if len(record) > 10_000 {
				return // deeper than any tokenizer goes
			}
			t.Fatalf("Read = %v", err)
		}
		if len(events) != 2 || events[1].ID != "two" {
			t.Fatalf("%q and another record came as %d events", record, len(events))
		}
		e := events[0]
		checkEvent(t, e)
		if e.Reject != "" {
			if !strings.Contains(e.Reject, "nested deeper") {
				t.Errorf("record %q is rejected: %s", record, e.Reject)
			}
			return
		}
		again, err := read(file, "111122223333", cloudtrail.Limits{})
		if diff := cmp.Diff(events, again); diff != "" || err != nil {
			t.Errorf("%q read again, %v (-first +second):\n%s", record, err, diff)
		}
		if !utf8.Valid(record) || bytes.Contains(record, []byte(`\u`)) {
			return
		}
		if !bytes.Equal(e.Raw, record) {
			t.Errorf("record %q came as %q", record, e.Raw)
		}
		want := envelopeOf(t, record)
		want.Raw = e.Raw
		if id := e.ID; want.ID == "" || len(want.ID) > 1024 || strings.ContainsFunc(want.ID, func(r rune) bool { return r < ' ' || r > '~' }) || strings.Contains(want.ID, "sha256:") {
			want.ID = id // of the content
		} else if strings.EqualFold(id, want.ID) {
			want.ID = id // a GUID is in lower case
		}
		want.Time = e.Time // TestEventTime knows the forms
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("event of %q (-encoding/json +got):\n%s", record, diff)
		}
	})
}

// envelopeOf is a record's envelope, found without the code under test.
func envelopeOf(t *testing.T, record []byte) sdk.Event {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(record, &fields); err != nil {
		t.Fatal(err)
	}
	text := func(from map[string]json.RawMessage, names ...string) string {
		for _, name := range names {
			var s string
			if v := from[name]; len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil && s != "" {
				return s
			}
		}
		return ""
	}
	within := func(from map[string]json.RawMessage, name string) map[string]json.RawMessage {
		var inner map[string]json.RawMessage
		_ = json.Unmarshal(from[name], &inner) // nil if it is no object
		return inner
	}
	identity := within(fields, "userIdentity")
	issuer := within(within(identity, "sessionContext"), "sessionIssuer")
	e := sdk.Event{
		ID: text(fields, "eventID", "eventId"), Name: text(fields, "eventName"), Source: text(fields, "eventSource"),
		Region: text(fields, "awsRegion"), ErrorCode: text(fields, "errorCode"),
		Principal: text(identity, "arn", "principalId", "invokedBy"),
		Account:   text(fields, "recipientAccountId"),
	}
	for _, account := range []string{text(identity, "accountId"), text(issuer, "accountId"), text(fields, "accountId"), "111122223333"} {
		if e.Account == "" {
			e.Account = account
		}
	}
	switch string(fields["readOnly"]) {
	case "true":
		e.ReadOnly = sdk.True
	case "false":
		e.ReadOnly = sdk.False
	}
	return e
}
