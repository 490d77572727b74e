package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
)

// queueBlock is a source that hears of objects from a queue. It lists when it starts, and
// then not again while a test runs.
const queueBlock = `  source "s3" {
    bucket           = "trail"
    region           = "us-east-1"
    endpoint         = env("S3_ENDPOINT")
    force_path_style = true
    interval         = "24h"
    notifications {
      queue_url = env("QUEUE_URL")
    }
  }
`

const apiBlock = `  source "cloudtrail_api" {
    regions  = ["us-east-1"]
    endpoint = env("CLOUDTRAIL_ENDPOINT")
    since    = "4h"
    interval = "1s"
    rate     = 2
  }
`

// addQueue gives the site two queues, "trail" and "other", which variables name.
func (s *site) addQueue(t *testing.T, o sqstest.Options, q sqstest.Queue) *sqstest.Server {
	t.Helper()
	server, err := sqstest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s.env = append(s.env, "QUEUE_URL="+server.CreateQueue("trail", q), "OTHER_QUEUE_URL="+server.CreateQueue("other", q))
	return server
}

// announcement is what S3 tells a queue of objects.
func announcement(t *testing.T, keys ...string) string {
	t.Helper()
	var records []any
	for _, key := range keys {
		records = append(records, map[string]any{
			"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
			"s3": map[string]any{"bucket": map[string]any{"name": "trail"}, "object": map[string]any{"key": key}},
		})
	}
	text, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// history is events of the last hours as LookupEvents and the objects of a trail have
// them: the same records.
func history(n int, now time.Time) (events []lookuptest.Event, objects map[string]string) {
	const perObject = 10
	objects = make(map[string]string)
	var records []string
	for i := range n {
		at := now.Add(-15 * time.Minute).Add(-time.Duration(i) * 31 * time.Second).Truncate(time.Second).UTC()
		e := lookuptest.Event{
			ID: uuid.NewString(), Name: "GetObject", Source: "s3.amazonaws.com", Username: "alice", Time: at,
			Resources: []lookuptest.Resource{{Type: "AWS::S3::Bucket", Name: "b"}},
		}
		e.Record = fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole"},"eventTime":%q,"eventSource":%q,"eventName":%q,"awsRegion":"us-east-1","requestParameters":null,"eventID":%q,"recipientAccountId":"111122223333"}`,
			at.Format(time.RFC3339), e.Source, e.Name, e.ID)
		events, records = append(events, e), append(records, e.Record)
		if len(records) == perObject {
			key := fmt.Sprintf("AWSLogs/111122223333/CloudTrail/us-east-1/%s/111122223333_CloudTrail_us-east-1_%s_%016d.json.gz",
				at.Format("2006/01/02"), at.Format("20060102T1504Z"), i)
			var body bytes.Buffer
			w := gzip.NewWriter(&body)
			fmt.Fprintf(w, `{"Records":[%s]}`, strings.Join(records, ","))
			_ = w.Close() // into memory
			objects[key], records = body.String(), nil
		}
	}
	return events, objects
}

