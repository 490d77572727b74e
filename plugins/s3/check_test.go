package s3

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func finding(t *testing.T, findings []sdk.Finding, subject string) sdk.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Subject == subject {
			return f
		}
	}
	t.Errorf("nothing about %q in %+v", subject, findings)
	return sdk.Finding{}
}

const logKey = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T1200Z_aaaaaaaaaaaaaaaa.json.gz"

func TestCheckOfABucketThatWorks(t *testing.T) {
	srv := serve(t)
	put(t, srv, logKey, zip(two))
	findings := source(t, srv, Settings{Prefixes: []string{"AWSLogs/", "empty/"}}).Check(t.Context())
	for subject, want := range map[string]sdk.CheckState{
		"credentials": sdk.CheckOK, "clock": sdk.CheckOK, "list AWSLogs/": sdk.CheckOK, "get object": sdk.CheckOK, "list empty/": sdk.CheckWarning,
	} {
		if f := finding(t, findings, subject); f.State != want {
			t.Errorf("%+v, want state %d", f, want)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings Settings
		hook     s3test.Hook
		subject  string
		state    sdk.CheckState
		says     string
	}{
		{name: "a bucket that is not there", settings: Settings{Bucket: "nosuchbucket"}, subject: "list bucket", state: sdk.CheckFailed, says: "there is no bucket"},
		{
			name: "a listing that is denied", hook: deny(s3test.ListObjectsV2),
			subject: "list bucket", state: sdk.CheckFailed, says: "allow s3:ListBucket",
		},
		{
			name: "an object that is denied", hook: deny(s3test.GetObject),
			subject: "get object", state: sdk.CheckFailed, says: "kms:Decrypt",
		},
		{
			name: "a clock that is wrong", hook: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
				return false
			},
			subject: "clock", state: sdk.CheckWarning, says: "ahead of that of S3",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := serve(t)
			put(t, srv, logKey, zip(two))
			if tc.hook != nil {
				srv.SetHook(tc.hook)
			}
			f := finding(t, source(t, srv, tc.settings).Check(t.Context()), tc.subject)
			if f.State != tc.state || !strings.Contains(f.Detail+f.Fix, tc.says) {
				t.Errorf("%+v, want state %d and %q", f, tc.state, tc.says)
			}
		})
	}
}

func deny(op s3test.Operation) s3test.Hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if s3test.OperationOf(r) != op {
			return false
		}
		s3test.Fail(w, r, http.StatusForbidden, "AccessDenied")
		return true
	}
}

// The answers are those of the CloudTrail and STS API references.
func TestCheckTellsWhoItIsAndHowTheTrailIs(t *testing.T) {
	status := `{"IsLogging":true,"LatestDeliveryTime":1793000000}`
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch target := r.Header.Get("X-Amz-Target"); {
		case strings.HasSuffix(target, ".DescribeTrails"):
			fmt.Fprintf(w, `{"trailList":[{"Name":"other","S3BucketName":"elsewhere"},{"Name":"main","S3BucketName":%q,"TrailARN":"arn:aws:cloudtrail:us-east-1:111122223333:trail/main"}]}`, bucket)
		case strings.HasSuffix(target, ".GetTrailStatus"):
			fmt.Fprint(w, status)
		default:
			fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/reader</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		}
	}))
	defer aws.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", aws.URL)
	t.Setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", aws.URL)
	srv := serve(t)
	put(t, srv, logKey, zip(two))
	src := source(t, srv, Settings{})
	if f := finding(t, src.Check(t.Context()), "credentials"); f.State != sdk.CheckOK || !strings.Contains(f.Detail, "user/reader") {
		t.Errorf("%+v, want the caller", f)
	}
	for _, tc := range []struct {
		status string
		state  sdk.CheckState
		says   string
	}{
		{status, sdk.CheckOK, "latest log 2026-10-26"},
		{`{"IsLogging":false}`, sdk.CheckWarning, "switched off; no log yet"},
		{`{"IsLogging":true,"LatestDeliveryError":"NoSuchBucket"}`, sdk.CheckWarning, "cannot deliver: NoSuchBucket"},
	} {
		status = tc.status
		if f := finding(t, src.Check(t.Context()), "trail main"); f.State != tc.state || !strings.Contains(f.Detail, tc.says) {
			t.Errorf("%+v, want state %d and %q", f, tc.state, tc.says)
		}
	}
}

func TestCheckOfAQueue(t *testing.T) {
	for _, tc := range []struct {
		name  string
		queue sqstest.Queue
		state sdk.CheckState
		says  string
	}{
		{name: "with a queue for dead letters", queue: sqstest.Queue{MaxReceives: 5, DeadLetter: "dead"}, state: sdk.CheckOK, says: "dead takes messages after 5 receipts"},
		{name: "without", queue: sqstest.Queue{}, state: sdk.CheckWarning, says: "quarantine"},
	} {
		t.Run(tc.name, func(t *testing.T) { checkQueue(t, tc.queue, tc.state, tc.says) })
	}
}

func checkQueue(t *testing.T, q sqstest.Queue, state sdk.CheckState, says string) {
	t.Helper()
	srv := serve(t)
	server, err := sqstest.Start(sqstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if q.DeadLetter != "" {
		server.CreateQueue(q.DeadLetter, sqstest.Queue{})
	}
	url := server.CreateQueue("logs", q)
	src, err := Open(t.Context(), Settings{
		Bucket: bucket, Endpoint: srv.URL, ForcePathStyle: true,
		Notifications: &Notifications{QueueURL: url, Wait: time.Second, Visibility: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Send("logs", "{}")
	findings := src.(sdk.Checker).Check(t.Context())
	if f := finding(t, findings, "queue"); f.State != sdk.CheckOK || !strings.HasPrefix(f.Detail, "1 messages waiting, 0 taken") {
		t.Errorf("%+v, want what the queue holds, untouched", f)
	}
	if f := finding(t, findings, "dead-letter queue"); f.State != state || !strings.Contains(f.Detail, says) {
		t.Errorf("%+v, want state %d and %q", f, state, says)
	}
}

func TestRightsAreTheLeast(t *testing.T) {
	s := Settings{
		Bucket: "logs", Prefix: "AWSLogs/1/", Region: "cn-north-1",
		Notifications: &Notifications{QueueURL: "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q"},
	}
	var text strings.Builder
	for _, r := range s.Rights() {
		text.WriteString(r.Statement + "\n")
	}
	for _, want := range []string{
		`"arn:aws-cn:s3:::logs"`, `"s3:prefix":["AWSLogs/1/*"]`, `"arn:aws-cn:s3:::logs/AWSLogs/1/*"`, `"arn:aws-cn:sqs:cn-north-1:111122223333:q"`, `sqs:ChangeMessageVisibility`,
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("rights lack %s:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), `"s3:*"`) || strings.Contains(text.String(), "Put") {
		t.Errorf("rights are too many:\n%s", text.String())
	}
}
