package s3

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// What becomes of a message by itself, with nothing to read in it.
func TestMessagesThatAnnounceNothing(t *testing.T) {
	inBucket := acct + "CloudTrail/us-east-1/2026/11/01/x.json.gz"
	for name, tc := range map[string]struct {
		body string
		want sqstest.State
	}{
		"a test event":           {`{"Event":"s3:TestEvent","Bucket":"trail"}`, sqstest.State{Deleted: 1}},
		"CloudTrail's check":     {sns("CloudTrail validation message."), sqstest.State{Deleted: 1}},
		"a subscription":         {`{"Type":"SubscriptionConfirmation","SubscribeURL":"http://127.0.0.1:1/"}`, sqstest.State{Deleted: 1}},
		"AWS Config":             {sns(`{"configurationItemDiff":{}}`), sqstest.State{Deleted: 1}},
		"an object removed":      {strings.Replace(asJSON(map[string]any{"Records": []any{s3Record(bucket, inBucket, "e")}}), "Created:Put", "Removed:Delete", 1), sqstest.State{Deleted: 1}},
		"a digest":               {tells(bucket, strings.Replace(inBucket, "/CloudTrail/", "/CloudTrail-Digest/", 1)), sqstest.State{Deleted: 1}},
		"a folder marker":        {tells(bucket, acct), sqstest.State{Deleted: 1}},
		"Security Lake":          {tells(bucket, "aws/CLOUD_TRAIL_MGMT/2.0/region=us-east-1/x.gz.parquet"), sqstest.State{Deleted: 1}},
		"another bucket":         {tells("other", inBucket), sqstest.State{Hidden: 1}},
		"another prefix":         {tells(bucket, "copies/x.json.gz"), sqstest.State{Hidden: 1}},
		"a removal in another":   {strings.Replace(tells("other", inBucket), "Created:Put", "Removed:Delete", 1), sqstest.State{Hidden: 1}},
		"Security Lake's bucket": {tells("aws-security-data-lake-us-east-1-x", "aws/CLOUD_TRAIL_MGMT/2.0/x.gz.parquet"), sqstest.State{Hidden: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{Prefixes: []string{"AWSLogs/", "aws/"}}), newStore()
				s.sqs.Send(queueName, tc.body)
				start(t, src, rows)
				<-time.After(time.Minute)
				if got := s.sqs.State(queueName); got != tc.want {
					t.Errorf("queue = %+v, want %+v", got, tc.want)
				}
				src.tally.mu.Lock()
				defer src.tally.mu.Unlock()
				if len(src.tally.counts) != 1 {
					t.Errorf("counts = %v, want one", src.tally.counts)
				}
			})
			if n := s.s3.Requests(s3test.HeadObject) + s.s3.Requests(s3test.GetObject); n != 0 {
				t.Errorf("%d requests for objects, want none", n)
			}
		})
	}
}

// tells is a notification of S3 about one object.
func tells(bucket, key string) string {
	return asJSON(map[string]any{"Records": []any{s3Record(bucket, key, "0af")}})
}

func TestAMessageThatIsPartlyForOthersIsReadAndLeft(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{Prefix: "AWSLogs/"}), newStore()
		ours := s.message(src, s.object("a"))
		s.sqs.Send(queueName, inSQS(ours, tells("other", "x.json.gz")))
		start(t, src, rows)
		<-time.After(time.Hour)
		if got := s.sqs.State(queueName); got.Hidden+got.Visible != 1 || len(rows.look().rows) != 2 {
			t.Errorf("queue = %+v with %d rows, want the message left and 2 rows", got, len(rows.look().rows))
		}
		if n := rows.look().fetches[rows.splits()[0]]; n != 1 {
			t.Errorf("the object was fetched %d times, want once", n)
		}
	})
}