// The events of one account come by the listing of its trail's bucket, by a queue that
// tells of the objects, and by LookupEvents, all at once and into one group. LookupEvents
// says more of an event than its record has, and that makes no other event of it.
func TestTheSameEventsByListingQueueAndAPIAreOneRowEach(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	otherQueue := strings.Replace(queueBlock, "QUEUE_URL", "OTHER_QUEUE_URL", 1)
	var text strings.Builder
	for name, blocks := range map[string]string{
		"listing": s3Block, "queue": otherQueue, "api": apiBlock, "all": s3Block + queueBlock + apiBlock,
	} {
		fmt.Fprintf(&text, "pipeline %q {\n%s%s}\n", name, blocks, rdsBlock)
	}
	s.write(t, "agent.hcl", text.String())
	queue := s.addQueue(t, sqstest.Options{}, sqstest.Queue{})
	const n = 200
	events, objects := history(n, time.Now())
	service := lookuptest.New(lookuptest.Options{})
	service.Add("us-east-1", events...)
	api := httptest.NewServer(service)
	t.Cleanup(api.Close)
	s.env = append(s.env, "CLOUDTRAIL_ENDPOINT="+api.URL)

	r := s.start(t)
	r.await(t, "the queue is watched by two pipelines", func() bool { return queue.Requests("ReceiveMessage") >= 2 })
	var keys []string
	for key, body := range objects {
		s.put(t, key, body)
		keys = append(keys, key)
	}
	for _, name := range []string{"trail", "other"} {
		half := len(keys) / 2
		queue.Send(name, announcement(t, keys[:half]...))
		for _, key := range keys[half:] {
			queue.Send(name, announcement(t, key))
		}
		queue.Send(name, announcement(t, keys...)) // again, as queues do now and then
		r.await(t, "every message of queue "+name+" settled", func() bool {
			return queue.State(name) == sqstest.State{Deleted: len(keys) - half + 2}
		})
	}
	for pipeline, sources := range map[string]int{"listing": 1, "queue": 1, "api": 1, "all": 2} {
		r.await(t, "everything read by "+pipeline, func() bool {
			return ask[int](t, s, `select count(*) from (
				select source from ledger where pipeline = $1 group by source having sum(read) >= $2) as complete`, pipeline, n) == sources
		})
	}
	for query, want := range map[string]int{
		`select count(*) from events`:                                                  n,
		`select count(*) from cloudtrail`:                                              n,
		`select count(distinct cloudtrail_event_id) from cloudtrail`:                   n,
		`select count(*) from variants`:                                                0,
		`select count(*) from quarantine`:                                              0,
		`select count(*) from ledger where read <> stored + duplicate`:                 0,
		`select sum(stored)::int from ledger`:                                          n,
		`select count(*) from ledger where source = 's3' and read <> 10`:               0,
		`select sum(read)::int from ledger where source = 's3' and pipeline = 'queue'`: n,
		`select count(*) from cloudtrail where additional ->> 'lookupEvents' is not null ` + `and origin not like '111122223333/%'`: 0,
	} {
		if got := ask[int](t, s, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if got := service.Busiest(); got > 2 {
		t.Errorf("lookups in one second = %d by two pipelines, want 2 at most", got)
	}
	s.awaitAudit(t, r, "-pipeline", "listing")
	s.awaitAudit(t, r, "-pipeline", "api", "-until", "1h")
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 {
		t.Errorf("service: %s", got)
	}
}

// awaitAudit waits for an audit that finds nothing: windows become due all the time.
func (s *site) awaitAudit(t *testing.T, r *running, args ...string) {
	t.Helper()
	args = append([]string{"audit", "-dsn", s.db.DSN(s.db.Owner)}, args...)
	r.await(t, strings.Join(args[3:], " ")+": an audit that finds nothing", func() bool { return s.run(t, args...).code == 0 })
}

// Three agents share a queue without knowing of each other. One is killed with messages
// in hand, and the visibility of all messages in hand ends while they are: the queue hands
// them out again. In the end the queue is empty and each event there once.
func TestThreeAgentsShareAQueueAndOneIsKilled(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	var ahead atomic.Int64 // of the queue's clock, in seconds
	queue := s.addQueue(t, sqstest.Options{Now: func() time.Time {
		return time.Now().Add(time.Duration(ahead.Load()) * time.Second)
	}}, sqstest.Queue{})
	s.configure(t, smallBatches, queueBlock, rdsBlock)
	var agents []*running
	for i := range 3 {
		agents = append(agents, s.beside(t, i).start(t))
	}
	for _, r := range agents {
		r.await(t, "the first listing", r.says("listed everything"))
	}
	// Each agent may read so many objects before the gate opens.
	gate := make(chan struct{})
	var mu sync.Mutex
	reads := make(map[string]int) // by access key, which tells who reads
	s.s3.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		if s3test.OperationOf(r) != s3test.GetObject {
			return false
		}
		key, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
		mu.Lock()
		reads[key]++
		held := reads[key] > 5
		mu.Unlock()
		if held {
			select {
			case <-gate:
			case <-r.Context().Done():
				return true
			}
		}
		return false
	})
	readBy := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return reads[agentKey(n)]
	}
	want := newExpectation()
	trail := s3test.Trail{Events: 6000, EventsPerObject: 50, Duplicates: 0.1, Quirks: 0.01}
	sent := 0
	for o := range trail.Objects() {
		want.addObject(t, o.Body)
		s.put(t, o.Key, string(o.Body))
		queue.Send("trail", announcement(t, o.Key))
		sent++
	}
	for i, r := range agents {
		r.await(t, "every agent is in the middle of reading", func() bool { return readBy(i) >= 5+10 })
	}
	before := readBy(0)
	kill9(agents[0].cmd.Process.Pid)
	agents[0].wait()
	ahead.Add(600)
	close(gate)
	for _, r := range agents[1:] {
		r.await(t, "the queue is empty", func() bool {
			state := queue.State("trail")
			return state.Deleted == sent && state.Visible == 0 && state.Hidden == 0
		})
	}
	for _, r := range agents[1:] {
		r.signal(t, syscall.SIGTERM)
		if got := r.wait(); got.code != 0 {
			t.Errorf("an agent that was left: %s", got)
		}
	}
	t.Logf("%d objects; reads of the one that was killed: %d, of the others: %d and %d", sent, before, readBy(1), readBy(2))
	s.checkStored(t, want)
	if got := s.run(t, "audit", "-dsn", s.db.DSN(s.db.Owner)); got.code != 0 {
		t.Errorf("audit: %s", got)
	}
}

