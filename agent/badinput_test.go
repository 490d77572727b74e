package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// Bad objects, a wrong password, missing tables, a missing bucket, denied access and an
// unknown group are in testdata/script. Here is what a script cannot bring about.

func TestAnUnreadableFileIsLeftUnreadAndReadOnceItCanBe(t *testing.T) {
	s := newSite(t, fileBlock, rdsBlock)
	s.write(t, "logs/a.json", object("Good", "a"))
	s.write(t, "logs/closed.json", object("Good", "closed"))
	s.write(t, "logs/z.json", object("Good", "z"))
	s.asOrdinaryUser(t)
	closed := filepath.Join(s.dir, "logs", "closed.json")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	got := s.run(t, "-mode", "once")
	if got.code != 1 || got.count("left unread") != 1 || !strings.Contains(got.stderr, closed+": permission denied") {
		t.Errorf("with a file that cannot be read: %s", got)
	}
	s.checkEventIDs(t, "a", "z")

	if err := os.Chmod(closed, 0o644); err != nil {
		t.Fatal(err)
	}
	s.once(t)
	s.checkEventIDs(t, "a", "closed", "z")
}

// The object is cut where several batches of it have been written already, or even all
// of its events: without the trailer nobody knows that they are all.
func TestATruncatedGzipNeverCountsAsComplete(t *testing.T) {
	for _, tc := range []struct {
		name string
		part func(size int) int
	}{
		{"in the middle", func(size int) int { return size / 2 }},
		{"in its trailer", func(size int) int { return size - 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, smallBatches, s3Block, rdsBlock)
			want := newExpectation()
			var whole s3test.Object
			for o := range (s3test.Trail{Events: 400, EventsPerObject: 400}).Objects() {
				want.addObject(t, o.Body)
				whole = o
			}
			s.put(t, whole.Key, string(whole.Body[:tc.part(len(whole.Body))]))
			got := s.once(t)
			if got.count("quarantined") != 1 {
				t.Errorf("a truncated object: %s", got)
			}
			statuses := answers[string](t, s, `select status || ' ' || (reason <> '') from ledger`)
			if diff := cmp.Diff([]string{"invalid true"}, statuses); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
			rows := s.rows(t)
			if rows == 0 {
				t.Error("no rows: the cut is meant to be noticed after some have been written")
			}
			s.checkLedger(t, rows+1)

			s.put(t, whole.Key, string(whole.Body))
			s.once(t)
			if n := ask[int](t, s, `select count(distinct cloudtrail_event_id) from cloudtrail`); n != want.distinct() || s.rows(t) != n {
				t.Errorf("the whole object: %d events in %d rows, want %d", n, s.rows(t), want.distinct())
			}
		})
	}
}

// asOrdinaryUser makes the agent run as somebody whom permissions bind, which root is
// not. The files of the site become that user's.
func (s *site) asOrdinaryUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	s.credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	base := filepath.Dir(s.dir)
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	// The test's own binary lies where only root can enter.
	s.program = filepath.Join(base, "agent")
	copyProgram(t, s.program)
	err := filepath.WalkDir(base, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(name, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	program, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(program, self)
	if closeErr := program.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
}

// ownCluster is a server that only this test uses, so that it may be down.
func ownCluster(t *testing.T) *pgtest.Cluster {
	t.Helper()
	pg, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

func TestPostgreSQLDownAtStartIsWaitedFor(t *testing.T) {
	s := newSiteOn(t, ownCluster(t), s3Block, rdsBlock)
	want := newExpectation()
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"once", []string{"-mode", "once"}},
		{"service", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want.add(s.load(t, s3test.Trail{Seed: uint64(len(tc.name)), Prefix: tc.name + "/", Events: 300}.Objects()))
			if err := s.pg.Kill9(); err != nil {
				t.Fatal(err)
			}
			r := s.start(t, tc.args...)
			r.await(t, "a line that says so", r.says("failed, will retry"))
			if !strings.Contains(r.stderr.String(), s.pg.Host) {
				t.Errorf("the server is not named: %s", r.stderr.String())
			}
			if err := s.pg.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.await(t, "a line that it works again", r.says("works again"))
			if tc.args == nil {
				s.awaitStored(t, r, want)
				r.signal(t, syscall.SIGTERM)
			}
			if got := r.wait(); got.code != 0 {
				t.Errorf("after PostgreSQL came back: %s", got)
			}
			s.connect(t)
			s.checkStored(t, want)
		})
	}
}

func TestPostgreSQLRestartedInMidRunLosesNothing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		restart func(t *testing.T, s *site, r *running)
	}{
		{"orderly", func(t *testing.T, s *site, _ *running) {
			if err := s.pg.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		{"after a crash", func(t *testing.T, s *site, r *running) {
			if err := s.pg.Kill9(); err != nil {
				t.Fatal(err)
			}
			r.await(t, "a line that says so", r.says("failed, will retry"))
			if err := s.pg.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSiteOn(t, ownCluster(t), smallBatches, s3Block, rdsBlock)
			want := s.load(t, s3test.Trail{Events: 3000, EventsPerObject: 50, Duplicates: 0.1}.Objects())
			g := s.gate(50) // 10 are left for after the restart
			r := s.start(t, "-mode", "once")
			r.await(t, "rows", func() bool { return s.rows(t) > 0 })
			tc.restart(t, s, r)
			g.open()
			if got := r.wait(); got.code != 0 {
				t.Errorf("once: %s", got)
			}
			s.connect(t)
			s.checkStored(t, want)
		})
	}
}
