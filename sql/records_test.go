package sql_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordsGivesTheRecordBack(t *testing.T) {
	const at = "2021-07-28 10:00:00"
	for _, tc := range []struct {
		name, time, fields, values, want string
	}{
		{name: "nothing but its time", time: at, want: `{"eventTime": "2021-07-28T10:00:00Z"}`},
		{name: "no time", time: noTime, want: `{}`},
		{name: "a time of its own that is the stand-in", time: "1970-01-01 00:00:00", want: `{"eventTime": "1970-01-01T00:00:00Z"}`},
		{
			name: "a time that the column cannot write", time: "2021-07-28 10:00:00.5",
			fields: "additional", values: `'{"eventTime": "2021-07-28T10:00:00.500Z"}'`, want: `{"eventTime": "2021-07-28T10:00:00.500Z"}`,
		},
		{name: "an unusable time", time: noTime, fields: "additional", values: `'{"eventTime": "yesterday"}'`, want: `{"eventTime": "yesterday"}`},
		{
			name: "every text column", time: noTime,
			fields: `event_version, event_source, event_name, event_category, event_type, aws_region, request_id, cloudtrail_event_id, shared_event_id,
				recipient_account_id, source_ip_address, user_agent, error_code, error_message, api_version, vpc_endpoint_id, vpc_endpoint_account_id,
				session_credential_from_console`,
			values: `'1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18'`,
			want: `{"eventVersion": "1", "eventSource": "2", "eventName": "3", "eventCategory": "4", "eventType": "5", "awsRegion": "6", "requestID": "7",
				"eventID": "8", "sharedEventID": "9", "recipientAccountId": "10", "sourceIPAddress": "11", "userAgent": "12", "errorCode": "13",
				"errorMessage": "14", "apiVersion": "15", "vpcEndpointId": "16", "vpcEndpointAccountId": "17", "sessionCredentialFromConsole": "18"}`,
		},
		{
			name: "every jsonb column", time: noTime,
			fields: `user_identity, request_parameters, response_elements, additional_event_data, service_event_details, resources, tls_details,
				insight_details, addendum, edge_device_details, event_context`,
			values: `'{"n": 1}', '{"n": 2}', '"HIDDEN"', '{}', '"text"', '[]', '{"n": 7}', '{"n": null}', '{"n": 9}', '0', 'false'`,
			want: `{"userIdentity": {"n": 1}, "requestParameters": {"n": 2}, "responseElements": "HIDDEN", "additionalEventData": {}, "serviceEventDetails": "text",
				"resources": [], "tlsDetails": {"n": 7}, "insightDetails": {"n": null}, "addendum": {"n": 9}, "edgeDeviceDetails": 0, "eventContext": false}`,
		},
		{name: "booleans", time: noTime, fields: "read_only, management_event", values: "false, true", want: `{"readOnly": false, "managementEvent": true}`},
		{
			name: "explicit nulls, odd types and unknown fields", time: noTime, fields: "event_name, additional",
			values: `'X', '{"responseElements": null, "readOnly": "true", "EVENTNAME": "Y", "new": {"a": [1, null]}}'`,
			want:   `{"eventName": "X", "responseElements": null, "readOnly": "true", "EVENTNAME": "Y", "new": {"a": [1, null]}}`,
		},
		{name: "an address as AWS wrote it", time: noTime, fields: "source_ip, source_ip_address", values: "'2001:db8::1', '2001:DB8::1'", want: `{"sourceIPAddress": "2001:DB8::1"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := migrated(t)
			fields, values := tc.fields, tc.values
			if tc.time == noTime {
				fields, values = strings.Join([]string{"has_event_time", fields}, ", "), strings.Join([]string{"false", values}, ", ")
			}
			store(t, connect(t, db.DSN(db.Writer)), event{id: eventA, time: tc.time, fields: strings.TrimSuffix(fields, ", "), values: strings.TrimSuffix(values, ", ")})
			reader := connect(t, db.DSN(db.Reader))
			exec(t, reader, "set timezone = 'Asia/Seoul'")
			exec(t, reader, "set datestyle = 'German'")
			if diff := cmp.Diff(parse(t, []byte(tc.want)), parse(t, value[[]byte](t, reader, `select record from records`))); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

// noTime stands in event_time for a time that the record lacks.
const noTime = "1970-01-01"

func parse(t *testing.T, text []byte) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestSanitizedRowsNeedTheirBytes(t *testing.T) {
	db := migrated(t)
	writer := connect(t, db.DSN(db.Writer))
	for _, values := range []string{"true, null", `false, 'x'`} {
		_, err := writer.Exec(t.Context(), `insert into cloudtrail (event_id, event_time, origin, sanitized, raw) values ($1, '1970-01-01', '', `+values+`)`, eventA)
		if got := state(t, err); got != "23514" {
			t.Errorf("%s: state %q, want 23514", values, got)
		}
	}
}
