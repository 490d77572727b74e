package rdsdirect

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// testTime is the eventTime of most test records.
var testTime = time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)

const testTimeText = `"eventTime":"2026-11-03T04:05:06Z"`

func testEvent(id, record string) sdk.Event {
	return sdk.Event{ID: id, Time: testTime, Raw: []byte(record)}
}

func TestFieldsGoWhereTheyAreGivenBackUnchanged(t *testing.T) {
	long := strings.Repeat("k", maxKey+1)
	tests := []struct {
		name, record string
		cells        map[string]string // by column
		additional   string
		time         bool
	}{
		{
			name: "a string", record: `{"eventName":"Console\u004cogin \"x\"","userAgent":""}`,
			cells: map[string]string{"event_name": `ConsoleLogin "x"`, "user_agent": ""},
		},
		{
			name: "a boolean", record: `{"readOnly":true,"managementEvent":false}`,
			cells: map[string]string{"read_only": "true", "management_event": "false"},
		},
		{
			name: "documents of every type but null", record: `{"userIdentity":{},"requestParameters":"HIDDEN","responseElements":[1],"addendum":1e3,"tlsDetails":false}`,
			cells: map[string]string{"user_identity": `{}`, "request_parameters": `"HIDDEN"`, "response_elements": `[1]`, "addendum": `1e3`, "tls_details": `false`},
		},
		{
			name: "explicit nulls", record: `{"requestParameters":null,"userIdentity":null,"eventName":null,"readOnly":null}`,
			additional: `{"requestParameters":null,"userIdentity":null,"eventName":null,"readOnly":null}`,
		},
		{
			name: "odd types", record: `{"eventName":1,"readOnly":"true","errorCode":{"a":[]}}`,
			additional: `{"eventName":1,"readOnly":"true","errorCode":{"a":[]}}`,
		},
		{
			name: "unknown fields, white space as it was", record: `{ "x" : { "y" : 1 } , "eventId":"7", "z\n":12345678901234567890 }`,
			additional: `{"x":{ "y" : 1 },"eventId":"7","z\n":12345678901234567890}`,
		},
		{
			name: "names in another case", record: `{"EVENTID":"spoof","eventID":"real"}`,
			cells: map[string]string{"cloudtrail_event_id": "real"}, additional: `{"EVENTID":"spoof"}`,
		},
		{
			name: "text too long for an index", record: `{"eventName":"` + long + `","eventID":"` + long + `","userAgent":"` + long + `"}`,
			cells: map[string]string{"user_agent": long}, additional: `{"eventName":"` + long + `","eventID":"` + long + `"}`,
		},
		{name: "the time as AWS writes it", record: `{` + testTimeText + `}`, time: true},
		{
			name: "the time in another form", record: `{"eventTime":"2026-11-03T04:05:06.000Z"}`,
			additional: `{"eventTime":"2026-11-03T04:05:06.000Z"}`,
		},
		{
			name: "another time than the event's", record: `{"eventTime":"2026-11-03T04:05:07Z"}`,
			additional: `{"eventTime":"2026-11-03T04:05:07Z"}`,
		},
		{name: "no time", record: `{}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var m rowMaker
			var r row
			e := testEvent("id", tc.record)
			if err := m.make(&r, &e); err != nil {
				t.Fatal(err)
			}
			cells := make(map[string]string)
			for i, f := range fields {
				if c := r.text(i); c != nil {
					cells[f.column] = string(c)
				}
			}
			if tc.cells == nil {
				tc.cells = map[string]string{}
			}
			if diff := cmp.Diff(tc.cells, cells); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.additional, string(r.additional)); diff != "" {
				t.Errorf("additional (-want +got):\n%s", diff)
			}
			if r.hasTime != tc.time || r.raw != nil {
				t.Errorf("has time = %v and raw = %q, want %v and none", r.hasTime, r.raw, tc.time)
			}
		})
	}
}

func TestRowsThatSayLessThanTheRecordKeepItsBytes(t *testing.T) {
	var m rowMaker
	var r row
	e := testEvent("id", `{"eventName":"first","x\u0000":"\ud83d","eventName":["last"],"readOnly":true,"eventName":"last"}`)
	if err := m.make(&r, &e); err != nil {
		t.Fatal(err)
	}
	if got := string(r.text(fieldIndex["eventName"])); got != "last" {
		t.Errorf("event_name = %q, want the last of its values, as jsonb has it", got)
	}
	if got, want := string(r.additional), "{\"x\ufffd\":\"\ufffd\"}"; got != want {
		t.Errorf("additional = %s, want %s", got, want)
	}
	if diff := cmp.Diff(string(e.Raw), string(r.raw)); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
}

func TestSourceIPIsAnAddressOrNothing(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7":                  "203.0.113.7",
		"2001:DB8::0:1":                "2001:db8::1",
		"::ffff:203.0.113.7":           "::ffff:203.0.113.7",
		"AWS Internal":                 "",
		"cloudtrail.amazonaws.com":     "",
		"81.2.69.142, 192.168.10.10":   "",
		"10.0.0.0/8":                   "",
		"fe80::1%eth0":                 "",
		"":                             "",
		"HIDDEN_DUE_TO_SECURITY_REASO": "",
	} {
		t.Run(text, func(t *testing.T) {
			var m rowMaker
			var r row
			e := testEvent("id", `{"sourceIPAddress":"`+text+`"}`)
			if err := m.make(&r, &e); err != nil {
				t.Fatal(err)
			}
			got := ""
			if r.sourceIP.IsValid() {
				got = r.sourceIP.String()
			}
			if got != want || string(r.text(sourceIPAddress)) != text {
				t.Errorf("source_ip = %q and source_ip_address = %q, want %q and %q", got, r.text(sourceIPAddress), want, text)
			}
		})
	}
}

func BenchmarkMakeRow(b *testing.B) {
	m := rowMaker{group: testGroup}
	e := testEvent(typicalID, typicalRecord)
	var r row
	b.SetBytes(int64(len(e.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.make(&r, &e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

const typicalID = "0c7d6a1e-6f0b-4f3a-9d57-2f6b6c1a9e01"

const typicalRecord = `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/admin/session","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/admin","accountId":"111122223333","userName":"admin"},"webIdFederationData":{},"attributes":{"creationDate":"2026-11-03T03:00:00Z","mfaAuthenticated":"false"}}},` + testTimeText + `,"eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"ap-northeast-2","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2.2.5 Python/3.8.8 Linux/5.4","requestParameters":{"instancesSet":{"items":[{"instanceId":"i-0123456789abcdef0"}]},"filterSet":{}},"responseElements":null,"requestID":"6f0b4f3a-0c7d-6a1e-9d57-2f6b6c1a9e01","eventID":"` + typicalID + `","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"eventCategory":"Management","recipientAccountId":"111122223333","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"ec2.ap-northeast-2.amazonaws.com"}}`
