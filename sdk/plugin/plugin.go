// Package plugin turns a source or sink into the program that the agent starts.
// main of a whole sink is one line:
//
//	func main() { plugin.ServeSink("jsonl", "1.0.0", open) }
//
// where open gets the settings of the user's block, decoded into the author's own
// struct and checked, and returns an [sdk.Sink]. The struct's tags are the schema of
// the settings; package schema lists them.
package plugin

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// ServeSource is called from main and never returns. typ is the label of the
// plugin's source blocks in agent.hcl. open is called once, with settings that meet
// their tags; its ctx ends when the agent loses patience.
func ServeSource[C any](typ, version string, open func(ctx context.Context, settings C) (sdk.Source, error)) {
	Source(typ, version, open).Serve()
}

// ServeSink is called from main and never returns. typ is the label of the plugin's
// sink blocks in agent.hcl. open is called once, with settings that meet their
// tags; its ctx ends when the agent loses patience.
//
// open should not need the destination to be up: what is down at start is better
// reported by Write, which is retried.
func ServeSink[C any](typ, version string, open func(ctx context.Context, settings C) (sdk.Sink, error)) {
	Sink(typ, version, open).Serve()
}

// A Definition is a source or sink that can be served. Programs that hold several
// of them, as the agent does, choose one by their command line.
type Definition struct {
	description wire.Description
	validate    func(settings []byte) []sdk.Fault
	rights      func(settings []byte) []sdk.Right
	open        func(ctx context.Context, settings []byte) (any, error)
}

// Source defines a source; see [ServeSource]. It panics if C is not a settings struct.
func Source[C any](typ, version string, open func(ctx context.Context, settings C) (sdk.Source, error)) Definition {
	return define("source", typ, version, func(ctx context.Context, c C) (any, error) {
		s, err := open(ctx, c)
		if s == nil {
			return nil, err
		}
		return s, err
	})
}

// Sink defines a sink; see [ServeSink]. It panics if C is not a settings struct.
func Sink[C any](typ, version string, open func(ctx context.Context, settings C) (sdk.Sink, error)) Definition {
	return define("sink", typ, version, func(ctx context.Context, c C) (any, error) {
		s, err := open(ctx, c)
		if s == nil {
			return nil, err
		}
		return s, err
	})
}

func define[C any](kind, typ, version string, open func(context.Context, C) (any, error)) Definition {
	var zero C
	block, err := schema.Of(zero)
	if err != nil {
		// The author's bug, found at the first start.
		panic(fmt.Sprintf("plugin %s: settings %T: %v", typ, zero, err))
	}
	return Definition{
		description: wire.Description{Kind: kind, Type: typ, Version: version, SDKVersion: sdkVersion(), Settings: block},
		validate: func(settings []byte) []sdk.Fault {
			c := new(C)
			if err := schema.Decode(settings, c); err != nil {
				return []sdk.Fault{{Summary: "Settings cannot be read", Detail: err.Error()}}
			}
			if v, ok := any(c).(sdk.Validator); ok {
				return v.Validate()
			}
			return nil
		},
		rights: func(settings []byte) []sdk.Right {
			c := new(C)
			if err := schema.Decode(settings, c); err != nil {
				return nil // Validate says so
			}
			if g, ok := any(c).(sdk.Grantee); ok {
				return g.Rights()
			}
			return nil
		},
		open: func(ctx context.Context, settings []byte) (any, error) {
			c := new(C)
			if err := schema.Decode(settings, c); err != nil {
				return nil, sdk.Invalid(err)
			}
			return open(ctx, *c)
		},
	}
}

// Kind is "source" or "sink".
func (d Definition) Kind() string { return d.description.Kind }

// Type is the label of the blocks that d serves.
func (d Definition) Type() string { return d.description.Type }

// Schema describes d's settings.
func (d Definition) Schema() schema.Block { return d.description.Settings }

// Validate checks settings in the form that the schema gives them. It touches
// neither network nor disk.
func (d Definition) Validate(settings []byte) []sdk.Fault { return d.validate(settings) }

// Rights are the least that the plugin works with under settings. It touches neither
// network nor disk.
func (d Definition) Rights(settings []byte) []sdk.Right { return d.rights(settings) }

// served adapts a Definition to the wire, which must not show in the API.
type served struct{ d Definition }

func (s served) Description() wire.Description { return s.d.description }

func (s served) Validate(settings []byte) []sdk.Fault { return s.d.validate(settings) }

func (s served) Rights(settings []byte) []sdk.Right { return s.d.rights(settings) }

func (s served) Open(ctx context.Context, settings []byte) (any, error) {
	return s.d.open(ctx, settings)
}

// sdkVersion is the version of this module in the plugin's binary: a tag for a
// third party's plugin, "(devel)" for one built beside its source.
func sdkVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	const module = "github.com/s-developer-team-inu/inu-logsmith"
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "unknown"
}
