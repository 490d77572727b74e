package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// systemd is what the agent tells the manager of services that started it.
type systemd struct {
	mu   sync.Mutex
	said []string
}

func newSystemd(t *testing.T, s *site) *systemd {
	t.Helper()
	path := filepath.Join(s.tmp, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s.env = append(s.env, "NOTIFY_SOCKET="+path)
	m := &systemd{}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

// times is how many messages have a line.
func (m *systemd) times(line string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, said := range m.said {
		if strings.Contains("\n"+said+"\n", "\n"+line+"\n") {
			n++
		}
	}
	return n
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func serves(address string) bool {
	resp, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func TestAReloadTakesOverWhatChangedAndNothingOfABadFile(t *testing.T) {
	s, address := seen(t)
	manager := newSystemd(t, s)
	file := filepath.Join(s.dir, "agent.hcl")
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := s.load(t, s3test.Trail{Start: time.Now().Add(-time.Hour), Events: 300}.Objects())
	r := s.start(t)
	r.await(t, "systemd hears of readiness", func() bool { return manager.times("READY=1") == 1 })
	s.awaitStored(t, r, want)
	processes := s.processes(t)

	// A bad file changes nothing and says why.
	s.write(t, "agent.hcl", strings.Replace(string(src), "interval", "intervall", 1))
	got := s.run(t, "reload")
	if got.code != 2 || !strings.Contains(got.stderr, `Did you mean "interval"?`) || !strings.Contains(got.stderr, "nothing was changed") {
		t.Errorf("a bad file: %s", got)
	}
	s.write(t, "agent.hcl", strings.Replace(string(src), `pipeline "audit" {`, "pipeline \"audit\" {\n  enabled = false\n", 1))
	if got := s.run(t, "reload"); got.code != 2 || !strings.Contains(got.stderr, "nothing to run") {
		t.Errorf("nothing left to run: %s", got)
	}
	if !serves(address) {
		t.Error("the page went with a bad file")
	}

	// Another filter and another address for the page, with the same processes.
	moved := freeAddress(t)
	changed := strings.Replace(string(src), address, moved, 1)
	changed = strings.Replace(changed, "  sink ", "  filter {\n    exclude_event_names = [\"Nothing\"]\n  }\n  sink ", 1)
	s.write(t, "agent.hcl", changed)
	if got := s.run(t, "reload"); got.code != 0 || !strings.Contains(got.stdout, "changed: audit") {
		t.Errorf("reload: %s", got)
	}
	if !serves(moved) || serves(address) {
		t.Errorf("the page is at %s: %v, at %s: %v; want it moved to the first", moved, serves(moved), address, serves(address))
	}
	if now := s.processes(t); len(now) != 3 || !slices.Equal(now, processes) {
		t.Errorf("agent and plugins were %v, are %v", processes, now)
	}
	if n := manager.times("RELOADING=1"); n != 3 {
		t.Errorf("systemd heard of %d reloads, want 3", n)
	}

	// An address that is taken: the rest holds.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.write(t, "agent.hcl", strings.Replace(changed, moved, taken.Addr().String(), 1))
	if got := s.run(t, "reload"); got.code != 1 || !strings.Contains(got.stderr, "all but the status page") || !strings.Contains(got.stderr, taken.Addr().String()) {
		t.Errorf("an address that is taken: %s", got)
	}

	// By signal, and new objects go on being stored.
	s.write(t, "agent.hcl", changed)
	r.signal(t, syscall.SIGHUP)
	r.await(t, "the page is back", func() bool { return serves(moved) })
	want.add(s.load(t, s3test.Trail{Start: time.Now().Add(-time.Hour), Seed: 2, Events: 300}.Objects()))
	r.await(t, "everything is stored", func() bool { return s.rows(t) == want.distinct() })
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 || strings.Count(got.stderr, "configuration taken over\"") != 2 {
		t.Errorf("service: %s", got)
	}
	if manager.times("STOPPING=1") == 0 {
		t.Error("systemd did not hear of the stop")
	}
}
