package main

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

const discardCommand = "discard"

// serveDiscard serves a sink that keeps nothing, and never returns.
func serveDiscard() {
	plugin.ServeSink("discard", "1.0.0", func(context.Context, struct{}) (sdk.Sink, error) { return discard{}, nil })
}

type discard struct{}

func (discard) Write(context.Context, sdk.Batch) (sdk.Result, error) { return sdk.Result{}, nil }

// Parallel is what the sink of the shipped schema would ask for on such a machine.
func (discard) Parallel() int { return 4 }
