package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// seen makes a site whose service can be asked, and returns the address of its page.
func seen(t *testing.T) (*site, string) {
	t.Helper()
	s := newSite(t, s3Block, rdsBlock)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	file := filepath.Join(s.dir, "agent.hcl")
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(s.dir, "state")
	block := "agent {\n  state_dir = \"" + state + "\"\n  http {\n    listen = \"" + address + "\"\n  }\n}\n"
	if err := os.WriteFile(file, append([]byte(block), src...), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, address
}

func TestStatusTellsWhatTheServiceDid(t *testing.T) {
	s, address := seen(t)
	if got := s.run(t, "status", "-config", "agent.hcl"); got.code != 1 || !strings.Contains(got.stderr, "no running agent answers") {
		t.Errorf("without a service: %s", got)
	}
	want := s.load(t, s3test.Trail{Start: time.Now().Add(-time.Hour), Events: 300}.Objects())
	r := s.start(t)
	s.awaitStored(t, r, want)
	got := s.run(t, "status", "-config", "agent.hcl", "-json")
	var report struct {
		State     string
		Pipelines []struct {
			Read    int
			Sources []struct {
				Streams []struct{ Region string }
				Sinks   []struct{ Stored, Duplicate int }
			}
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != 0 {
		t.Fatalf("%v: %s", err, got)
	}
	p := report.Pipelines[0]
	if k := p.Sources[0].Sinks[0]; p.Read != want.records || k.Stored != want.distinct() || k.Stored+k.Duplicate != want.records || len(p.Sources[0].Streams) == 0 {
		t.Errorf("told %+v, want %d records, %d of them distinct", p, want.records, want.distinct())
	}
	for path, code := range map[string]int{"/": 200, "/metrics": 200, "/healthz": 200, "/readyz": 200} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != code {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 {
		t.Errorf("service: %s", got)
	}
}

func TestStatusTellsThatTheDatabaseRefuses(t *testing.T) {
	s, _ := seen(t)
	s.load(t, s3test.Trail{Start: time.Now().Add(-time.Hour), Events: 30}.Objects())
	for i, kv := range s.env {
		if strings.HasPrefix(kv, "RDS_PASSWORD=") {
			s.env[i] = "RDS_PASSWORD=another"
		}
	}
	r := s.start(t)
	r.await(t, "the agent says that it is degraded", r.says("msg=degraded pipeline=audit block=\"sink rds_direct\" kind=denied"))
	got := s.run(t, "status", "-config", "agent.hcl")
	if got.code != 1 || !strings.Contains(got.stdout, "● degraded") || !strings.Contains(got.stdout, "✗ audit: sink rds_direct") {
		t.Errorf("status: %s", got)
	}
	if strings.Contains(got.stdout, "another") {
		t.Errorf("status tells the password: %s", got)
	}
}
