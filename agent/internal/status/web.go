package status

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

// policy lets the page load nothing but its own style, script and answers.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler answers on the control socket: GET /status is the Report as JSON.
func (m *Monitor) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { m.sendReport(w) })
}

func (m *Monitor) sendReport(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(m.Report()) // who asked is gone, or will notice
}

// Web answers over HTTP: the page, /metrics, /healthz, /readyz, /status.json. It changes
// nothing, whatever it is asked. address is where it is reached: on loopback, requests
// under any other name are refused, so that a web site that somebody visits cannot read it
// by a name of its own (DNS rebinding).
func (m *Monitor) Web(address string) http.Handler {
	mux := http.NewServeMux()
	page := template.Must(template.ParseFS(files, "page/page.html"))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { m.sendPage(w, r, page) })
	for name, kind := range map[string]string{"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		content, err := files.ReadFile("page/" + name)
		if err != nil {
			panic("status: " + err.Error()) // it is part of the program
		}
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			_, _ = w.Write(content)
		})
	}
	mux.Handle("GET /metrics", metricsHandler(m.Report))
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) { m.sendReport(w) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { sendLine(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := m.Report()
		code := http.StatusOK
		if r.State != OK {
			code = http.StatusServiceUnavailable
		}
		sendLine(w, code, r.Line())
	})
	return guarded(mux, address)
}

func sendLine(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, line)
}

func (m *Monitor) sendPage(w http.ResponseWriter, r *http.Request, page *template.Template) {
	span := "15m"
	if r.URL.Query().Get("range") == "24h" {
		span = "24h"
	}
	report := m.Report()
	var b bytes.Buffer
	if err := page.Execute(&b, newView(&report, span, m.History)); err != nil {
		m.options.Log.Error("status page failed", "err", err)
		http.Error(w, "the page cannot be shown; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func guarded(next http.Handler, address string) http.Handler {
	host, _, err := net.SplitHostPort(address)
	local := err == nil && isLocal(host)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if asked := hostOf(r.Host); local && !isLocal(asked) {
			http.Error(w, "this agent answers under localhost and 127.0.0.1 only; forward a port, or set agent.http.listen", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func isLocal(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// A Site is the page and the metrics while they are served.
type Site struct {
	server *http.Server
	ended  chan struct{}
}

// Serve listens on address until Close. The error of an address that cannot be used names
// it.
func (m *Monitor) Serve(ctx context.Context, address string) (*Site, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("status page (agent.http.listen): %w", err)
	}
	s := &Site{ended: make(chan struct{}), server: &http.Server{
		Handler:           m.Web(address),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(m.options.Log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(l) // it ends by Close
	}()
	m.options.Log.Info("status page and metrics", "url", "http://"+l.Addr().String()+"/")
	return s, nil
}

// Close ends the answers under way when ctx ends, and stops listening.
func (s *Site) Close(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	<-s.ended
}
