package s3

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A store is what several agents have in common: rows and the ledger.
type store struct {
	mu sync.Mutex
	content
}

type content struct {
	done     map[string]bool // splits
	gone     map[string]bool
	rows     map[string]int // how often each event was written
	rejected []sdk.Event
	fetches  map[string]int // by split
}

func newStore() *store {
	return &store{content: content{
		done: make(map[string]bool), gone: make(map[string]bool), rows: make(map[string]int), fetches: make(map[string]int),
	}}
}

// look returns what is stored now.
func (s *store) look() content {
	s.mu.Lock()
	defer s.mu.Unlock()
	return content{maps.Clone(s.done), maps.Clone(s.gone), maps.Clone(s.rows), slices.Clone(s.rejected), maps.Clone(s.fetches)}
}

func (s *store) knows(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[id]
}

func (s *store) write(id string, events []sdk.Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[id] = true
	if sdk.IsGone(err) {
		s.gone[id] = true
		return
	}
	for _, e := range events {
		if e.Reject != "" {
			s.rejected = append(s.rejected, e)
			continue
		}
		s.rows[e.ID]++
	}
}

func (s *store) splits() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.done))
}

// An agent treats a source as the engine does: it asks the ledger, fetches a few splits
// at a time, writes, settles, and gives up what cannot be read.
type agent struct {
	src   *notified
	store *store
	takes func(id string) time.Duration // to read a split; nil: none
	fails func(id string) error         // instead of reading it; nil: never

	mu       sync.Mutex
	inFlight map[string]bool
	watched  []error // how calls of Watch ended
	running  sync.WaitGroup
	stop     context.CancelFunc
}

// start runs an agent until kill.
func start(t *testing.T, src *notified, s *store) *agent {
	t.Helper()
	a := &agent{src: src, store: s, inFlight: make(map[string]bool)}
	a.run(t)
	return a
}

func (a *agent) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	a.stop = stop
	tasks := make(chan sdk.Split)
	for range 4 {
		a.running.Go(func() {
			for {
				select {
				case split := <-tasks:
					a.read(ctx, split)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	a.running.Go(func() {
		for ctx.Err() == nil {
			err := a.src.Watch(ctx, func(splits []sdk.Split) error { return a.offer(ctx, splits, tasks) })
			a.mu.Lock()
			a.watched = append(a.watched, err)
			a.mu.Unlock()
			_ = pause(ctx, time.Second)
		}
	})
	t.Cleanup(a.kill)
}

// kill ends the agent without a word to the queue.
func (a *agent) kill() {
	a.stop()
	a.running.Wait()
}

func (a *agent) offer(ctx context.Context, splits []sdk.Split, tasks chan<- sdk.Split) error {
	for _, split := range splits {
		a.mu.Lock()
		busy := a.inFlight[split.ID]
		known := a.store.knows(split.ID)
		a.inFlight[split.ID] = !known || busy
		a.mu.Unlock()
		switch {
		case busy:
		case known:
			_ = a.src.Settle(ctx, []sdk.Settled{{Split: split}})
		default:
			select {
			case tasks <- split:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (a *agent) read(ctx context.Context, split sdk.Split) {
	defer func() {
		a.mu.Lock()
		delete(a.inFlight, split.ID)
		a.mu.Unlock()
	}()
	var events []sdk.Event
	err := error(nil)
	if a.fails != nil {
		err = a.fails(split.ID)
	}
	if a.takes != nil && pause(ctx, a.takes(split.ID)) != nil {
		return
	}
	if err == nil {
		a.store.mu.Lock()
		a.store.fetches[split.ID]++
		a.store.mu.Unlock()
		err = a.src.Fetch(ctx, split, func(page []sdk.Event) error { events = append(events, cloudtrailtest.Kept(page)...); return nil })
	}
	if ctx.Err() != nil {
		return // killed: nothing of it is durable
	}
	if err == nil || sdk.IsGone(err) || sdk.IsInvalid(err) {
		a.store.write(split.ID, events, err)
		err = nil
	}
	_ = a.src.Settle(ctx, []sdk.Settled{{Split: split, Err: err}})
}

func (a *agent) endings() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.watched)
}

// A stage is a bucket and a queue that hears of it.
type stage struct {
	*testing.T
	s3  *s3test.Server
	sqs *sqstest.Server
}

const (
	queueName = "trail-events"
	deadName  = "trail-events-dead"
)

// newStage makes the servers. It is called outside of a bubble, in which they then answer.
func newStage(t *testing.T) *stage {
	t.Helper()
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(logger) })
	return &stage{T: t, s3: serve(t), sqs: sqstest.New(sqstest.Options{})}
}

// queue makes the queue, with a dead-letter queue if redrive is not 0. What follows is
// t's, that of a bubble.
func (s *stage) queue(t *testing.T, redrive int) {
	s.T = t
	q := sqstest.Queue{}
	if redrive > 0 {
		s.sqs.CreateQueue(deadName, sqstest.Queue{})
		q.DeadLetter, q.MaxReceives = deadName, redrive
	}
	s.sqs.CreateQueue(queueName, q)
}

func (s *stage) source(t *testing.T, settings Settings) *notified {
	t.Helper()
	settings.Notifications = &Notifications{
		QueueURL: "http://sqs.test/000000000000/" + queueName, Wait: 20 * time.Second, Visibility: 5 * time.Minute,
	}
	return notifiedOf(t, s.s3, s.sqs, settings)
}

// object stores an object with two events of its own, and returns its key.
func (s *stage) object(name string) string {
	s.Helper()
	k := acct + "CloudTrail/us-east-1/2026/11/01/" + name + ".json.gz"
	put(s.T, s.s3, k, zip(fmt.Sprintf(`{"Records":[{"eventID":"%s-1"},{"eventID":"%[1]s-2"}]}`, name)))
	return k
}

// splitIDs are those that a listing finds.
func (s *stage) splitIDs(src *notified) []string {
	s.Helper()
	splits, err := discover(s.T, src.Source, sdk.TimeRange{})
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, x := range splits {
		ids = append(ids, x.ID)
	}
	slices.Sort(ids)
	return ids
}

// tell announces objects in one message, as S3 does but for several at once. The ETags
// are those of the listing.
func (s *stage) tell(src *notified, keys ...string) {
	s.Helper()
	s.sqs.Send(queueName, s.message(src, keys...))
}

func (s *stage) message(src *notified, keys ...string) string {
	s.Helper()
	var records []any
	for _, id := range s.splitIDs(src) {
		k, etag, err := src.parseID(id)
		if err != nil {
			s.Fatal(err)
		}
		if slices.Contains(keys, k) {
			records = append(records, s3Record(bucket, k, etag))
		}
	}
	return asJSON(map[string]any{"Records": records})
}

// s3Record is a record of an event notification.
func s3Record(bucket, key, etag string) map[string]any {
	object := map[string]any{"key": strings.ReplaceAll(key, "+", "%2B"), "size": 100}
	if etag != "" {
		object["eTag"] = etag
	}
	return map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-01T12:00:00.000Z",
		"eventName": "ObjectCreated:Put", "s3": map[string]any{"bucket": map[string]any{"name": bucket}, "object": object},
	}
}

// empty checks that the queue has nothing left.
func (s *stage) empty() {
	s.Helper()
	if got := s.sqs.State(queueName); got.Visible != 0 || got.Hidden != 0 {
		s.Errorf("queue = %+v, want it empty", got)
	}
}
