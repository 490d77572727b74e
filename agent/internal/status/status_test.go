package status_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/status"
)

// fakeAgent is an agent of one pipeline that does what a test says.
type fakeAgent struct {
	mu      sync.Mutex
	source  pipeline.SourceStats
	sink    pipeline.SinkHealth
	plugins []catalog.State
	passes  []pipeline.PassStats

	variants int64
}

func newAgent() *fakeAgent {
	return &fakeAgent{
		source: pipeline.SourceStats{Name: "s3", Type: "s3", CaughtUp: true, Sinks: []pipeline.SinkStats{{Name: "rds_direct"}}},
		sink:   pipeline.SinkHealth{Name: "rds_direct"},
		plugins: []catalog.State{
			{Block: "audit.source.1", Kind: "source", Type: "s3", Running: true, PID: 11},
			{Block: "audit.rds_direct", Kind: "sink", Type: "rds_direct", Running: true, PID: 12},
		},
	}
}

func (a *fakeAgent) Stats() ([]string, []pipeline.Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return []string{"audit"}, []pipeline.Stats{{
		Sinks: []pipeline.SinkStats{{Name: a.sink.Name, Variants: a.variants}}, Sources: []pipeline.SourceStats{a.source}, Health: []pipeline.SinkHealth{a.sink}, Passes: a.passes,
	}}
}

func (a *fakeAgent) Plugins() []catalog.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]catalog.State(nil), a.plugins...)
}

func (a *fakeAgent) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// count lets n events come through.
func (a *fakeAgent) count(n int64) {
	a.change(func() {
		a.source.Read += n
		s := a.source.Sinks[0]
		s.Stored += n
		a.source.Sinks = []pipeline.SinkStats{s}
	})
}

func failure(what string, denied bool, since time.Time) pipeline.Failure {
	return pipeline.Failure{What: what, Err: "because\nof that", Denied: denied, Since: since, Last: since, Count: 1}
}

