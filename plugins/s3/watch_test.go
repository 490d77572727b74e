package s3

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var errDisk = errors.New("disk is full")

func TestAnAnnouncedObjectIsTheSplitThatAListingFinds(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		a, b, c := s.object("a"), s.object("b+c d"), s.object("e")
		s.tell(src, a)
		s.sqs.Send(queueName, sns(s.message(src, b)))
		s.sqs.Send(queueName, asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{c}})) // without an ETag
		start(t, src, rows)
		<-time.After(time.Minute)
		if diff := cmp.Diff(s.splitIDs(src), rows.splits()); diff != "" {
			t.Errorf("splits (-listed +announced):\n%s", diff)
		}
		s.empty()
	})
	if n := s.s3.Requests(s3test.HeadObject); n != 1 {
		t.Errorf("HeadObject requests = %d, want 1, for the object without an ETag", n)
	}
}

func TestAMessageIsDeletedWhenAllItsObjectsAreSettled(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("quick"), s.object("slow"), s.object("slower"))
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), takes: func(id string) time.Duration {
			return time.Duration(strings.Count(id, "slow")*10+strings.Count(id, "slower")*10) * time.Minute
		}}
		a.run(t)
		for _, want := range []struct{ minute, splits, left int }{{1, 1, 1}, {11, 2, 1}, {19, 2, 1}, {21, 3, 0}} {
			<-time.After(time.Until(time.Date(2000, 1, 1, 0, want.minute, 0, 0, time.UTC)))
			if got := s.sqs.State(queueName); got.Visible+got.Hidden != want.left || len(rows.splits()) != want.splits {
				t.Errorf("after %d minutes: queue %+v with %d objects settled, want %+v", want.minute, got, len(rows.splits()), want)
			}
		}
		for id, n := range rows.look().fetches {
			if n != 1 {
				t.Errorf("%s was fetched %d times", id, n)
			}
		}
	})
	if n := s.sqs.Requests("ChangeMessageVisibilityBatch"); n == 0 {
		t.Error("the message was never kept hidden")
	}
}

func TestAnObjectThatTheLedgerKnowsSettlesItsMessageAtOnce(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("a"))
		rows.done[s.splitIDs(src)[0]] = true
		start(t, src, rows)
		<-time.After(time.Second)
		s.empty()
	})
	if n := s.s3.Requests(s3test.GetObject); n != 0 {
		t.Errorf("GetObject requests = %d, want none", n)
	}
}

func TestASplitThatIsGivenUpLetsItsMessageGoBack(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 4)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("bad"), s.object("good"))
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), fails: func(id string) error {
			if strings.Contains(id, "bad") {
				return errDisk
			}
			return nil
		}}
		a.run(t)
		<-time.After(29 * time.Second)
		if got := s.sqs.State(queueName); got.Hidden != 1 {
			t.Errorf("queue = %+v, want the message to rest", got)
		}
		<-time.After(10 * time.Minute) // 0.5 + 1 + 2 + 4 minutes and some
		s.empty()
		if got := s.sqs.State(deadName); got.Visible != 1 {
			t.Errorf("dead-letter queue = %+v, want the message", got)
		}
		if len(rows.look().done) != 1 {
			t.Errorf("splits = %v, want the good one", rows.splits())
		}
	})
}

func TestAMessageStaysHiddenForTwelveHoursAtMost(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("endless"))
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), takes: func(string) time.Duration { return 13 * time.Hour }}
		a.run(t)
		for _, want := range []struct {
			after    time.Duration
			receives int
		}{{11*time.Hour + 50*time.Minute, 1}, {30 * time.Minute, 2}} {
			<-time.After(want.after)
			if _, m, inHand := src.leases.announced(s.splitIDs(src)[0]); !inHand || m.receives != want.receives {
				t.Errorf("the message was handed out %d times, want %d", m.receives, want.receives)
			}
		}
		<-time.After(2 * time.Hour)
		if n := rows.look().fetches[rows.splits()[0]]; n != 1 {
			t.Errorf("the object was fetched %d times, want once", n)
		}
		s.empty()
		for _, err := range a.endings() {
			t.Errorf("Watch ended: %v", err)
		}
	})
}

func TestAReceiptThatDoesNotCountAnyMoreIsNoError(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("a"))
		var beats atomic.Int32
		s.sqs.SetHook(func(w http.ResponseWriter, _ *http.Request, op string) bool {
			if op != "ChangeMessageVisibilityBatch" {
				return false
			}
			beats.Add(1)
			_, _ = io.WriteString(w, `{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"ReceiptHandleIsInvalid"}]}`)
			return true
		})
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), takes: func(string) time.Duration { return 4 * time.Minute }}
		a.run(t)
		<-time.After(5 * time.Minute)
		s.empty()
		if n := beats.Load(); n != 1 || a.endings() != nil {
			t.Errorf("%d beats for a lost message, want 1; Watch ended with %v", n, a.endings())
		}
	})
}

func TestNoMoreIsTakenFromTheQueueThanIsReadSoon(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		var keys []string
		for i := range 100 {
			keys = append(keys, s.object(fmt.Sprint(i)))
		}
		for _, k := range keys {
			s.sqs.Send(queueName, asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{k}}))
		}
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), takes: func(string) time.Duration { return time.Hour }}
		a.run(t)
		<-time.After(30 * time.Minute)
		if got := s.sqs.State(queueName); got.Hidden > maxUnsettled {
			t.Errorf("queue = %+v, want at most %d in hand", got, maxUnsettled)
		}
		<-time.After(30 * time.Hour)
		s.empty()
		if len(rows.splits()) != 100 {
			t.Errorf("%d objects were settled, want 100", len(rows.splits()))
		}
	})
}