func TestPoisonGoesToTheDeadLetterQueue(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 3)
		src, rows := s.source(t, Settings{}), newStore()
		s.sqs.Send(queueName, "garbage")
		s.sqs.Send(queueName, inSQS("garbage", s.message(src, s.object("a"))))
		start(t, src, rows)
		<-time.After(30 * time.Minute)
		s.empty()
		if got := s.sqs.State(deadName); got.Visible != 2 {
			t.Errorf("dead-letter queue = %+v, want both", got)
		}
		if len(rows.look().rows) != 2 || rows.look().rejected != nil {
			t.Errorf("rows %v, rejected %v, want those of the good part and nothing rejected", rows.look().rows, rows.look().rejected)
		}
	})
}

func TestPoisonGoesToQuarantineWhereTheQueueHasNoOther(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		mixed := inSQS("rubbish", s.message(src, s.object("a")))
		ids := []string{s.sqs.Send(queueName, "garbage"), s.sqs.Send(queueName, mixed)}
		start(t, src, rows)
		<-time.After(30 * time.Minute)
		s.empty()
		rejected := rows.look().rejected
		slices.SortFunc(rejected, func(a, b sdk.Event) int { return strings.Compare(a.ID, b.ID) })
		if len(rejected) != 2 || len(rows.look().rows) != 2 {
			t.Fatalf("rows %v, rejected %+v, want two each", rows.look().rows, rejected)
		}
		for i, want := range []string{"garbage", mixed} {
			e := rejected[i]
			if string(e.Raw) != want || e.ID != ids[i] || !strings.Contains(e.Reject, "000000000000/"+queueName+": not a notification") || e.Time.IsZero() {
				t.Errorf("rejected = %+v, want %q of message %s", e, want, ids[i])
			}
		}
		if want := "sqs:000000000000/" + queueName + "/" + ids[0]; !rows.look().done[want] {
			t.Errorf("splits = %v, want %s among them", rows.splits(), want)
		}
	})
}

func TestAMessageThatIsNotInHandIsNotGone(t *testing.T) {
	s := newStage(t)
	s.queue(t, 0)
	src := s.source(t, Settings{})
	_, err := fetch(t, src.Source, sdk.Split{ID: "sqs:1/q/m"})
	if !sdk.IsInvalid(err) {
		t.Errorf("Fetch without notifications = %v, want an invalid error", err)
	}
	err = src.Fetch(t.Context(), sdk.Split{ID: src.messagePrefix() + "m"}, func([]sdk.Event) error { return nil })
	if err == nil || sdk.IsGone(err) || sdk.IsInvalid(err) || sdk.IsDenied(err) {
		t.Errorf("Fetch = %v, want an error to try again after", err)
	}
}

func TestAnObjectThatIsNotThereYetIsReadLater(t *testing.T) {
	for name, body := range map[string]string{
		"with an ETag":    "", // see below
		"without an ETag": asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{acct + "CloudTrail/us-east-1/2026/11/01/late.json.gz"}}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{}), newStore()
				k := s.object("late")
				if body == "" {
					body = s.message(src, k)
				}
				if err := s.s3.Delete(bucket, k); err != nil {
					t.Fatal(err)
				}
				s.sqs.Send(queueName, body)
				start(t, src, rows)
				<-time.After(2 * time.Minute)
				if len(rows.look().done) != 0 {
					t.Errorf("splits = %v, want none", rows.splits())
				}
				s.object("late")
				<-time.After(10 * time.Minute)
				s.empty()
				if len(rows.look().rows) != 2 {
					t.Errorf("rows = %v, want two", rows.look().rows)
				}
			})
		})
	}
}

func TestAnObjectThatNeverComesIsRecorded(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.sqs.Send(queueName, tells(bucket, acct+"CloudTrail/us-east-1/2026/11/01/told.json.gz"))
		s.sqs.Send(queueName, asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{acct + "untold.json.gz"}}))
		start(t, src, rows)
		<-time.After(4 * time.Minute)
		if len(rows.look().done) != 0 {
			t.Errorf("splits = %v after four minutes, want none", rows.splits())
		}
		<-time.After(26 * time.Minute)
		s.empty()
		if !rows.look().gone[bucket+"/"+acct+"CloudTrail/us-east-1/2026/11/01/told.json.gz@0af"] || len(rows.look().rejected) != 1 {
			t.Errorf("gone %v, rejected %v, want one each", rows.look().gone, rows.look().rejected)
		}
	})
}

func TestAVersionThatWasOverwrittenIsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		code   string
		check  func(rows *store, err error) bool
	}{
		"it is there":    {200, "", func(rows *store, _ error) bool { return len(rows.look().rows) == 2 && len(rows.look().gone) == 0 }},
		"it is deleted":  {404, "NoSuchVersion", func(rows *store, _ error) bool { return len(rows.look().gone) == 1 }},
		"it is a marker": {405, "MethodNotAllowed", func(rows *store, _ error) bool { return len(rows.look().gone) == 1 }},
		"it is no ID":    {400, "InvalidArgument", func(rows *store, _ error) bool { return len(rows.look().gone) == 1 }},
		"it is forbidden": {403, "AccessDenied", func(rows *store, err error) bool {
			return sdk.IsDenied(err) && strings.Contains(err.Error(), "s3:GetObjectVersion")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			var asked atomic.Int32
			s.s3.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("versionId") == "" {
					return false
				}
				asked.Add(1)
				if tc.code != "" {
					s3test.Fail(w, r, tc.status, tc.code)
					return true
				}
				w.Header().Set("ETag", r.Header.Get("If-Match"))
				_, _ = w.Write(zip(two))
				return true
			})
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{}), newStore()
				record := s3Record(bucket, s.object("x"), "0ld")
				record["s3"].(map[string]any)["object"].(map[string]any)["versionId"] = "v1"
				s.sqs.Send(queueName, asJSON(map[string]any{"Records": []any{record}}))
				var refused error
				var mu sync.Mutex
				a := &agent{src: src, store: rows, inFlight: make(map[string]bool)}
				a.fails = func(id string) error {
					mu.Lock()
					defer mu.Unlock()
					refused = src.Fetch(t.Context(), sdk.Split{ID: id}, func([]sdk.Event) error { return nil })
					return nil
				}
				a.run(t)
				<-time.After(10 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if !tc.check(rows, refused) {
					t.Errorf("rows %v, gone %v, error %v", rows.look().rows, rows.look().gone, refused)
				}
			})
			if asked.Load() == 0 {
				t.Error("the version was not asked for")
			}
		})
	}
}

// The messages of others announce the objects that they are about.
func TestEnvelopesOfOthersReachTheirObjects(t *testing.T) {
	dir := filepath.Join(cloudtrailtest.Dir(t), "envelopes")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("envelopes = %v, %v, want some", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for i, message := range messagesIn(body) {
			told, _ := parseNotice(message)
			t.Run(fmt.Sprint(file.Name(), " ", i), func(t *testing.T) {
				s := newStage(t)
				synctest.Test(t, func(t *testing.T) {
					s.queue(t, 0)
					src, rows := s.source(t, Settings{}), newStore()
					src.settings.Bucket = "none"
					var want []string
					for _, o := range told.objects {
						src.settings.Bucket = o.bucket
						if o.created && pointless(o) == "" {
							if err := s.s3.Put(o.bucket, o.key, zip(two)); err != nil {
								t.Fatal(err)
							}
							want = append(want, o.bucket+"/"+o.key+"@"+o.etag)
						}
					}
					s.sqs.Send(queueName, message)
					start(t, src, rows)
					<-time.After(time.Hour)
					s.empty()
					var got []string
					for _, id := range rows.splits() {
						if !strings.HasPrefix(id, "sqs:") {
							got = append(got, id)
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("splits (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// messagesIn are the bodies that AWS Lambda got in one call, or the body itself.
func messagesIn(body []byte) []string {
	var call struct {
		Records []struct{ EventSource, Body string }
	}
	if json.Unmarshal(body, &call) != nil || len(call.Records) == 0 || call.Records[0].EventSource != "aws:sqs" {
		return []string{string(body)}
	}
	var bodies []string
	for _, r := range call.Records {
		bodies = append(bodies, r.Body)
	}
	return bodies
}
