package status_test

import (
	"bytes"
	"flag"
	"image/png"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/status"
)

// pictures writes what the browser shows, for the documentation.
var pictures = flag.String("pictures", "", "`folder` to write pictures of the page to")

// site serves the page of an agent.
func site(t *testing.T, a *fakeAgent) (*status.Monitor, string) {
	t.Helper()
	m := status.New(a, status.Options{Version: "1.0", Config: "/etc/inu-detector/agent.hcl", Log: slog.New(slog.DiscardHandler)})
	s := httptest.NewServer(m.Web("127.0.0.1:0"))
	t.Cleanup(s.Close)
	return m, s.URL
}

func get(t *testing.T, url string) (code int, body string, h http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

func TestMetricsKeepToTheConventions(t *testing.T) {
	_, url := site(t, full(t, time.Now()))
	code, body, _ := get(t, url+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		`inu_logsmith_source_events_read_total{pipeline="audit",source="s3"} 1.234567e+06`,
		`inu_logsmith_sink_events_stored_total{pipeline="audit",sink="rds_direct",source="s3"} 230000`,
		`inu_logsmith_source_backlog_splits{pipeline="audit",source="s3",stage="reading"} 16`,
		`inu_logsmith_stream_lag_seconds{account="111111111111",pipeline="audit",region="ap-northeast-1",source="s3"} 6`,
		`inu_logsmith_stream_silent{account="111111111111",pipeline="audit",region="us-east-1",source="s3"} 1`,
		`inu_logsmith_degraded{pipeline="audit"} 1`,
		`inu_logsmith_degraded_reasons{kind="silent",pipeline="audit"} 1`,
		`inu_logsmith_plugin_restarts_total{kind="source",name="s3",pipeline="audit"} 1`,
		`inu_logsmith_sink_pass_events_stored_total{pass="24h",pipeline="audit",sink="rds_direct",source="s3"} 3`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	healthy, sick := newAgent(), full(t, time.Now())
	for name, tc := range map[string]struct {
		agent *fakeAgent
		ready int
		line  string
	}{
		"healthy":  {healthy, http.StatusOK, "ok: audit: 0 events/s, no event yet\n"},
		"degraded": {sick, http.StatusServiceUnavailable, "degraded: audit: source s3 no events of"},
	} {
		_, url := site(t, tc.agent)
		if code, body, _ := get(t, url+"/healthz"); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: healthz %d %s: what is degraded still lives", name, code, body)
		}
		if code, body, _ := get(t, url+"/readyz"); code != tc.ready || !strings.HasPrefix(body, tc.line) {
			t.Errorf("%s: readyz %d %s", name, code, body)
		}
	}
}

func TestThePageIsClosedToOtherSites(t *testing.T) {
	_, url := site(t, full(t, time.Now()))
	for _, path := range []string{"/", "/metrics", "/status.json", "/readyz", "/page.js"} {
		_, _, h := get(t, url+path)
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "rebound.example.org"
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s under another name: %d", path, resp.StatusCode)
		}
	}
	resp, err := http.Post(url+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	if code, _, _ := get(t, url+"/etc/passwd"); code != http.StatusNotFound {
		t.Errorf("another path: %d", code)
	}
}

func TestWhatOthersWroteStaysText(t *testing.T) {
	a := full(t, time.Now())
	a.source.LastError.Err = `"><script>alert(1)</script>` + "\x1b[31m"
	a.source.LastError.Last = time.Now()
	_, url := site(t, a)
	_, body, _ := get(t, url+"/")
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "\x1b") || !strings.Contains(body, "&lt;script&gt;alert") {
		t.Error(body)
	}
}

// past is a day of a busy agent.
func past(now time.Time) (fine, coarse []status.Point) {
	wave := func(i, n int, lag float64) status.Point {
		x := float64(i) / float64(n)
		rate := 140 + 60*math.Sin(9*x) + 25*math.Sin(41*x) + 12*math.Sin(97*x)
		return status.Point{Read: rate, Stored: rate * 0.62, Lag: lag + 40*math.Abs(math.Sin(31*x))}
	}
	for i := range 180 {
		p := wave(i, 180, 170)
		p.Time = now.Add(-time.Duration(179-i) * 5 * time.Second)
		fine = append(fine, p)
	}
	for i := range 288 {
		p := wave(i, 288, 190)
		p.Time = now.Add(-time.Duration(287-i) * 5 * time.Minute)
		coarse = append(coarse, p)
	}
	return fine, coarse
}

