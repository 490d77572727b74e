package s3

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
)

const (
	native = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-11-01T12:00:00.500Z","eventName":"ObjectCreated:Put",` +
		`"s3":{"bucket":{"name":"trail"},"object":{"key":"a+b%2Bc.json.gz","size":12,"eTag":"\"0af\"","versionId":"v1","sequencer":"00"}}}]}`
	bridged = `{"version":"0","detail-type":"Object Created","source":"aws.s3","time":"2026-11-01T12:00:00Z","region":"us-east-1",` +
		`"detail":{"version":"0","event-version":"1.1","bucket":{"name":"trail"},"object":{"key":"a+b.json.gz","size":12,"etag":"0af","version-id":"v1"},"reason":"PutObject"}}`
	cloudTrails = `{"s3Bucket":"trail","s3ObjectKey":["a+b.json.gz","c%20d.json.gz"]}`
)

func TestNoticesAreToldApartByTheirShape(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s3 := object{bucket: "trail", key: "a b+c.json.gz", etag: "0af", version: "v1", bytes: 12, at: at.Add(500 * time.Millisecond), created: true}
	for name, tc := range map[string]struct {
		body string
		want notice
	}{
		"S3":                         {native, notice{objects: []object{s3}}},
		"S3, with its name in full":  {strings.Replace(native, "ObjectCreated", "s3:ObjectCreated", 1), notice{objects: []object{s3}}},
		"S3 in SNS":                  {sns(native), notice{objects: []object{s3}}},
		"S3 in SNS in SNS in SNS":    {sns(sns(sns(native))), notice{objects: []object{s3}}},
		"S3 in SQS":                  {inSQS(native), notice{objects: []object{s3}}},
		"EventBridge":                {bridged, notice{objects: []object{{bucket: "trail", key: "a+b.json.gz", etag: "0af", version: "v1", bytes: 12, at: at, created: true}}}},
		"CloudTrail":                 {cloudTrails, notice{objects: []object{{bucket: "trail", key: "a+b.json.gz", created: true}, {bucket: "trail", key: "c%20d.json.gz", created: true}}}},
		"a test event":               {`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"trail"}`, notice{asides: []aside{testEvent}}},
		"CloudTrail's check":         {"CloudTrail validation message.", notice{asides: []aside{validation}}},
		"CloudTrail's check in SNS":  {sns("CloudTrail validation message."), notice{asides: []aside{validation}}},
		"a subscription":             {`{"Type":"SubscriptionConfirmation","SubscribeURL":"http://127.0.0.1:1/","Message":"x"}`, notice{asides: []aside{subscription}}},
		"the end of a subscription":  {`{"Type":"UnsubscribeConfirmation","SubscribeURL":"http://127.0.0.1:1/"}`, notice{asides: []aside{subscription}}},
		"AWS Config":                 {sns(`{"configurationItemDiff":{"changedProperties":{}},"messageType":"ConfigurationItemChangeNotification"}`), notice{asides: []aside{foreign}}},
		"another event":              {`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"state":"running"}}`, notice{asides: []aside{foreign}}},
		"an event of S3 about none":  {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{"eventName":"PutObject"}}`, notice{asides: []aside{foreign}}},
		"a log file":                 {`{"Records":[{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"PutObject"}]}`, notice{asides: []aside{foreign}}},
		"no records":                 {`{"Records":[]}`, notice{asides: []aside{foreign}}},
		"names in other letters":     {strings.Replace(native, "Records", "records", 1), notice{asides: []aside{foreign}}},
		"a message that is a number": {`{"Type":"Notification","Message":5}`, notice{asides: []aside{foreign}}},
		"an object that was removed": {
			strings.Replace(native, "ObjectCreated:Put", "ObjectRemoved:Delete", 1),
			notice{objects: []object{{bucket: "trail", key: s3.key, etag: "0af", version: "v1", bytes: 12, at: s3.at}}},
		},
	} {
		got, err := parseNotice(tc.body)
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(notice{}, object{})); diff != "" || err != nil {
			t.Errorf("notice of %s, error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestNoticesThatCannotBeUnderstoodAreErrors(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"garbage":                     {"hello", "not a notification"},
		"nothing":                     {"", "not a notification"},
		"null":                        {"null", "not a notification"},
		"a list":                      {"[]", "not a notification"},
		"half a notice":               {native[:100], "not a notification"},
		"text after it":               {native + "x", "not a notification"},
		"garbage in SNS":              {sns("Hello from SNS!"), "not a notification"},
		"a name twice":                {`{"Records":[],"Records":[]}`, "not a notification"},
		"bad UTF-8":                   {"{\"a\":\"\xff\"}", "not a notification"},
		"five envelopes":              {sns(sns(sns(sns(sns(native))))), "more than 3 envelopes"},
		"S3 of another version":       {strings.Replace(native, `"2.1"`, `"3.0"`, 1), `notification of S3 in version "3.0"`},
		"EventBridge, another form":   {strings.Replace(bridged, `"1.1"`, `"2.0"`, 1), `event of S3 in version "2.0"`},
		"a key that is not encoded":   {strings.Replace(native, "%2B", "%zz", 1), "not encoded as it should be"},
		"no key":                      {strings.Replace(native, `"key"`, `"name"`, 1), "without bucket or key"},
		"no bucket":                   {strings.Replace(native, `"name":"trail"`, `"name":7`, 1), "without bucket or key"},
		"S3 without s3":               {`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3"}]}`, "without bucket or key"},
		"keys that are no texts":      {`{"s3Bucket":"trail","s3ObjectKey":[7]}`, "keys that cannot be read"},
		"a key longer than any in S3": {`{"s3Bucket":"trail","s3ObjectKey":["` + strings.Repeat("k", 1025) + `"]}`, "more than 1024 bytes"},
		"a bucket longer than any":    {`{"s3Bucket":"` + strings.Repeat("b", 1025) + `","s3ObjectKey":["k"]}`, "more than 1024 bytes"},
		"ten thousand records":        {`{"s3Bucket":"trail","s3ObjectKey":["k"` + strings.Repeat(`,"k"`, 9999) + `]}`, "10000 objects"},
		"a deep one":                  {strings.Repeat(`{"a":`, 20_000), "not a notification"},
	} {
		got, err := parseNotice(tc.body)
		if err == nil || !strings.Contains(err.Error(), tc.want) || len(got.objects) > 0 {
			t.Errorf("parseNotice of %s = %+v, %v, want an error about %q", name, got, err, tc.want)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("error of %s has %d bytes", name, len(err.Error()))
		}
	}
}

