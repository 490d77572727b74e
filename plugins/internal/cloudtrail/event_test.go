package cloudtrail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// event is the event of a single record, without its raw bytes.
func event(t *testing.T, record string) sdk.Event {
	t.Helper()
	events, err := read(zip(records(record)), "999988887777", cloudtrail.Limits{})
	if err != nil || len(events) != 1 {
		t.Fatalf("Read of %s = %d events, %v, want 1", record, len(events), err)
	}
	if string(events[0].Raw) != record {
		t.Errorf("raw = %s, want %s", events[0].Raw, record)
	}
	events[0].Raw = nil
	return events[0]
}

func TestEnvelope(t *testing.T) {
	const object = "999988887777" // the object's account
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, record string
		want         sdk.Event
	}{
		{
			"a whole record",
			`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:x","arn":"arn:aws:sts::111122223333:assumed-role/r/x","accountId":"444455556666"},"eventTime":"2026-11-01T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"cn-north-1","errorCode":"AccessDenied","eventID":"e","readOnly":true,"recipientAccountId":"111122223333"}`,
			sdk.Event{
				ID: "e", Time: noon, Name: "GetObject", Source: "s3.amazonaws.com", Region: "cn-north-1", Account: "111122223333",
				Principal: "arn:aws:sts::111122223333:assumed-role/r/x", ErrorCode: "AccessDenied", ReadOnly: sdk.True,
			},
		},
		{"nothing but an ID", `{"eventID":"e"}`, sdk.Event{ID: "e", Account: object}},
		{
			"nulls", `{"eventID":"e","userIdentity":null,"eventTime":null,"eventName":null,"readOnly":null,"recipientAccountId":null}`,
			sdk.Event{ID: "e", Account: object},
		},
		{
			"types that are not expected", `{"eventID":"e","userIdentity":"me","eventTime":1762000000,"eventName":["a"],"readOnly":"true","awsRegion":{},"recipientAccountId":111122223333}`,
			sdk.Event{ID: "e", Account: object},
		},
		{
			"names in another case", `{"eventID":"e","EVENTNAME":"x","EventName":"y","eventname":"z","userIdentity":{"ARN":"a","Arn":"b"},"readonly":true}`,
			sdk.Event{ID: "e", Account: object},
		},
		{
			"repeated names: the last one counts", `{"eventID":"e","eventName":"a","readOnly":true,"userIdentity":{"arn":"a","principalId":"p"},"eventName":"b","readOnly":null,"userIdentity":{"principalId":"q"}}`,
			sdk.Event{ID: "e", Name: "b", Account: object, Principal: "q"},
		},
		{
			"a repeated ID: the last one counts", `{"eventID":"a","eventID":"b"}`, sdk.Event{ID: "b", Account: object},
		},
		{
			"names with escapes", `{"\u0065ventID":"e","eventN\u0061me":"a\tb\u00e9\ud83d\ude00"}`,
			sdk.Event{ID: "e", Name: "a\tbé😀", Account: object},
		},
		{
			"names of inner objects do not count", `{"eventID":"e","requestParameters":{"eventName":"x","userIdentity":{"arn":"y"},"readOnly":true}}`,
			sdk.Event{ID: "e", Account: object},
		},
		{
			"text that is not UTF-8 is replaced in the envelope", "{\"eventID\":\"e\",\"eventName\":\"a\xffb\",\"awsRegion\":\"\\ud83dx\"}",
			sdk.Event{ID: "e", Name: "a\ufffdb", Region: "\ufffdx", Account: object},
		},
		{
			"account of the caller", `{"eventID":"e","userIdentity":{"accountId":"1","sessionContext":{"sessionIssuer":{"accountId":"2"}}},"accountId":"3"}`,
			sdk.Event{ID: "e", Account: "1"},
		},
		{
			"account of the session's issuer", `{"eventID":"e","userIdentity":{"sessionContext":{"attributes":{"accountId":"x"},"sessionIssuer":{"accountId":"2"}}},"accountId":"3"}`,
			sdk.Event{ID: "e", Account: "2"},
		},
		{"principal by its ID", `{"eventID":"e","userIdentity":{"principalId":"p","invokedBy":"i"}}`, sdk.Event{ID: "e", Account: object, Principal: "p"}},
		{"principal that invoked", `{"eventID":"e","userIdentity":{"arn":"","invokedBy":"i"}}`, sdk.Event{ID: "e", Account: object, Principal: "i"}},
		{"not read-only", `{"eventID":"e","readOnly":false}`, sdk.Event{ID: "e", Account: object, ReadOnly: sdk.False}},
		{
			"an aggregated event", `{"eventVersion":"1.0","eventId":"11111111-2222-3333-4444-55555555ABCD","accountId":"111122223333","awsRegion":"us-east-1","timeWindow":{"windowStart":"2026-11-01T12:00:00Z","windowEnd":"2026-11-01T12:05:00Z"},"summary":{}}`,
			sdk.Event{ID: "11111111-2222-3333-4444-55555555abcd", Time: noon, Region: "us-east-1", Account: "111122223333"},
		},
		{"an Insights event", `{"eventTime":"2026-11-01T12:00:00Z","eventID":"e","sharedEventID":"s","insightDetails":{"eventName":"x"}}`, sdk.Event{ID: "e", Time: noon, Account: object}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, event(t, tc.record)); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventTime(t *testing.T) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-01T12:00:00Z":          noon,
		"2026-11-01T12:00:00.25Z":       noon.Add(250 * time.Millisecond),
		"2026-11-01T12:00:00+00:00":     noon,
		"2026-11-01T21:00:00+09:00":     noon,
		"2026-11-01T12:00:00+0000":      noon,
		"2026-11-01T12:00:00.123+0000":  noon.Add(123 * time.Millisecond),
		"2026-11-01T12:00:00":           noon,
		"2026-11-01 12:00:00":           noon,
		"2026-11-01 12:00:00.000000000": noon,
		"2026-11-01 12:00:00Z":          noon,
		"2026-11-01 12:00:00 UTC":       noon,
		"2026-11-01 12:00:00 +0000":     noon,
		" 2026-11-01T12:00:00Z ":        noon,
		"0001-01-01T00:00:00Z":          {},
		"2026-11-01 12:00:00 PST":       {},
		"2026-13-01T12:00:00Z":          {},
		"1762000000":                    {},
		"yesterday":                     {},
		"":                              {},
	} {
		if got := event(t, `{"eventID":"e","eventTime":"`+text+`"}`).Time; !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("time of %q = %v, want %v", text, got, want)
		}
	}
}

