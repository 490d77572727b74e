package config

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// LoadBlock reads the settings of one source or sink: those of the first block of its
// kind and type in the file, which may be a whole configuration or hold no more than
// that block. Only that block is checked. o.Catalog gets no plugin blocks.
func LoadBlock(file, kind, typ string, o Options) (json.RawMessage, Diagnostics) {
	src, found := readSource(file)
	if found.HasErrors() {
		return nil, found
	}
	d := newDecoder(file, src, o)
	body, ok := d.parse()
	if !ok {
		return nil, d.diagnostics()
	}
	d.openCatalog(Agent{}, nil)
	settings := d.oneBlock(body, kind, typ)
	return settings, d.diagnostics()
}

// oneBlock finds and decodes the block, at the top level or in a pipeline.
func (d *decoder) oneBlock(body hcl.Body, kind, typ string) json.RawMessage {
	header := hcl.BlockHeaderSchema{Type: kind, LabelNames: []string{"type"}}
	content, _, diags := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		header, {Type: "pipeline", LabelNames: []string{"name"}},
	}})
	d.diags = append(d.diags, diags...)
	blocks := content.Blocks.OfType(kind)
	for _, pipeline := range content.Blocks.OfType("pipeline") {
		inner, _, diags := pipeline.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{header}})
		d.diags = append(d.diags, diags...)
		blocks = append(blocks, inner.Blocks...)
	}
	for _, b := range blocks {
		if b.Labels[0] != typ {
			continue
		}
		var own any = &sinkSettings{}
		if kind == kindSource {
			own = &sourceSettings{}
		}
		_, settings := d.pluginBlock(kind, b, own, false)
		return settings
	}
	d.fault(hcl.Range{Filename: d.name}, "Missing block", fmt.Sprintf(
		"The file needs a block %s %q { … } with settings that work.", kind, typ))
	return nil
}
