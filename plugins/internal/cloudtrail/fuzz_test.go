package cloudtrail_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// FuzzRead compares with encoding/json wherever that can be a judge: on what is a
// file at all, on the number and bytes of the records, and on names without
// peculiarities.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		records(one, two), records(), `[` + one + `]`, `{"a":{"b":[1,"}"]},"Records":[null,[],1]}`, "\ufeff" + records(one),
		records(`{"eventID":"e","eventTime":"2026-11-01T12:00:00Z","userIdentity":{"arn":"a","sessionContext":{"sessionIssuer":{"accountId":"1"}}}}`),
		records(`{"\u0065ventID":"\ud83d\ude00","x":"\\\"","eventName":"\u0000"}`), `{"Records":[{}]}x`, "{\"Records\":[{\"a\":\"\xff\"}]}",
	} {
		f.Add([]byte(text))
		f.Add(zip(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		events, err := read(file, "", cloudtrail.Limits{Inflated: 1 << 20, Record: 1 << 16})
		if err != nil && !sdk.IsInvalid(err) {
			t.Fatalf("Read = %v, want nil or an invalid error", err)
		}
		for _, e := range events {
			checkEvent(t, e)
		}
		list, ok := oracle(file)
		if err != nil || !ok {
			return
		}
		if len(events) != len(list) {
			t.Fatalf("events = %d, want %d", len(events), len(list))
		}
		for i, e := range events {
			if !bytes.Equal(e.Raw, list[i]) {
				t.Errorf("record %d = %q, want %q", i, e.Raw, list[i])
			}
		}
	})
}

// checkEvent checks what is true of every event.
func checkEvent(t *testing.T, e sdk.Event) {
	t.Helper()
	for _, s := range []string{e.ID, e.Name, e.Source, e.Region, e.Account, e.Principal, e.ErrorCode} {
		if !utf8.ValidString(s) {
			t.Errorf("envelope of %q holds %q, which is not UTF-8", e.Raw, s)
		}
	}
	if e.ID == "" {
		t.Errorf("event of %q has no ID", e.Raw)
	}
	var fields map[string]json.RawMessage
	if e.Reject != "" || !utf8.Valid(e.Raw) || json.Unmarshal(e.Raw, &fields) != nil {
		return
	}
	var name string
	if json.Unmarshal(fields["eventName"], &name) != nil {
		name = ""
	}
	if e.Name != name {
		t.Errorf("name in %q = %q, want %q", e.Raw, e.Name, name)
	}
}

// oracle is what encoding/json finds in a file that is not compressed.
func oracle(file []byte) ([]json.RawMessage, bool) {
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	var list []json.RawMessage
	if json.Unmarshal(file, &list) == nil && list != nil {
		return list, true
	}
	if bytes.Count(file, []byte("ecords")) != 1 || bytes.Contains(file, []byte(`\`)) {
		return nil, false // it joins records and Records, and takes only the last
	}
	var object struct{ Records []json.RawMessage }
	if json.Unmarshal(file, &object) != nil || object.Records == nil {
		return nil, false
	}
	return object.Records, true
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{
		"", "/", "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T1255Z_a.json.gz",
		"o-a/AWSLogs/o-a/1/CloudTrail-Digest/x.json.gz", "AWSLogs/o-", "20261101T1255Z", "2026110AT",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		k := cloudtrail.ParseKey(key)
		if k.Category == "CloudTrail-Digest" && cloudtrail.Readable(key) {
			t.Errorf("digest %q passes for events", key)
		}
		if !k.Time().IsZero() && (k.Time().Year() < 0 || k.Time().Year() > 9999) {
			t.Errorf("time of %q = %v", key, k.Time())
		}
	})
}