func TestEventID(t *testing.T) {
	const guid = "7ec7f858-0775-423c-8eeb-d866ca706aaa"
	long := strings.Repeat("x", 1024)
	for _, tc := range []struct{ name, record, want string }{
		{"a GUID", `{"eventID":"` + guid + `"}`, guid},
		{"a GUID in upper case", `{"eventID":"` + strings.ToUpper(guid) + `"}`, guid},
		{"another text keeps its case", `{"eventID":"7116c6a1-EXAMPLE"}`, "7116c6a1-EXAMPLE"},
		{"a GUID with something behind it", `{"eventID":"` + strings.ToUpper(guid) + `A"}`, strings.ToUpper(guid) + "A"},
		{"eventID before eventId", `{"eventId":"b","eventID":"a"}`, "a"},
		{"eventId if eventID is null", `{"eventId":"b","eventID":null}`, "b"},
		{"eventId if eventID is empty", `{"eventId":"b","eventID":""}`, "b"},
		{"an ID of 1 KiB", `{"eventID":"` + long + `"}`, long},
		// What follows are golden values, made with Python's hashlib: the recipe must
		// never change.
		{"an ID that is longer", `{"eventID":"` + long + `x"}`, "id-sha256:e09b46f2b01c5612484e305152f309de3fee1cab8c6e2c3c4b68430dc5b6bffb"},
		{"an ID with a control character", `{"eventID":"a\u0000"}`, "id-sha256:4b39d081616a84599300ceb3161a9de1d2f8a2cda149459df8e5de861eb82a21"},
		{"an ID that looks like a hash", `{"eventID":"sha256:00:0"}`, "id-sha256:2753d87e3878620cce69c05ab7501ebba98d2025bfdc8efe0d74da435bb1b7c8"},
		{"no ID", `{"b":[1.0,1e400],"a":"\u00e9\/\u0001"}`, "sha256:5bdfaa777e422b829103e6c7872602d0a32a4c9b89f96adddb13cdc4583a2bb0:0"},
		{"no ID, written otherwise", "{\"a\": \"é/\\u0001\", \"b\": [ 1.0,1e400 ]}", "sha256:5bdfaa777e422b829103e6c7872602d0a32a4c9b89f96adddb13cdc4583a2bb0:0"},
		{"a number for ID", `{"eventID":7}`, "sha256:f4dc89bc1b26387ce693ee2d3271e812863d3a75b2093b1da8a91bd98c9b3b17:0"},
		{"sharedEventID is no ID", `{"sharedEventID":"s"}`, "sha256:8317d26a58b09de4dec3aed1661c03b08eba4e515dfff895df38ca970a6e2692:0"},
		{"no ID and a repeated name", `{"a":1,"a":1}`, "sha256:e0921f1cf7632d7464378881cc0d323779c1f0812953b740093128741b4fb94d:0"},
		{"no ID and bad UTF-8", "{\"a\":\"\xff\"}", "sha256:dc2222acf0a31b9e965c6577a25c70f729766e07124482731257cb4bca738af7:0"},
		{"no ID and half a surrogate pair", `{"a":"\ud83d"}`, "sha256:a94a9bf6f15826284679ce5038192eb11d07f9316cb07977f6b5f990fff44a4d:0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := event(t, tc.record).ID; got != tc.want {
				t.Errorf("ID = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEqualRecordsWithoutAnIDAreCounted(t *testing.T) {
	file := zip(records(`{"a":1,"b":2}`, `{"a":1}`, `{"b":2, "a":1}`, one, `{"a":1,"b":2}`, one))
	ids := func() (ids []string) {
		for _, e := range mustRead(t, file) {
			ids = append(ids, e.ID)
		}
		return ids
	}
	got := ids()
	base, ok := strings.CutSuffix(got[0], ":0")
	if !ok {
		t.Fatalf("first ID = %q, want it to end in :0", got[0])
	}
	want := []string{base + ":0", got[1], base + ":1", "one", base + ":2", "one"}
	if diff := cmp.Diff(want, got); diff != "" || got[1] == base+":0" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, ids()); diff != "" {
		t.Errorf("IDs when read again (-first +second):\n%s", diff)
	}
}
