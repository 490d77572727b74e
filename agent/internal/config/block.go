package config

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// A Block is one source or sink, on its own.
type Block struct {
	Settings json.RawMessage
	Env      map[string]string // of the plugin block of its type, if the file has one
}

// LoadBlock reads the first block of a kind and type in the file, which may be a whole
// configuration or hold no more than that block. Only that block, and the plugin block
// of its type, are checked. o.Catalog gets no plugin blocks.
func LoadBlock(file, kind, typ string, o Options) (Block, Diagnostics) {
	src, found := readSource(file)
	if found.HasErrors() {
		return Block{}, found
	}
	d := newDecoder(file, src, o)
	body, ok := d.parse()
	if !ok {
		return Block{}, d.diagnostics()
	}
	d.openCatalog(Agent{}, nil)
	b := d.oneBlock(body, kind, typ)
	return b, d.diagnostics()
}

// oneBlock finds and decodes the block, at the top level or in a pipeline.
func (d *decoder) oneBlock(body hcl.Body, kind, typ string) Block {
	header := hcl.BlockHeaderSchema{Type: kind, LabelNames: []string{"type"}}
	content, _, diags := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		header, {Type: "pipeline", LabelNames: []string{"name"}}, {Type: "plugin", LabelNames: []string{"type"}},
	}})
	d.diags = append(d.diags, diags...)
	var found Block
	isTyp := func(b *hcl.Block) bool { return b.Labels[0] == typ }
	if i := slices.IndexFunc(content.Blocks.OfType("plugin"), isTyp); i >= 0 {
		found.Env = d.plugins(content.Blocks.OfType("plugin")[i : i+1])[0].Env
	}
	blocks := content.Blocks.OfType(kind)
	for _, pipeline := range content.Blocks.OfType("pipeline") {
		inner, _, diags := pipeline.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{header}})
		d.diags = append(d.diags, diags...)
		blocks = append(blocks, inner.Blocks...)
	}
	i := slices.IndexFunc(blocks, isTyp)
	if i < 0 {
		d.fault(hcl.Range{Filename: d.name}, "Missing block", fmt.Sprintf(
			"The file needs a block %s %q { … } with settings that work.", kind, typ))
		return found
	}
	var own any = &sinkSettings{}
	if kind == kindSource {
		own = &sourceSettings{}
	}
	_, found.Settings = d.pluginBlock(kind, blocks[i], own, false)
	return found
}
