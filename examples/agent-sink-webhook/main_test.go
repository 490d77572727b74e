package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

const secret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw=="

// An endpoint checks signatures and keeps what is posted.
type endpoint struct {
	*httptest.Server
	caFile string

	mu      sync.Mutex
	ids     []string // of events
	posts   []string // ids of messages
	answers []int    // status codes of the next requests, before 200
	stalled chan struct{}
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewTLSServer(e)
	t.Cleanup(e.Close)
	e.caFile = filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})
	if err := os.WriteFile(e.caFile, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *endpoint) settings() Settings {
	return Settings{URL: e.URL, Secret: secret, CAFile: e.caFile, Timeout: 5 * time.Second, Attempts: 3, Parallel: 2}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	if stalled := e.stall(); stalled != nil {
		select {
		case <-stalled:
		case <-r.Context().Done():
			return
		}
	}
	key, _ := signingKey(secret)
	id := r.Header.Get("Webhook-Id")
	if r.Header.Get("Webhook-Signature") != "v1,"+signature(key, id, r.Header.Get("Webhook-Timestamp"), body) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	var message struct{ Events []struct{ EventID string } }
	if err := json.Unmarshal(body, &message); err != nil {
		// Only an array among the records can be at fault here.
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posts = append(e.posts, id)
	if len(e.answers) > 0 {
		status := e.answers[0]
		e.answers = e.answers[1:]
		w.WriteHeader(status)
		return
	}
	for _, event := range message.Events {
		e.ids = append(e.ids, event.EventID)
	}
}

func (e *endpoint) stall() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stalled
}

func (e *endpoint) slow(slow bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slow {
		e.stalled = make(chan struct{})
	} else if e.stalled != nil {
		close(e.stalled)
		e.stalled = nil
	}
}

func (e *endpoint) stored(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.ids...), nil
}

func TestConformance(t *testing.T) {
	e := newEndpoint(t)
	sdktest.Sink(t, sdktest.Options{Settings: e.settings(), Stored: e.stored, Slow: e.slow})
}

func openSink(t *testing.T, s Settings) *sink {
	t.Helper()
	opened, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return opened.(*sink)
}

func TestAnswersDecideWhatHappens(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []int
		posts   int
		is      func(error) bool
	}{
		{"stored at once", nil, 1, func(err error) bool { return err == nil }},
		{"a passing failure is tried again", []int{503, 429}, 3, func(err error) bool { return err == nil }},
		{"a lasting failure is left to the agent", []int{500, 500, 500}, 3, func(err error) bool {
			return err != nil && !sdk.IsInvalid(err) && !sdk.IsDenied(err)
		}},
		{"a bad request is the data's fault", []int{422}, 1, sdk.IsInvalid},
		{"a batch that is too large is halved by the agent", []int{413}, 1, sdk.IsInvalid},
		{"refused credentials need somebody to act", []int{403}, 1, sdk.IsDenied},
		{"a redirect is not followed", []int{307}, 1, sdk.IsDenied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEndpoint(t)
			e.answers = tc.answers
			_, err := openSink(t, e.settings()).Write(t.Context(), sdk.Batch{Events: sdktest.Events(3)})
			if !tc.is(err) {
				t.Errorf("Write = %v", err)
			}
			if len(e.posts) != tc.posts {
				t.Errorf("%d requests, want %d", len(e.posts), tc.posts)
			}
			for _, id := range e.posts {
				if id != e.posts[0] {
					t.Errorf("a repeated message has another id: %v", e.posts)
				}
			}
		})
	}
}

func TestAWrongSecretNeedsSomebodyToAct(t *testing.T) {
	e := newEndpoint(t)
	s := e.settings()
	s.Secret = "another"
	_, err := openSink(t, s).Write(t.Context(), sdk.Batch{Events: sdktest.Events(1)})
	if !sdk.IsDenied(err) || strings.Contains(err.Error(), "another") {
		t.Errorf("Write = %v, want a denied error without the secret", err)
	}
}

func TestRecordsThatAreNoJSONAreRejectedAlone(t *testing.T) {
	e := newEndpoint(t)
	events := sdktest.Events(3)
	events[1].Raw = []byte("{")
	res, err := openSink(t, e.settings()).Write(t.Context(), sdk.Batch{Events: events})
	if err != nil || len(res.Rejected) != 1 || res.Rejected[0].Index != 1 || len(e.ids) != 2 {
		t.Errorf("Write = %+v, %v; %d stored", res, err, len(e.ids))
	}
}

func TestSettingsThatWouldLeakAreRefused(t *testing.T) {
	for _, tc := range []struct {
		settings Settings
		path     string
	}{
		{Settings{URL: "http://host/path"}, "url"},
		{Settings{URL: "https://user:hunter2@host/path"}, "url"},
		{Settings{URL: "host/path"}, "url"},
		{Settings{URL: "https://host/path", Secret: "whsec_!!!"}, "secret"},
		{Settings{URL: "https://host/path", Secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("x"))}, ""},
	} {
		faults := tc.settings.Validate()
		if tc.path == "" && len(faults) > 0 || tc.path != "" && (len(faults) != 1 || faults[0].Path != tc.path) {
			t.Errorf("faults of %+v = %+v, want one at %q", tc.settings, faults, tc.path)
		}
	}
}

func TestRetryAfterIsHeededWithinReason(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "86400": time.Minute, "-1": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("Retry-After %q = %s, want %s", text, got, want)
		}
	}
}