func TestThePageInABrowser(t *testing.T) {
	b := open(t)
	for name, tc := range map[string]struct {
		width, height int
		scheme        string
		agent         *fakeAgent
		state         string
	}{
		"phone-light":   {360, 740, "light", full(t, time.Now()), "degraded"},
		"phone-dark":    {360, 740, "dark", calm(t, time.Now()), "ok"},
		"desktop-light": {1180, 900, "light", calm(t, time.Now()), "ok"},
		"desktop-dark":  {1180, 900, "dark", full(t, time.Now()), "degraded"},
		"tiny-light":    {280, 600, "light", full(t, time.Now()), "degraded"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			m, url := site(t, tc.agent)
			m.Remember("audit", firstOf(past(time.Now())), secondOf(past(time.Now())))
			b.look(tc.width, tc.height, tc.scheme)
			b.goTo("about:blank") // the page before must not speak into this one's record
			before := len(b.seen())
			b.goTo(url + "/")
			if got := eval[string](b, `document.querySelector("header .state").textContent.trim()`); got != tc.state {
				t.Errorf("state %q, want %q", got, tc.state)
			}
			if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > tc.width {
				t.Errorf("the page is %d pixels wide, the window %d", wide, tc.width)
			}
			over := eval[[]string](b, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + "." + e.className)`)
			if len(over) > 0 {
				t.Errorf("beyond the edge: %v", over)
			}
			if n := eval[int](b, `document.querySelectorAll(".plot .line").length`); n != 2 {
				t.Errorf("%d plots", n)
			}
			ground := eval[string](b, "getComputedStyle(document.body).backgroundColor")
			if want := map[string]string{"light": "rgb(246, 246, 243)", "dark": "rgb(20, 23, 26)"}[tc.scheme]; ground != want {
				t.Errorf("ground %s, want %s", ground, want)
			}
			shown := b.picture()
			checkPicture(t, shown)
			if *pictures != "" {
				if err := os.WriteFile(filepath.Join(*pictures, name+".png"), shown, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			checkQuiet(t, b.seen()[before:], url)
		})
	}
}

func firstOf(a, _ []status.Point) []status.Point  { return a }
func secondOf(_, b []status.Point) []status.Point { return b }

// calm is an agent for which all is well.
func calm(t *testing.T, at time.Time) *fakeAgent {
	t.Helper()
	a := full(t, at)
	a.source.Backfill, a.source.LastError, a.source.Unevaluable = pipeline.Backfill{}, nil, 0
	a.source.Backlog = pipeline.Backlog{Reading: 2, Writing: 1, Bytes: 48_000}
	for i := range a.source.Streams {
		a.source.Streams[i].Newest = at.Add(-time.Duration(2+4*i) * time.Minute)
	}
	return a
}

// checkPicture fails the test unless something is shown.
func checkPicture(t *testing.T, raw []byte) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	colours := make(map[any]bool)
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			colours[img.At(x, y)] = true
		}
	}
	if len(colours) < 20 {
		t.Errorf("a picture of %d colours", len(colours))
	}
}

// checkQuiet fails the test if the page complained, or asked for anything elsewhere.
func checkQuiet(t *testing.T, events []event, url string) {
	t.Helper()
	for _, e := range events {
		switch e.Method {
		case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
			t.Errorf("%s: %s", e.Method, e.Params)
		case "Network.requestWillBeSent":
			if !strings.Contains(string(e.Params), `"url":"`+url) {
				t.Errorf("asks elsewhere: %s", e.Params)
			}
		}
	}
}

func TestThePageStaysFreshAndSaysWhenItIsNot(t *testing.T) {
	b := open(t)
	a := calm(t, time.Now())
	m := status.New(a, status.Options{Version: "1.0", Log: slog.New(slog.DiscardHandler)})
	s := httptest.NewServer(m.Web("127.0.0.1:0"))
	defer s.Close()
	b.look(1180, 900, "light")
	b.goTo(s.URL + "/")
	until := func(condition string) {
		t.Helper()
		eval[bool](b, `new Promise(resolve => { const look = () => `+condition+` ? resolve(true) : setTimeout(look, 50); look(); })`)
	}
	eval[bool](b, `(window.sameDocument = true)`)
	a.count(11)
	until(`document.querySelector(".card dd").textContent === "1,234,578"`)
	if !eval[bool](b, `window.sameDocument`) {
		t.Error("the page was loaded anew")
	}
	a.change(func() { a.sink.Failures = []pipeline.Failure{failure("write", true, time.Now())} })
	until(`document.querySelector(".reason") && document.title.startsWith("degraded")`)
	s.CloseClientConnections()
	s.Close()
	until(`!document.getElementById("lost").hidden`)
}
