package cloudtrailapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
)

func outer(username string, resources ...types.Resource) types.Event {
	e := types.Event{Resources: resources}
	if username != "" {
		e.Username = aws.String(username)
	}
	return e
}

func TestWhatTheRecordLacksIsKept(t *testing.T) {
	bucket := types.Resource{ResourceType: aws.String("AWS::S3::Bucket"), ResourceName: aws.String("b")}
	untyped := types.Resource{ResourceName: aws.String(`say "x"`)}
	for _, tc := range []struct {
		name, record string
		outer        types.Event
		want         string
	}{
		{
			"both", `{"eventID":"1","userIdentity":{"type":"AssumedRole"}}`, outer("session", bucket, untyped),
			`{"eventID":"1","userIdentity":{"type":"AssumedRole"},"lookupEvents":{"Username":"session","Resources":[{"ResourceType":"AWS::S3::Bucket","ResourceName":"b"},{"ResourceName":"say \"x\""}]}}`,
		},
		{"space is kept", "{ \"eventId\": \"1\"\n}", outer("u"), "{ \"eventId\": \"1\"\n,\"lookupEvents\":{\"Username\":\"u\"}}"},
		{"the record has the name", `{"eventID":"1","userIdentity":{"userName":"x"}}`, outer("u", bucket), `{"eventID":"1","userIdentity":{"userName":"x"},"lookupEvents":{"Resources":[{"ResourceType":"AWS::S3::Bucket","ResourceName":"b"}]}}`},
		{"the record has resources", `{"eventID":"1","resources":[]}`, outer("u", bucket), `{"eventID":"1","resources":[],"lookupEvents":{"Username":"u"}}`},
		{"null is nothing", `{"eventID":"1","resources":null,"userIdentity":null}`, outer("u"), `{"eventID":"1","resources":null,"userIdentity":null,"lookupEvents":{"Username":"u"}}`},
		{"an empty name is none", `{"eventID":"1","userIdentity":{"userName":""}}`, outer("u"), `{"eventID":"1","userIdentity":{"userName":""},"lookupEvents":{"Username":"u"}}`},
		{"the name of another member", `{"eventID":"1","x":{"userName":"a","resources":[1]}}`, outer("u"), `{"eventID":"1","x":{"userName":"a","resources":[1]},"lookupEvents":{"Username":"u"}}`},
		{"the record has both", `{"eventID":"1","userIdentity":{"userName":"x"},"resources":[{}]}`, outer("u", bucket), ""},
		{"nothing to keep", `{"eventID":"1"}`, outer(""), ""},
		{"no ID", `{"eventName":"1"}`, outer("u"), ""},
		{"the member is taken", `{"eventID":"1","lookupEvents":1}`, outer("u"), ""},
		{"not an object", `["eventID"]`, outer("u"), ""},
		{"an empty object", `{}`, outer("u"), ""},
	} {
		want := tc.want
		if want == "" {
			want = tc.record
		}
		if diff := cmp.Diff(want, string(annotate([]byte(tc.record), tc.outer))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestAnAnnotatedRecordIsTheSameEvent(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		e := record("a", today().Add(time.Minute))
		e.Username, e.Resources = "alice", []lookuptest.Resource{{Type: "AWS::EC2::Instance", Name: "i-1"}}
		srv.Add(seoul, e)
		got, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, today()))
		if err != nil || len(got) != 1 {
			t.Fatalf("Fetch = %d events, %v, want 1", len(got), err)
		}
		const kept = `,"lookupEvents":{"Username":"alice","Resources":[{"ResourceType":"AWS::EC2::Instance","ResourceName":"i-1"}]}}`
		if text := string(got[0].Raw); got[0].ID != "a" || got[0].Name != "RunInstances" || text != strings.TrimSuffix(e.Record, "}")+kept {
			t.Errorf("event %s %s = %s, want the record and %s", got[0].ID, got[0].Name, text, kept)
		}
	})
}

func FuzzAnnotate(f *testing.F) {
	f.Add(`{"eventID":"1","userIdentity":{}}`, "u")
	f.Add(`{"eventID":"\ud83d","a":{"a":1,"a":2}}`, "<>&")
	f.Fuzz(func(t *testing.T, record, username string) {
		record = strings.Trim(record, " \t\r\n")
		if !isJSON(record) {
			return
		}
		got := annotate([]byte(record), outer(username))
		if string(got) == record {
			return
		}
		if !isJSON(string(got)) {
			t.Fatalf("annotate(%q) = %q, which is not JSON", record, got)
		}
		const begin = `,"lookupEvents":`
		at := bytes.LastIndex(got, []byte(begin))
		if at < 0 || string(got[:at])+"}" != record {
			t.Fatalf("without its last member %q is not %q", got, record)
		}
		var kept annotation
		want := annotation{Username: string([]rune(username))} // with U+FFFD for what is not UTF-8
		if err := json.Unmarshal(got[at+len(begin):len(got)-1], &kept); err != nil || kept.Username != want.Username {
			t.Errorf("kept = %+v, %v, want %+v", kept, err, want)
		}
	})
}
