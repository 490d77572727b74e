package cloudtrailapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// shortSecond stands for a second in the test with processes, so that it is over soon.
const shortSecond = 50 * time.Millisecond

// A caller is a process that sends requests within a quota.
type caller struct {
	Path, URL string
	Requests  int
}

const callerVariable = "CLOUDTRAILAPI_TEST_CALLER"

// TestMain makes this test binary a caller, too.
func TestMain(m *testing.M) {
	text := os.Getenv(callerVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var c caller
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	if err := c.run(); err != nil {
		panic(err)
	}
}

func (c caller) run() error {
	q := newQuota(c.Path, 2)
	q.spacing, q.second, q.lease = shortSecond, shortSecond, 40*shortSecond
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() {
			for range c.Requests {
				if errs[i] = c.request(q); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c caller) request(q *quota) error {
	ctx := context.Background()
	s, err := q.take(ctx)
	if err != nil {
		return err
	}
	defer s.giveBack(ctx, 0)
	res, err := http.Get(c.URL)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// TestProcessesShareAQuota counts at the server. Nothing in it depends on how fast
// anything is: a slot is used again only a second after its last answer.
func TestProcessesShareAQuota(t *testing.T) {
	var got arrivals
	came := make(chan struct{}, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		got.add(time.Now())
		came <- struct{}{}
	}))
	defer srv.Close()
	text, err := json.Marshal(caller{Path: filepath.Join(t.TempDir(), "quota"), URL: srv.URL, Requests: 4})
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), callerVariable+"="+string(text), "HTTP_PROXY=", "http_proxy=")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	first, second, killed := start(), start(), start()
	for range 3 {
		<-came
	}
	// It dies with a slot or without.
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	for _, cmd := range []*exec.Cmd{first, second} {
		if err := cmd.Wait(); err != nil {
			t.Errorf("caller: %v", err)
		}
	}
	if all, busiest := got.count(shortSecond); all < 24 || busiest > slots {
		t.Errorf("%d requests, %d of them in one second, want 24 or more and %d at most", all, busiest, slots)
	}
}