// watch runs a monitor of a in a bubble while the test goes on.
func watch(t *testing.T, a *fakeAgent, log *bytes.Buffer, during func(m *status.Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := status.New(a, status.Options{Version: "1.0", Config: "agent.hcl", Log: slog.New(slog.NewTextHandler(log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); m.Run(ctx) }()
		during(m)
		cancel()
		<-ended
	})
}

func reasons(m *status.Monitor) []string {
	var all []string
	for _, r := range m.Report().Reasons {
		all = append(all, string(r.Kind)+": "+r.Block+" "+r.Text)
	}
	return all
}

func TestTheAgentSaysWhenItIsBlind(t *testing.T) {
	for name, tc := range map[string]struct {
		how   func(a *fakeAgent)
		after time.Duration // when it counts
		want  string
	}{
		"expired credentials": {func(a *fakeAgent) {
			a.source.Failures = []pipeline.Failure{failure("list", true, time.Now())}
		}, 0, "denied: source s3 cannot be listed: because of that"},
		"a listing that fails": {func(a *fakeAgent) {
			a.source.Failures = []pipeline.Failure{failure("list", false, time.Now())}
		}, 20 * time.Second, "failing: source s3 cannot be listed: because of that"},
		"objects that cannot be read": {func(a *fakeAgent) {
			a.source.Failures = []pipeline.Failure{failure("read", true, time.Now())}
			a.source.Unread = 3
		}, 0, "unread: source s3 3 splits cannot be read: because of that"},
		"a database that is away": {func(a *fakeAgent) {
			a.sink.Failures = []pipeline.Failure{failure("write", false, time.Now())}
		}, 20 * time.Second, "failing: sink rds_direct does not take events: because of that"},
		"a database that refuses": {func(a *fakeAgent) {
			a.sink.Failures = []pipeline.Failure{failure("ask ledger", true, time.Now())}
		}, 0, "denied: sink rds_direct cannot be asked what it has: because of that"},
		"a database that does not answer": {func(a *fakeAgent) {
			a.sink.Waiting = time.Now()
		}, 3 * time.Minute, "failing: sink rds_direct gives no answer to a call"},
		"a plugin that crashes again and again": {func(a *fakeAgent) {
			a.plugins[1].Degraded, a.plugins[1].Crashes, a.plugins[1].Err = true, 6, errors.New("exit status 1")
		}, 0, "plugin: sink rds_direct its plugin crashed 6 times within ten minutes: exit status 1"},
		"a plugin that does not start": {func(a *fakeAgent) {
			a.plugins[0].Running, a.plugins[0].Err = false, errors.New("bad settings")
		}, time.Minute, "plugin: source s3 its plugin does not run: bad settings"},
		"silence": {func(a *fakeAgent) {
			a.source.Streams = []pipeline.Stream{{
				Account: "111111111111", Region: "ap-northeast-2", Newest: time.Now(), Events: 9,
				Usual: 2 * time.Minute, Quiet: 30 * time.Minute, Live: true,
			}}
		}, 31 * time.Minute, "silent: source s3 no events of 111111111111 ap-northeast-2 since 2000-01-01 00:01 (usually one every 2 min): is the trail still logging, and may the agent read all of it?"},
	} {
		t.Run(name, func(t *testing.T) {
			a, log := newAgent(), &bytes.Buffer{}
			watch(t, a, log, func(m *status.Monitor) {
				<-time.After(time.Minute)
				if r := m.Report(); r.State != status.OK {
					t.Errorf("before: %s %v", r.State, r.Reasons)
				}
				a.change(func() { tc.how(a) })
				if tc.after > 0 {
					<-time.After(10 * time.Second)
					if r := m.Report(); r.State != status.OK {
						t.Errorf("at once: %s %v", r.State, r.Reasons)
					}
				}
				<-time.After(tc.after + 10*time.Second)
				r := m.Report()
				if diff := cmp.Diff([]string{tc.want}, reasons(m)); diff != "" || r.State != status.Degraded || r.Pipelines[0].State != status.Degraded {
					t.Errorf("%s: %s", r.State, diff)
				}
				if state, line := m.Summary(); state != status.Degraded || !strings.HasPrefix(line, "degraded: audit: s") {
					t.Errorf("summary %s %q", state, line)
				}
				<-time.After(10 * time.Minute) // it is logged once, however long it lasts
				healthy := newAgent()
				a.change(func() { a.source, a.sink, a.plugins = healthy.source, healthy.sink, healthy.plugins })
				<-time.After(10 * time.Second)
				if r := m.Report(); r.State != status.OK {
					t.Errorf("afterwards: %s %v", r.State, r.Reasons)
				}
			})
			if n := strings.Count(log.String(), "level=ERROR msg=degraded pipeline=audit block="); n != 1 {
				t.Errorf("logged %d times:\n%s", n, log)
			}
			if n := strings.Count(log.String(), `level=INFO msg="works again" pipeline=audit`); n != 1 {
				t.Errorf("end logged %d times:\n%s", n, log)
			}
		})
	}
}

func TestSilenceIsNotToldWhere(t *testing.T) {
	quiet := func(a *fakeAgent) *pipeline.Stream {
		a.source.Streams = []pipeline.Stream{{
			Account: "1", Region: "r", Newest: time.Now().Add(-time.Hour), Usual: time.Minute, Quiet: 30 * time.Minute, Live: true,
		}}
		return &a.source.Streams[0]
	}
	for name, how := range map[string]func(a *fakeAgent){
		"no habit is known":            func(a *fakeAgent) { quiet(a).Quiet = 0 },
		"all is of long ago":           func(a *fakeAgent) { quiet(a).Live = false },
		"the past is still being read": func(a *fakeAgent) { quiet(a); a.source.CaughtUp = false },
		"the source fails, which is told": func(a *fakeAgent) {
			quiet(a)
			a.source.Failures = []pipeline.Failure{failure("list", false, time.Now())}
		},
		"the sink fails, which is told": func(a *fakeAgent) {
			quiet(a)
			a.sink.Failures = []pipeline.Failure{failure("write", false, time.Now())}
		},
		"the stream ended and others are alive": func(a *fakeAgent) {
			quiet(a).Newest = time.Now().Add(-10 * 24 * time.Hour)
			a.source.Streams = append(a.source.Streams, pipeline.Stream{Account: "2", Newest: time.Now(), Usual: time.Minute, Quiet: time.Hour, Live: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent()
			watch(t, a, &bytes.Buffer{}, func(m *status.Monitor) {
				<-time.After(time.Second)
				a.change(func() { how(a) })
				<-time.After(6 * time.Second)
				if got := reasons(m); len(got) > 0 {
					t.Error(got)
				}
			})
		})
	}
	t.Run("but the last stream of a source is missed for ever", func(t *testing.T) {
		a := newAgent()
		watch(t, a, &bytes.Buffer{}, func(m *status.Monitor) {
			a.change(func() { quiet(a).Newest = time.Now().Add(-90 * 24 * time.Hour) })
			<-time.After(6 * time.Second)
			if got := reasons(m); len(got) != 1 {
				t.Error(got)
			}
		})
	})
}

func TestAPluginThatHasNotStartedIsNoFaultAtFirst(t *testing.T) {
	a := newAgent()
	a.plugins[0].Running = false
	watch(t, a, &bytes.Buffer{}, func(m *status.Monitor) {
		if r := m.Report(); r.State != status.Starting || r.Pipelines[0].State != status.Starting {
			t.Errorf("%s %v", r.State, r.Reasons)
		}
		a.change(func() { a.plugins[0].Running = true })
		<-time.After(6 * time.Second)
		a.change(func() { a.plugins[0].Running = false }) // a single crash
		<-time.After(5 * time.Second)
		if r := m.Report(); r.State != status.OK {
			t.Errorf("%s %v", r.State, r.Reasons)
		}
	})
}

func TestRatesAreOfTheLastMinute(t *testing.T) {
	a := newAgent()
	watch(t, a, &bytes.Buffer{}, func(m *status.Monitor) {
		a.count(1_000_000) // what was there before
		<-time.After(2 * time.Minute)
		for range 120 {
			<-time.After(time.Second)
			a.count(50)
		}
		<-time.After(time.Second)
		p := m.Report().Pipelines[0]
		if p.ReadRate < 45 || p.ReadRate > 55 || p.StoredRate != p.ReadRate || p.Read != 1_006_000 {
			t.Errorf("%f read, %f stored a second, %d read", p.ReadRate, p.StoredRate, p.Read)
		}
		a.change(func() { a.source.Read, a.source.Sinks = 0, []pipeline.SinkStats{{Name: "rds_direct"}} }) // built anew
		<-time.After(10 * time.Second)
		if p := m.Report().Pipelines[0]; p.ReadRate != 0 {
			t.Errorf("rate %f after a reload", p.ReadRate)
		}
		<-time.After(25 * time.Hour)
		fine, coarse := m.History("audit")
		if len(fine) != 180 || len(coarse) != 288 {
			t.Errorf("remembers %d fine and %d coarse points", len(fine), len(coarse))
		}
	})
}

func full(t *testing.T, at time.Time) *fakeAgent {
	t.Helper()
	a := newAgent()
	a.source.Read, a.source.Filtered, a.source.Settled, a.source.Bytes = 1_234_567, 1_000_000, 812, 98_765_432
	a.source.Sinks = []pipeline.SinkStats{{Name: "rds_direct", Stored: 230_000, Duplicate: 4_566, Quarantined: 1}}
	a.source.Backlog = pipeline.Backlog{Waiting: 2, Reading: 16, Writing: 5, Bytes: 4_200_000}
	a.source.Backfill = pipeline.Backfill{Running: true, Began: at.Add(-time.Hour), Seen: 250_000, Total: 1_000_000, SeenBytes: 25e9, TotalBytes: 100e9}
	a.source.Listed, a.source.Success = at.Add(-90*time.Second), at.Add(-2*time.Second)
	bad := failure("list", true, at.Add(-3*time.Hour))
	bad.Err = "AccessDenied: \x1b[31m<b>allow</b> s3:ListBucket"
	a.source.LastError = &bad
	a.source.Unevaluable, a.source.Unwatched = 7, 12
	a.sink.Success = at.Add(-2 * time.Second)
	for i, region := range []string{"ap-northeast-1", "ap-northeast-2", "eu-west-1", "us-east-1"} {
		a.source.Streams = append(a.source.Streams, pipeline.Stream{
			Account: "111111111111", Region: region, Newest: at.Add(-time.Duration(1+10*i) * time.Minute), Events: 300_000,
			Usual: time.Minute, Quiet: 30 * time.Minute, Live: true,
		})
	}
	a.plugins[0].Restarts, a.variants = 1, 2
	a.passes = []pipeline.PassStats{{Sink: "rds_direct", Source: "s3", Pass: "24h", Splits: 9, Stored: 3}}
	return a
}

func TestStatusForPeople(t *testing.T) {
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		m := status.New(full(t, time.Now()), status.Options{Version: "1.0", Config: "agent.hcl", Log: slog.New(slog.DiscardHandler)})
		r := m.Report()
		r.PID = 4711
		if err := r.Print(&out, status.Plain()); err != nil {
			t.Fatal(err)
		}
	})
	want := `● degraded   agent 1.0, pid 4711, up 0 s, agent.hcl
  ✗ audit: source s3 no events of 111111111111 us-east-1 since 1999-12-31 23:29 (usually one every minute): is the trail still logging, and may the agent read all of it? (for 1 min)

pipeline audit degraded   0 events/s, newest event 1 min ago
  source s3        read 1,234,567, filtered 1,000,000, of 812 splits
                   success 2 s ago, listed 1 min ago, plugin pid 11, 1 restart
                   backlog 23 splits, 4.2 MB
                   backfill 250,000 of 1,000,000 splits, 25.0 GB of 100.0 GB, about 3 h left
                   last error 3 h ago, list: AccessDenied: \x1b[31m<b>allow</b> s3:ListBucket
                   7 events kept because the filter could not be evaluated
  sink rds_direct  stored 230,000, duplicate 4,566, quarantined 1
                   success 2 s ago, plugin pid 12, 0 restarts
                   2 records came with the id of a stored event but with other content; see table variants
    111111111111  us-east-1       newest event 31 min ago  SILENT, usually one every minute  300,000 events
    111111111111  eu-west-1       newest event 21 min ago  usually every minute              300,000 events
    111111111111  ap-northeast-2  newest event 11 min ago  usually every minute              300,000 events
    111111111111  ap-northeast-1  newest event 1 min ago   usually every minute              300,000 events
    12 events of more accounts and Regions than are told apart
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAReportSurvivesJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := status.New(full(t, time.Now()), status.Options{Version: "1.0", Log: slog.New(slog.DiscardHandler)})
		r := m.Report()
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back status.Report
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Error(diff)
		}
		for _, want := range []string{`"state":"degraded"`, `"lag_seconds":60.000`, `"silent_after_seconds":1800.000`, `"splits_waiting":2`} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("no %s in %s", want, raw)
			}
		}
	})
}