func TestDeletionsThatFailAreTriedAgain(t *testing.T) {
	for name, hook := range map[string]func(n int32, w http.ResponseWriter) bool{
		"an entry of a batch": func(n int32, w http.ResponseWriter) bool {
			if n <= 2 {
				_, _ = io.WriteString(w, `{"Successful":[],"Failed":[{"Id":"0","SenderFault":false,"Code":"InternalError"}]}`)
			}
			return n <= 2
		},
		"the whole request": func(n int32, w http.ResponseWriter) bool {
			if n <= 6 { // the client itself tries five times
				sqstest.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "")
			}
			return n <= 6
		},
		"nobody hears of it": func(n int32, w http.ResponseWriter) bool { // the message comes again
			if n <= 2 {
				_, _ = io.WriteString(w, `{"Successful":[{"Id":"0"}],"Failed":[]}`)
			}
			return n <= 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			synctest.Test(t, func(t *testing.T) {
				s.queue(t, 0)
				src, rows := s.source(t, Settings{}), newStore()
				s.tell(src, s.object("a"))
				var n atomic.Int32
				s.sqs.SetHook(func(w http.ResponseWriter, _ *http.Request, op string) bool {
					return op == "DeleteMessageBatch" && hook(n.Add(1), w)
				})
				start(t, src, rows)
				<-time.After(20 * time.Minute)
				s.empty()
				if got := rows.look().fetches[rows.splits()[0]]; got != 1 {
					t.Errorf("the object was fetched %d times, want once", got)
				}
			})
		})
	}
}

func TestDuplicatesInAnyOrderAreReadOnce(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		var bodies []string
		for i := range 40 {
			k := s.object(fmt.Sprint(i))
			bodies = append(bodies, slices.Repeat([]string{s.message(src, k), sns(s.message(src, k))}, 5)[:5]...)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		rnd.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		for _, b := range bodies {
			s.sqs.Send(queueName, b)
		}
		start(t, src, rows)
		<-time.After(30 * time.Minute)
		s.empty()
		if len(rows.look().rows) != 80 {
			t.Errorf("%d rows, want 80", len(rows.look().rows))
		}
		for id, n := range rows.look().fetches {
			if n != 1 {
				t.Errorf("%s was fetched %d times", id, n)
			}
		}
	})
}

func TestThreeAgentsShareAQueueAndOneIsKilled(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		rows := newStore()
		var agents []*agent
		for range 3 {
			a := &agent{src: s.source(t, Settings{}), store: rows, inFlight: make(map[string]bool), takes: func(string) time.Duration { return 7 * time.Second }}
			agents = append(agents, a)
		}
		const objects = 300
		for i := range objects {
			s.sqs.Send(queueName, asJSON(map[string]any{"s3Bucket": bucket, "s3ObjectKey": []string{s.object(fmt.Sprint(i))}}))
		}
		for _, a := range agents {
			a.run(t)
		}
		<-time.After(time.Minute)
		busy := agents[1].src.leases.splits()
		agents[1].kill()
		if before := len(rows.splits()); before == 0 || before == objects || busy == 0 {
			t.Fatalf("killed with %d splits in hand after %d of %d objects: the test shows nothing", busy, before, objects)
		}
		<-time.After(30 * time.Minute)
		s.empty()
		if got := len(rows.splits()); got != objects || len(rows.look().rows) != 2*objects {
			t.Errorf("%d objects and %d rows, want %d and %d", got, len(rows.look().rows), objects, 2*objects)
		}
		for id, n := range rows.look().rows {
			if n != 1 {
				t.Errorf("event %s was written %d times", id, n)
			}
		}
	})
}

func TestASplitIsAnnouncedAgainWhenNobodySettlesIt(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src := s.source(t, Settings{})
		s.tell(src, s.object("a"))
		var told atomic.Int32
		ended := make(chan error)
		stop := errors.New("stopping")
		watch := func() {
			ended <- src.Watch(t.Context(), func(splits []sdk.Split) error {
				if told.Add(1)%3 == 0 {
					return stop
				}
				return nil
			})
		}
		begun := time.Now()
		go watch()
		if err := <-ended; !errors.Is(err, stop) || told.Load() != 3 {
			t.Errorf("Watch = %v after %d announcements, want three", err, told.Load())
		}
		if d := time.Since(begun); d < 10*time.Minute || d > 12*time.Minute {
			t.Errorf("announced three times in %v, want about every five minutes", d)
		}
		go watch() // the agent calls again: what it was told may be lost
		<-time.After(time.Second)
		if told.Load() != 4 {
			t.Errorf("announced %d times, want a fourth time at once", told.Load())
		}
		if err := <-ended; !errors.Is(err, stop) {
			t.Errorf("Watch = %v, want %v", err, stop)
		}
		if n := s.sqs.Requests("DeleteMessageBatch"); n != 0 {
			t.Errorf("deletions = %d, want none", n)
		}
	})
}

func TestCloseTellsTheQueueAndLetsOthersHaveTheRest(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		s.queue(t, 0)
		src, rows := s.source(t, Settings{}), newStore()
		s.tell(src, s.object("read"))
		s.tell(src, s.object("unread"))
		a := &agent{src: src, store: rows, inFlight: make(map[string]bool), takes: func(string) time.Duration { return time.Hour }}
		a.run(t)
		<-time.After(time.Minute)
		a.kill()
		ids := s.splitIDs(src)
		if err := src.Settle(t.Context(), []sdk.Settled{{Split: sdk.Split{ID: ids[0]}}}); err != nil {
			t.Fatal(err)
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		if got, want := s.sqs.State(queueName), (sqstest.State{Visible: 1, Deleted: 1}); got != want {
			t.Errorf("queue = %+v, want %+v", got, want)
		}
	})
}
