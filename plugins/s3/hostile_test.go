package s3

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

func TestNoMessageReachesBeyondBucketAndPrefix(t *testing.T) {
	const secret = "secret/x.json.gz"
	var subscribed atomic.Int32
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { subscribed.Add(1) }))
	defer sink.Close()
	elsewhere := func(region string) string {
		return strings.Replace(tells(bucket, "AWSLogs/x.json.gz"), `"us-east-1"`, `"`+region+`"`, 1)
	}
	for name, body := range map[string]string{
		"another bucket":          tells("victim", "AWSLogs/x.json.gz"),
		"a bucket with an @":      tells(bucket+"@evil#", "AWSLogs/x.json.gz"),
		"a bucket with a path":    tells(bucket+"/../victim", "AWSLogs/x.json.gz"),
		"a bucket in an ARN":      tells("arn:aws:s3:::victim", "AWSLogs/x.json.gz"),
		"another prefix":          tells(bucket, secret),
		"a way up":                tells(bucket, "AWSLogs/../"+secret),
		"an encoded way up":       strings.Replace(tells(bucket, "AWSLogs/UP/"+secret), "UP", "%2e%2e", 1),
		"a way up, twice encoded": strings.Replace(tells(bucket, "AWSLogs/UP/"+secret), "UP", "%252e%252e", 1),
		"a NUL":                   strings.Replace(tells(bucket, "AWSLogs/NUL.json.gz"), "NUL", "x%00", 1),
		"bad UTF-8":               strings.Replace(tells(bucket, "AWSLogs/BAD.json.gz"), "BAD", "x%ff", 1),
		"ten thousand records":    `{"Records":[` + strings.Repeat(asJSON(s3Record("victim", "AWSLogs/x.json.gz", "e"))+",", 9999) + `{}]}`,
		"five envelopes":          sns(sns(sns(sns(sns(tells("victim", "AWSLogs/x.json.gz")))))),
		"a URL to subscribe":      asJSON(map[string]any{"Type": "SubscriptionConfirmation", "SubscribeURL": sink.URL, "Message": sink.URL}),
		"a mebibyte":              strings.Repeat("x", 1<<20),
		"another Region":          elsewhere(strings.TrimPrefix(sink.URL, "http://") + "/?"),
		"an ETag that is a path":  strings.Replace(tells(bucket, "AWSLogs/x.json.gz"), "0af", "e@../../victim/y.json.gz@f", 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			put(t, s.s3, "AWSLogs/x.json.gz", zip(`{"Records":[]}`))
			if err := s.s3.Put("victim", "AWSLogs/x.json.gz", zip(two)); err != nil {
				t.Fatal(err)
			}
			put(t, s.s3, secret, zip(two))
			var mu sync.Mutex
			var asked []string
			s.s3.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				if r.Header.Get("X-Amz-Expected-Bucket-Owner") != "111122223333" {
					asked = append(asked, "without the expected owner")
				}
				asked = append(asked, r.URL.EscapedPath())
				return false
			})
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{Prefix: "AWSLogs/", ExpectedBucketOwner: "111122223333"}), newStore()
				s.sqs.Send(queueName, body)
				a := start(t, src, rows)
				<-time.After(30 * time.Minute)
				if len(rows.look().rows) != 0 || a.endings() != nil {
					t.Errorf("rows %v, Watch ended with %v", rows.look().rows, a.endings())
				}
			})
			for _, path := range asked {
				// A twice encoded way up is a key of its own, and is sent as such.
				if path != "/trail/AWSLogs/x.json.gz" && path != "/trail/AWSLogs/%252e%252e/secret/x.json.gz" {
					t.Errorf("asked for %s", path)
				}
			}
		})
	}
	if n := subscribed.Load(); n != 0 {
		t.Errorf("a URL of a message was fetched %d times", n)
	}
}

func TestABucketOfAnotherOwnerIsRefused(t *testing.T) {
	s := newStage(t)
	s.s3.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		s3test.Fail(w, r, http.StatusForbidden, "AccessDenied")
		return true
	})
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 2)
		src, rows := s.source(t, Settings{ExpectedBucketOwner: "111122223333"}), newStore()
		s.sqs.Send(queueName, tells(bucket, "x.json.gz"))
		s.sqs.Send(queueName, asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{"y.json.gz"}}))
		start(t, src, rows)
		<-time.After(time.Hour)
		if got := s.sqs.State(deadName); got.Visible != 2 || len(rows.look().done) != 0 {
			t.Errorf("dead-letter queue = %+v with splits %v, want both messages there", got, rows.splits())
		}
	})
}

// FuzzMessage checks that no message reaches beyond bucket and prefix, and that what it
// announces is a split of this source.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{
		tells(bucket, "AWSLogs/x.json.gz"), tells(bucket, "AWSLogs/../x.json"), tells("victim", "x.json"), bridged, sns(native),
		asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{"AWSLogs/a.json", "AWSLogs/./b.json"}}), inSQS("x", cloudTrails),
	} {
		f.Add(body)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		f.Setenv(name, value)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var strayed atomic.Int32
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if r.Method != http.MethodHead || !strings.HasPrefix(path, "/trail/AWSLogs/") || slices.Contains(strings.Split(path, "/"), "..") {
			strayed.Add(1)
		}
		w.Header().Set("ETag", `"0af"`)
	})
	n := notifiedOf(f, server, server, Settings{Prefix: "AWSLogs/", Notifications: &Notifications{QueueURL: "http://sqs.test/1/q"}})
	f.Fuzz(func(t *testing.T, body string) {
		pointers, _, err := n.read(t.Context(), message{id: "m", body: body}, false)
		if err != nil || strayed.Load() > 0 {
			t.Errorf("read(%q) = %v with %d requests elsewhere", body, err, strayed.Load())
		}
		for _, p := range pointers {
			k, _, err := n.parseID(p.split.ID)
			if p.reason == "" && (err != nil || !strings.HasPrefix(k, "AWSLogs/") || p.split.Bytes < 0) {
				t.Errorf("%q announces %+v, %v", body, p.split, err)
			}
		}
	})
}