// agentKey is the access key of the nth agent beside others.
func agentKey(n int) string { return fmt.Sprintf("agent%d", n) }

// What the example of the configuration shows is what the real plugins take, with their
// own checks, also where it is commented out.
func TestTheExampleConfigurationIsValidForTheRealPlugins(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "agent.hcl.example"))
	if err != nil {
		t.Fatal(err)
	}
	s := emptySite(t, cluster, s3Block, rdsBlock)
	s.env = append(s.env, "CREDENTIALS_DIRECTORY="+s.dir)
	s.write(t, "rds_password", "x")
	s.write(t, "agent.hcl", regexp.MustCompile(`(?m)^(\s*)#(endpoint)`).ReplaceAllString(string(text), "$1$2"))
	if got := s.run(t, "validate"); got.code != 0 {
		t.Errorf("validate: %s", got)
	}
	var wrong []string
	for _, setting := range []string{"queue_url", "visibility", "event_category", "lookup"} {
		bad := strings.Replace(string(text), setting, setting+"x", 1)
		s.write(t, "agent.hcl", bad)
		if got := s.run(t, "validate"); got.code == 0 || !strings.Contains(got.stdout+got.stderr, setting+"x") {
			wrong = append(wrong, setting)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("settings that are not in blocks of their own: %q", wrong)
	}
}

// beside is the site of another agent that reads and writes the same: with folders of
// its own, as on another host.
func (s *site) beside(t *testing.T, n int) *site {
	t.Helper()
	other := *s
	text, err := os.ReadFile(filepath.Join(s.dir, "agent.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(filepath.Dir(s.dir), fmt.Sprint(n))
	other.dir, other.tmp = filepath.Join(base, "work"), filepath.Join(base, "tmp")
	if err := os.MkdirAll(other.tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	other.env = append(append([]string{}, s.env...), "HOME="+other.dir, "TMPDIR="+other.tmp, "AWS_ACCESS_KEY_ID="+agentKey(n))
	other.write(t, "agent.hcl", "agent {\n  state_dir = \"state\"\n}\n"+string(text))
	return &other
}

// CloudTrail answers for 90 days. What is asked for beyond is not passed over in silence:
// the ledger and the log have the gap, and what is left is read.
func TestWhatHasLeftTheEventHistoryIsRecordedAsAGap(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	edge := time.Now().Add(-90 * 24 * time.Hour)
	record := func(id string, at time.Time) lookuptest.Event {
		return lookuptest.Event{
			ID: id, Name: "GetObject", Source: "s3.amazonaws.com", Time: at.Truncate(time.Second),
			Record: fmt.Sprintf(`{"eventTime":%q,"eventName":"GetObject","eventID":%q}`, at.UTC().Format(time.RFC3339), id),
		}
	}
	service := lookuptest.New(lookuptest.Options{})
	service.Add("us-east-1", record("left", edge.Add(-2*time.Hour)), record("there", edge.Add(90*time.Minute)))
	api := httptest.NewServer(service)
	t.Cleanup(api.Close)
	s.env = append(s.env, "CLOUDTRAIL_ENDPOINT="+api.URL)
	s.write(t, "agent.hcl", "pipeline \"audit\" {\n"+strings.Replace(apiBlock, `since    = "4h"`, `since    = "95d"`, 1)+rdsBlock+"}\n")

	got := s.once(t, "-until", edge.Add(3*time.Hour).UTC().Format(time.RFC3339))
	s.checkEventIDs(t, "there")
	gaps := answers[string](t, s, `select reason from ledger where status = 'gone' and read = 0`)
	if len(gaps) != 1 || !strings.Contains(gaps[0], "event history goes back 90 days") || !strings.Contains(gaps[0], "can be read from S3 only") {
		t.Errorf("ledger: %q: %s", gaps, got)
	}
	if !strings.Contains(got.stderr, "event history goes back 90 days") {
		t.Errorf("the log does not tell of the gap: %s", got)
	}
}
