package config

import (
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Programs is what a file says of external plugins, read without any of them.
type Programs struct {
	Agent   Agent
	Plugins []Plugin // those without a checksum included
	Used    []Use    // the source and sink blocks, in the file's order
}

// Use is a source or sink block.
type Use struct {
	Kind, Type string
	Pos        Pos
}

// ReadPrograms reads the agent and plugin blocks of a file, and the types of its sources
// and sinks. o.Catalog is not asked. It is for commands that manage plugins, and work
// where [Load] still finds faults because of them.
func ReadPrograms(file string, src []byte, o Options) (Programs, Diagnostics) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	o.Now = time.Now()
	d := newDecoder(file, src, o)
	d.unpinned = true
	d.guardFile()
	body, ok := d.parse()
	if !ok {
		return Programs{}, d.diagnostics()
	}
	// Faults of other blocks are none of a plugin's business.
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "agent"},
		{Type: "pipeline", LabelNames: []string{"name"}},
		{Type: "plugin", LabelNames: []string{"type"}},
	}})
	p := Programs{
		Agent:   only(d, content.Blocks.OfType("agent"), d.agent),
		Plugins: d.plugins(content.Blocks.OfType("plugin")),
		Used:    uses(content.Blocks.OfType("pipeline")),
	}
	return p, d.diagnostics()
}

func uses(pipelines hcl.Blocks) []Use {
	var used []Use
	for _, pipeline := range pipelines {
		content, _, _ := pipeline.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
			{Type: kindSource, LabelNames: []string{"type"}},
			{Type: kindSink, LabelNames: []string{"type"}},
		}})
		for _, b := range content.Blocks {
			used = append(used, Use{Kind: b.Type, Type: b.Labels[0], Pos: posOf(b.DefRange)})
		}
	}
	return used
}
