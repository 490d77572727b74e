package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// hostile is a plugin that does all it can to harm the agent, in one way.
type hostile struct {
	How string `agent:"how" desc:"What it does."`
}

func openHostileSink(_ context.Context, h hostile) (sdk.Sink, error) { return h, h.misbehave() }

func openHostileSource(_ context.Context, h hostile) (sdk.Source, error) { return h, nil }

// misbehave does what can be done in any call.
func (h hostile) misbehave() error {
	switch h.How {
	case "panics in open":
		panic("in open")
	case "exits in open":
		os.Exit(0)
	}
	return nil
}

func (h hostile) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	switch h.How {
	case "acknowledges twice":
		return sdk.Result{Rejected: []sdk.Reject{{Index: 0, Reason: "a"}, {Index: 0, Reason: "b"}}}, nil
	case "counts too many":
		return sdk.Result{New: make([]bool, len(b.Events)+1)}, nil
	case "invents variants":
		return sdk.Result{Variants: len(b.Events) + 1}, nil
	case "rejects what it was not given":
		return sdk.Result{Rejected: []sdk.Reject{{Index: -1, Reason: "a"}}}, nil
	case "answers with 64 MiB":
		return sdk.Result{Rejected: []sdk.Reject{{Reason: strings.Repeat("x", 64<<20-100)}}}, nil
	case "floods the log":
		for range 200_000 {
			fmt.Fprintln(os.Stderr, "noise that nobody wants to read")
		}
		return sdk.Result{}, fmt.Errorf("busy making noise")
	case "panics":
		panic("in a write")
	case "panics elsewhere":
		go panic("in a goroutine")
		select {}
	case "exits":
		os.Exit(0)
	case "never answers":
		select {}
	}
	return sdk.Result{}, nil
}

func (h hostile) Discover(ctx context.Context, _ sdk.TimeRange, found func([]sdk.Split) error) error {
	switch h.How {
	case "exits while it lists":
		os.Exit(0)
	case "lists for ever":
		for i := 0; ctx.Err() == nil; i++ {
			if err := found([]sdk.Split{{ID: "same"}, {ID: "same"}}); err != nil {
				return err
			}
		}
	}
	return found([]sdk.Split{{ID: "a"}})
}

func (h hostile) Fetch(context.Context, sdk.Split, func([]sdk.Event) error) error {
	switch h.How {
	case "panics while it reads":
		panic("in a fetch")
	case "never sends an event":
		select {}
	}
	return nil
}

// The agent survives each of them, and the pipeline beside it carries everything, once.
func TestOtherPipelinesDoNotNoticeAHostilePlugin(t *testing.T) {
	sinks := []string{
		"acknowledges twice", "counts too many", "invents variants", "rejects what it was not given", "answers with 64 MiB", "floods the log",
		"panics", "panics elsewhere", "panics in open", "exits", "exits in open", "never answers",
	}
	sources := []string{"exits while it lists", "lists for ever", "panics while it reads", "never sends an event"}
	for _, how := range sinks {
		t.Run("a sink that "+how, func(t *testing.T) {
			t.Parallel()
			bad := besides(t, carry("bad", "hostile", to(map[string]any{"how": how})))
			if bad.Settled > 0 || bad.Sinks[0].Quarantined > 0 {
				t.Errorf("without a proper acknowledgement: %+v", bad)
			}
		})
	}
	for _, how := range sources {
		t.Run("a source that "+how, func(t *testing.T) {
			t.Parallel()
			bad := carry("bad", "lines", linesTo(filepath.Join(t.TempDir(), "bad")))
			bad.Sources[0].Type, bad.Sources[0].Settings = "hostile", to(map[string]any{"how": how})
			besides(t, bad)
		})
	}
}

// besides runs a pipeline beside a bad one until it has carried everything, and returns
// what the bad one did meanwhile.
func besides(t *testing.T, bad config.Pipeline) pipeline.Stats {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	var log syncBuffer
	c := configuration(stateDir(t), bad, carry("good", "lines", linesTo(out)))
	d, err := daemon.New(c, plugins(), daemon.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	until(t, "carried everything", func() bool {
		_, stats := d.Stats()
		return stats[1].Settled == 20 || ctx.Err() != nil
	})
	_, stats := d.Stats()
	cancel()
	if err := <-ended; err == nil {
		t.Error("the service ended by itself")
	}
	if ids, total := written(t, out); len(ids) != 200 || total != 200 || stats[1].Sinks[0].Stored != 200 {
		t.Errorf("%d lines with %d ids; %+v\n%s", total, len(ids), stats[1], log.String())
	}
	return stats[0]
}
