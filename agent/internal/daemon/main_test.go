package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// This test binary is also the plugins that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "plugin" {
		_ = plugins().Serve(os.Args[2], os.Args[3])
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "external" {
		plugin.ServeSink("external", "1.0.0", openLines)
	}
	goleak.VerifyTestMain(m)
}

func plugins() *catalog.Catalog {
	return catalog.New(catalog.Config{Log: slog.New(slog.DiscardHandler), Builtins: []catalog.Builtin{
		{Definition: plugin.Source("numbers", "1.0.0", openNumbers)},
		{Definition: plugin.Sink("lines", "1.0.0", openLines)},
		{Definition: plugin.Sink("hostile", "1.0.0", openHostileSink)},
		{Definition: plugin.Source("hostile", "1.0.0", openHostileSource)},
	}})
}

// numbers is a source of splits with ten events each.
type numbers struct {
	Splits int `agent:"splits" desc:"How many." default:"20"`
}

func openNumbers(_ context.Context, n numbers) (sdk.Source, error) { return n, nil }

func (n numbers) Discover(_ context.Context, _ sdk.TimeRange, found func([]sdk.Split) error) error {
	for i := range n.Splits {
		if err := found([]sdk.Split{{ID: strconv.Itoa(i)}}); err != nil {
			return err
		}
	}
	return nil
}

func (n numbers) Fetch(_ context.Context, s sdk.Split, emit func([]sdk.Event) error) error {
	var events []sdk.Event
	for i := range 10 {
		id := s.ID + "." + strconv.Itoa(i)
		events = append(events, sdk.Event{ID: id, Name: "Number", Raw: []byte(`{"id":"` + id + `"}`)})
	}
	return emit(events)
}

// lines is a sink without a ledger: it appends the ids of its events to a file. It
// refuses those that end with Refuse.
type lines struct {
	Path   string `agent:"path" desc:"Where to."`
	Refuse string `agent:"refuse" desc:"End of ids." optional:"true"`
}

func openLines(_ context.Context, l lines) (sdk.Sink, error) { return l, nil }

func (l lines) Write(_ context.Context, b sdk.Batch) (res sdk.Result, err error) {
	f, err := os.OpenFile(l.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for i, e := range b.Events {
		if l.Refuse != "" && strings.HasSuffix(e.ID, l.Refuse) {
			res.Rejected = append(res.Rejected, sdk.Reject{Index: i, Reason: "refused"})
			continue
		}
		if _, err := fmt.Fprintln(f, e.ID); err != nil {
			return res, err
		}
	}
	return res, f.Sync()
}

// written are the ids in a file of lines, in order, and how many lines there are.
func written(t *testing.T, path string) (ids []string, total int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	ids = strings.Fields(string(text))
	total = len(ids)
	slices.Sort(ids)
	return slices.Compact(ids), total
}

func to(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func linesTo(path string) json.RawMessage { return to(map[string]any{"path": path}) }

// carry is a pipeline that carries 200 numbers to a sink.
func carry(name, sinkType string, settings json.RawMessage) config.Pipeline {
	return config.Pipeline{
		Name: name, Enabled: true,
		Sources: []config.Source{{Type: "numbers", Enabled: true, Interval: time.Minute, Settings: to(map[string]any{"splits": 20})}},
		Sinks:   []config.Sink{{Type: sinkType, Name: sinkType, Enabled: true, Settings: settings}},
		Batch:   config.Batch{MaxEvents: 30, MaxBytes: 1 << 20, Linger: time.Millisecond},
	}
}

func configuration(state string, pipelines ...config.Pipeline) *config.Config {
	return &config.Config{
		File: "agent.hcl", Pipelines: pipelines,
		Agent: config.Agent{StateDir: state, MemoryLimit: 32 << 20},
	}
}

// once runs a configuration to its end.
func once(t *testing.T, c *config.Config, log *slog.Logger) (*daemon.Daemon, error) {
	t.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := daemon.New(c, plugins(), daemon.Options{Once: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return d, d.Run(t.Context())
}

func stateDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

// until polls what another process will make true.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for !true() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("never %s", what)
		}
	}
}

// A syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