func TestANoticeThatIsPartlyGarbageTellsTheRest(t *testing.T) {
	got, err := parseNotice(inSQS(native, "garbage", bridged))
	if err == nil || len(got.objects) != 2 {
		t.Errorf("parseNotice = %+v, %v, want two objects and an error", got, err)
	}
}

// What other people's tests feed to their own readers of notifications.
func TestEnvelopesOfOthers(t *testing.T) {
	const lambda = "lambda-artifacts-deafc19498e3f2df/b21b84d653bb07b05b1e6b33684dc11b"
	for file, want := range map[string]string{
		"boogy-eventbridge-object-created-plus-key.json":            "ct-siem-sync/my+file.json.gz",
		"boogy-eventbridge-object-created-unsupported-version.json": "error",
		"boogy-eventbridge-object-created.json":                     "amzn-s3-demo-bucket1/example-key",
		"boogy-eventbridge-object-deleted.json":                     "other amzn-s3-demo-bucket1/example-key",
		"boogy-eventbridge-object-restore-completed.json":           "other amzn-s3-demo-bucket1/example-key",
		"boogy-s3-event-object-created.json":                        lambda,
		"boogy-s3-event-urlencoded-key.json":                        "ct-siem-sync/my file=a.json.gz",
		"boogy-s3-test-event.json":                                  "test event of S3",
		"boogy-sns-s3-event.json":                                   lambda,
		"boogy-sns-s3-test-event.json":                              "test event of S3",
		"boogy-sqs-batch-partial-garbage.json":                      lambda + " ct-siem-sync/second-sibling-object.json.gz error",
		"boogy-sqs-s3-event.json":                                   lambda,
		"boogy-sqs-sns-event.json":                                  lambda,
		"datadog-sqs_s3.json":                                       "my-bucket/my-key.log",
		"datadog-sqs_sns_s3.json":                                   "my-bucket/my-key.log",
		"s3-event-with-decoded.json":                                "sourcebucket/Happy Face.jpg",
		"s3-event.json":                                             "sourcebucket/Happy Face.jpg",
		"s3-lifecycle-event.json":                                   "other example-bucket/lifecycle-test.dat",
		"s3-replication-event.json":                                 "other amzn-s3-demo-bucket1/replication-test.png",
		"s3-restore-event.json":                                     "other example-bucket/glacier-test.txt",
		"sns-event.json":                                            "error",
		"sqs-event.json":                                            "error",
	} {
		body, err := os.ReadFile(filepath.Join(cloudtrailtest.Dir(t), "envelopes", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseNotice(string(body))
		var said []string
		for _, o := range got.objects {
			if !o.created {
				said = append(said, "other")
			}
			said = append(said, o.bucket+"/"+o.key)
		}
		for _, a := range got.asides {
			said = append(said, string(a))
		}
		if err != nil {
			said = append(said, "error")
		}
		if diff := cmp.Diff(want, strings.Join(said, " ")); diff != "" {
			t.Errorf("%s, error %v (-want +got):\n%s", file, err, diff)
		}
	}
}

// sns wraps a body as SNS does for a queue that does not ask for raw delivery.
func sns(body string) string {
	return asJSON(map[string]any{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:111122223333:trail", "Message": body, "SubscribeURL": "http://127.0.0.1:1/"})
}

// inSQS wraps bodies as AWS Lambda gets them.
func inSQS(bodies ...string) string {
	var records []any
	for i, body := range bodies {
		records = append(records, map[string]any{"messageId": fmt.Sprint(i), "eventSource": "aws:sqs", "body": body})
	}
	return asJSON(map[string]any{"Records": records})
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of a test's own making
	}
	return string(text)
}

func FuzzNotice(f *testing.F) {
	for _, body := range []string{
		native, bridged, cloudTrails, sns(native), inSQS(native, "x"), sns(sns(sns(sns(bridged)))), "CloudTrail validation message.",
		`{"Event":"s3:TestEvent"}`, `{"Type":"SubscriptionConfirmation"}`, `{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"{}"}}]}`, "null", "",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseNotice(body)
		if err == nil && len(got.objects)+len(got.asides) == 0 {
			t.Errorf("parseNotice(%q) says nothing", body)
		}
		if err != nil && len(err.Error()) > 100_000 {
			t.Errorf("error has %d bytes", len(err.Error()))
		}
		for _, o := range got.objects {
			if o.bucket == "" || o.key == "" || len(o.key) > maxKey || o.bytes < 0 {
				t.Errorf("parseNotice(%q) = %+v", body, o)
			}
		}
		// SNS around it changes nothing but its depth.
		wrapped, werr := parseNotice(sns(body))
		deep := err != nil || werr != nil
		if diff := cmp.Diff(got, wrapped, cmp.AllowUnexported(notice{}, object{})); diff != "" && !deep && json.Valid([]byte(body)) {
			t.Errorf("in SNS (-bare +wrapped):\n%s", diff)
		}
	})
}
