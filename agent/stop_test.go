package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// A gate lets so many objects be read and holds the rest back until it is opened, so
// that a run is in the middle for as long as a test needs.
type gate struct {
	left   atomic.Int64
	opened chan struct{}
}

func (s *site) gate(free int64) *gate {
	g := &gate{opened: make(chan struct{})}
	g.left.Store(free)
	s.s3.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		if s3test.OperationOf(r) == s3test.GetObject && g.left.Add(-1) < 0 {
			select {
			case <-g.opened:
			case <-r.Context().Done():
				return true
			}
		}
		return false
	})
	return g
}

func (g *gate) open() { close(g.opened) }

func TestSIGTERMInMidRunWritesWhatWasFetchedAndLosesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		// A run with once has promised to read everything visible, and says that it did not.
		{"once", []string{"-mode", "once"}, 1, "stopped before everything visible was read"},
		{"service", nil, 0, "stopping"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, s3Block, rdsBlock)
			want := s.load(t, s3test.Trail{Events: 2000, EventsPerObject: 50, Duplicates: 0.1}.Objects())
			g := s.gate(10)
			r := s.start(t, tc.args...)
			r.await(t, "rows", func() bool { return s.rows(t) > 0 })
			// systemd may signal every process of the service: the plugins leave it to the agent.
			for _, kind := range []string{"source", "sink"} {
				if err := syscall.Kill(s.plugin(t, kind), syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			r.signal(t, syscall.SIGTERM)
			got := r.wait()
			if got.code != tc.code || !strings.Contains(got.stderr, tc.says) {
				t.Errorf("stopped: %s", got)
			}
			if n := ask[int](t, s, `select count(*) from ledger`); n == 0 || n > 10 {
				t.Errorf("%d splits are done, want some of 10", n)
			}
			// Nothing is half there: every row belongs to a split that is done.
			if n := ask[int](t, s, `select count(*) from cloudtrail where origin not in (select split from ledger)`); n != 0 {
				t.Errorf("%d rows of splits that are not done", n)
			}
			s.checkLeftNothing(t)

			g.open()
			s.once(t)
			s.checkStored(t, want)
		})
	}
}

// What cannot be reached must not hold up a stop: nothing has been fetched yet.
func TestSIGTERMWhileNothingCanBeDoneStops(t *testing.T) {
	s := newSiteOn(t, ownCluster(t), s3Block, rdsBlock)
	s.load(t, s3test.Trail{Events: 200}.Objects())
	stop := func(t *testing.T, r *running) {
		t.Helper()
		r.signal(t, syscall.SIGTERM)
		if got := r.wait(); got.code != 0 {
			t.Errorf("stopped: %s", got)
		}
		s.checkLeftNothing(t)
	}
	t.Run("a listing hangs", func(t *testing.T) {
		asked := make(chan struct{}, 1)
		s.s3.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-r.Context().Done()
			return true
		})
		r := s.start(t)
		<-asked
		stop(t, r)
		s.s3.SetHook(nil)
	})
	t.Run("PostgreSQL is down", func(t *testing.T) {
		if err := s.pg.Kill9(); err != nil {
			t.Fatal(err)
		}
		r := s.start(t)
		r.await(t, "a line that says so", r.says("failed, will retry"))
		stop(t, r)
	})
}

func TestSecondSIGTERMStopsAtOnce(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	want := s.load(t, s3test.Trail{Events: 1000, EventsPerObject: 50}.Objects())
	unlock := s.lockEvents(t)
	r := s.start(t, "-mode", "once")
	r.await(t, "a write that waits", s.somebodyWaits(t))
	r.signal(t, syscall.SIGTERM)
	r.await(t, "the drain", r.says("stopping"))
	r.signal(t, syscall.SIGTERM)
	// The lock is still held: only the second signal can have ended the run.
	if got := r.wait(); got.code != 1 || !strings.Contains(got.stderr, "second signal") {
		t.Errorf("stopped: %s", got)
	}
	s.checkLeftNothing(t)
	unlock()
	s.once(t)
	s.checkStored(t, want)
}

// lockEvents keeps everybody else from the table events.
func (s *site) lockEvents(t *testing.T) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.db.DSN(s.db.Owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), `begin; lock table events in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.Exec(t.Context(), `rollback`); err != nil {
			t.Error(err)
		}
	}
}

// somebodyWaits is a condition: a session of the database waits for a lock.
func (s *site) somebodyWaits(t *testing.T) func() bool {
	return func() bool {
		return ask[bool](t, s, `select exists (select from pg_locks where not granted
			and database = (select oid from pg_database where datname = current_database()))`)
	}
}
