package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestAQueueThatCannotBeUsedSaysWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		operation, code string
		want            string
	}{
		{"GetQueueAttributes", "QueueDoesNotExist", "check queue_url"},
		{"GetQueueAttributes", "AccessDenied", "allow sqs:GetQueueAttributes"},
		{"ReceiveMessage", "AccessDenied", "allow sqs:ReceiveMessage"},
		{"ReceiveMessage", "AWS.SimpleQueueService.NonExistentQueue", "check queue_url"},
		{"ReceiveMessage", "InvalidClientTokenId", "refuses the credentials"},
		{"ReceiveMessage", "KmsAccessDenied", "allow kms:Decrypt"},
		{"ReceiveMessage", "SomethingForbidden", "allow sqs:ReceiveMessage"},
		{"DeleteMessageBatch", "AccessDenied", "allow sqs:DeleteMessage"},
	} {
		t.Run(tc.operation+" "+tc.code, func(t *testing.T) {
			s := newStage(t)
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{}), newStore()
				s.tell(src, s.object("a"))
				s.sqs.SetHook(func(w http.ResponseWriter, _ *http.Request, op string) bool {
					if op == tc.operation {
						sqstest.Fail(w, http.StatusForbidden, tc.code, "no")
					}
					return op == tc.operation
				})
				a := start(t, src, rows)
				<-time.After(time.Minute)
				ends := a.endings()
				if len(ends) == 0 || !sdk.IsDenied(ends[0]) || !strings.Contains(ends[0].Error(), tc.want) {
					t.Errorf("Watch ended with %v, want a denied error about %q", ends, tc.want)
				}
				s.sqs.SetHook(nil) // somebody has mended it
				<-time.After(10 * time.Minute)
				s.empty()
			})
		})
	}
}

func TestAQueueThatIsBusyIsAskedAgain(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("a"))
		var n atomic.Int32
		s.sqs.SetHook(func(w http.ResponseWriter, _ *http.Request, op string) bool {
			busy := op == "ReceiveMessage" && n.Add(1) <= 20
			if busy {
				sqstest.Fail(w, http.StatusServiceUnavailable, "RequestThrottled", "slow down")
			}
			return busy
		})
		a := start(t, src, rows)
		<-time.After(5 * time.Minute)
		s.empty()
		for _, err := range a.endings() {
			if err == nil || sdk.IsDenied(err) {
				t.Errorf("Watch = %v, want an error to try again after", err)
			}
		}
	})
}

func TestTheRegionOfTheQueueComesFromItsURL(t *testing.T) {
	bareEnvironment(t)
	for url, want := range map[string][2]string{
		"https://sqs.eu-west-1.amazonaws.com/1/q":                     {"eu-west-1", "https://sqs.eu-west-1.amazonaws.com"},
		"https://sqs.cn-north-1.amazonaws.com.cn/1/q":                 {"cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn"},
		"https://us-west-2.queue.amazonaws.com/1/q":                   {"us-west-2", "https://us-west-2.queue.amazonaws.com"},
		"https://vpce-0a1b-x.sqs.ap-south-1.vpce.amazonaws.com/1/q":   {"ap-south-1", "https://vpce-0a1b-x.sqs.ap-south-1.vpce.amazonaws.com"},
		"http://127.0.0.1:9324/000000000000/q":                        {"sa-east-1", "http://127.0.0.1:9324"},
		"https://sqs.us-gov-west-1.amazonaws.com/1/q?x=sqs.evil.host": {"us-gov-west-1", "https://sqs.us-gov-west-1.amazonaws.com"},
	} {
		src, err := open(t.Context(), Settings{Bucket: bucket, Region: "sa-east-1", Notifications: &Notifications{QueueURL: url}}, quick())
		if err != nil {
			t.Fatal(err)
		}
		n, err := newNotified(src)
		if err != nil {
			t.Fatal(err)
		}
		if o := n.queue.client.Options(); o.Region != want[0] || *o.BaseEndpoint != want[1] {
			t.Errorf("client of %s asks %s in %s, want %v", url, *o.BaseEndpoint, o.Region, want)
		}
	}
}

func TestOpenWatchesOnlyWithNotifications(t *testing.T) {
	bareEnvironment(t)
	plain, err := Open(t.Context(), Settings{Bucket: bucket, Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plain.(sdk.Watcher); ok {
		t.Error("a source without notifications watches")
	}
	told, err := Open(t.Context(), Settings{Bucket: bucket, Region: "eu-west-1", Notifications: &Notifications{QueueURL: "https://sqs.eu-west-1.amazonaws.com/1/q"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []sdk.Source{plain, told} {
		if _, ok := src.(sdk.Windowed); !ok {
			t.Errorf("%T is not windowed", src)
		}
	}
	if _, ok := told.(sdk.Settler); !ok {
		t.Error("a source with notifications does not settle")
	}
}

func TestAQueueIsWatchedOverTheNetwork(t *testing.T) {
	srv := serve(t)
	server, err := sqstest.Start(sqstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url := server.CreateQueue("q", sqstest.Queue{})
	put(t, srv, "x.json.gz", zip(two))
	src, err := open(t.Context(), Settings{
		Bucket: bucket, Endpoint: srv.URL, ForcePathStyle: true,
		Notifications: &Notifications{QueueURL: url, Wait: 20 * time.Second, Visibility: time.Minute},
	}, quick())
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNotified(src)
	if err != nil {
		t.Fatal(err)
	}
	listed := only(t, src)
	server.Send("q", asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{"x.json.gz"}}))
	ctx, stop := context.WithCancel(t.Context())
	err = n.Watch(ctx, func(splits []sdk.Split) error {
		if len(splits) != 1 || splits[0].ID != listed.ID {
			t.Errorf("announced %v, want %s", splits, listed.ID)
		}
		stop()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Watch = %v, want the end of its context", err)
	}
	if err := n.Settle(t.Context(), []sdk.Settled{{Split: listed}}); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if got, want := server.State("q"), (sqstest.State{Deleted: 1}); got != want {
		t.Errorf("queue = %+v, want %+v", got, want)
	}
}
