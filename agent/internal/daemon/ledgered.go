package daemon

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A ledgered sink has a ledger in any case: its own, or else one that the agent keeps.
// Which of them is known only once the plugin is open, so each call asks.
type ledgered struct {
	plugin *catalog.Sink
	file   *ledger.File
	kept   *ledger.Sink // the plugin with the agent's ledger
}

func newLedgered(name string, plugin *catalog.Sink, file *ledger.File) *ledgered {
	return &ledgered{plugin: plugin, file: file, kept: file.Sink(name, plugin)}
}

// sink is s as a pipeline sees it.
func (s *ledgered) sink(name string) pipeline.Sink {
	return pipeline.Sink{Name: name, Plugin: s, Parallel: s.parallel}
}

// Write implements [sdk.Sink].
func (s *ledgered) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	own, _, err := s.plugin.Features(ctx)
	switch {
	case err != nil:
		return sdk.Result{}, err
	case own:
		return s.plugin.Write(ctx, b)
	}
	return s.kept.Write(ctx, b)
}

// Done implements [sdk.Ledger].
func (s *ledgered) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	own, _, err := s.plugin.Features(ctx)
	switch {
	case err != nil:
		return nil, err
	case own:
		return s.plugin.Done(ctx, q)
	}
	return s.kept.Done(ctx, q)
}

// parallel tells how many writes at a time serve the sink best, once it is open and its
// ledger can be written to.
func (s *ledgered) parallel(ctx context.Context) (int, error) {
	own, parallel, err := s.plugin.Features(ctx)
	if err == nil && !own {
		err = s.file.Check(ctx)
	}
	return parallel, err
}
