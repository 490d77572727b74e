package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// pipelineSettings are the attributes of a pipeline block.
type pipelineSettings struct {
	Enabled     bool   `agent:"enabled" desc:"Whether it runs." default:"true"`
	Description string `agent:"description" desc:"What it is for." optional:"true"`
}

// batchSettings is a batch block. The upper bound of max_bytes leaves room below what
// one gRPC message may hold, its default below the 4 MiB at which gRPC libraries stop unless
// they are told otherwise.
type batchSettings struct {
	MaxEvents int           `agent:"max_events" desc:"Most events in one write." default:"2000" min:"1" max:"100000"`
	MaxBytes  int64         `agent:"max_bytes" desc:"Most bytes in one write." default:"3MiB" format:"size" min:"64KiB" max:"16MiB"`
	Linger    time.Duration `agent:"linger" desc:"How long events wait for a batch to fill." default:"1s" min:"0s" max:"1m"`
}

// sourceSettings are what the agent adds to the block of any source.
type sourceSettings struct {
	Enabled     bool          `agent:"enabled" desc:"Whether it is read." default:"true"`
	Description string        `agent:"description" desc:"What it is." optional:"true"`
	Interval    time.Duration `agent:"interval" desc:"Time from the end of one listing to the next; a number is seconds." default:"5m" min:"1s"`
	Since       string        `agent:"since" desc:"Nothing older is read: 2026-11-01, 2026-11-01 13:00, RFC 3339, or an age such as 90d, counted back from the start of the agent." optional:"true"`
	MaxFiles    int           `agent:"max_files" desc:"Most new splits taken in one listing; 0 is no bound. Those in the ledger do not count; the rest follows with the next listing, and -mode once lists until nothing is left." default:"0" min:"0"`
}

// sinkSettings are what the agent adds to the block of any sink.
type sinkSettings struct {
	Enabled bool   `agent:"enabled" desc:"Whether it is written to." default:"true"`
	Name    string `agent:"name" desc:"What it is called in logs, metrics, and in the ledger that the agent keeps for sinks that keep none. The type if absent, with -2 and so on for further sinks of a type in the pipeline." optional:"true"`
}

const (
	kindSource = "source"
	kindSink   = "sink"
)

// pipeline decodes a pipeline block.
func (d *decoder) pipeline(block *hcl.Block) Pipeline {
	d.checkName("pipeline name", block.Labels[0], block.LabelRanges[0], anyName())
	var own pipelineSettings
	known := describe(own)
	structure := bodySchema(known)
	structure.Blocks = []hcl.BlockHeaderSchema{
		{Type: kindSource, LabelNames: []string{"type"}},
		{Type: "filter"},
		{Type: kindSink, LabelNames: []string{"type"}},
		{Type: "batch"},
	}
	content, diags := block.Body.Content(structure)
	d.diags = append(d.diags, diags...)
	s := newSection(block.DefRange, false)
	s.failed = diags.HasErrors()
	s.values = map[string]json.RawMessage{}
	d.attributes(s, "", s.values, content.Attributes, block.DefRange, known.Attributes)
	s.own(&own)

	p := Pipeline{
		Name:        block.Labels[0],
		Description: own.Description,
		Enabled:     own.Enabled,
		Filter:      only(d, content.Blocks.OfType("filter"), func(b *hcl.Block) filter.Config { return d.filter(b, s.disabled) }),
		Batch:       only(d, content.Blocks.OfType("batch"), func(b *hcl.Block) Batch { return d.batch(b, s.disabled) }),
		Pos:         posOf(block.DefRange),
	}
	sources := content.Blocks.OfType(kindSource)
	d.needed(block, kindSource, sources)
	for _, b := range sources {
		p.Sources = append(p.Sources, d.source(b, s.disabled))
	}
	p.Sinks = d.sinks(block, content.Blocks.OfType(kindSink), s.disabled)
	return p
}

// needed reports a pipeline without any block of a kind.
func (d *decoder) needed(pipeline *hcl.Block, kind string, blocks hcl.Blocks) {
	if len(blocks) > 0 {
		return
	}
	d.fault(pipeline.DefRange, "Missing "+kind, fmt.Sprintf(
		"The pipeline %q needs at least one block %s \"TYPE\" { … }.", pipeline.Labels[0], kind))
}

func (d *decoder) batch(block *hcl.Block, disabled bool) Batch {
	var own batchSettings
	s := &section{}
	if block != nil {
		s = d.section(block.Body, block.DefRange, describe(own), disabled)
	}
	s.own(&own)
	return Batch(own)
}

func (d *decoder) source(block *hcl.Block, disabled bool) Source {
	var own sourceSettings
	s, settings := d.pluginBlock(kindSource, block, &own, disabled)
	source := Source{
		Type:        block.Labels[0],
		Description: own.Description,
		Enabled:     own.Enabled,
		Interval:    own.Interval,
		MaxFiles:    own.MaxFiles,
		SinceText:   own.Since,
		Settings:    settings,
		Pos:         posOf(block.DefRange),
	}
	if own.Since == "" {
		return source
	}
	since, err := ParseTime(own.Since, d.options.Now, false)
	if err != nil {
		at, _ := s.locate("since")
		d.fault(at, "Not a time", sentence(err.Error()))
	}
	source.Since = since
	return source
}

func (d *decoder) sinks(pipeline *hcl.Block, blocks hcl.Blocks, disabled bool) []Sink {
	d.needed(pipeline, kindSink, blocks)
	var sinks []Sink
	enabled := false
	ofType := map[string]int{}
	first := map[string]int{} // line by name
	for _, b := range blocks {
		var own sinkSettings
		s, settings := d.pluginBlock(kindSink, b, &own, disabled)
		typ := b.Labels[0]
		ofType[typ]++
		name := own.Name
		switch {
		case name != "":
			at, _ := s.locate("name")
			d.checkName("sink name", name, at, anyName())
		case ofType[typ] > 1:
			name = typ + "-" + strconv.Itoa(ofType[typ])
		default:
			name = typ
		}
		if line, taken := first[name]; taken {
			at, _ := s.locate("name")
			d.fault(at, "Duplicate sink", fmt.Sprintf(
				"The sink in line %d is called %q already; the ledger tells sinks apart by this name.", line, name))
		} else {
			first[name] = b.DefRange.Start.Line
		}
		enabled = enabled || own.Enabled || s.isUncertain("enabled")
		sinks = append(sinks, Sink{Type: typ, Name: name, Enabled: own.Enabled, Settings: settings, Pos: posOf(b.DefRange)})
	}
	if len(sinks) > 0 && !disabled && !enabled {
		d.fault(pipeline.DefRange, "No enabled sink", fmt.Sprintf(
			"Every sink of the pipeline %q is disabled; write enabled = false in the pipeline itself.", pipeline.Labels[0]))
	}
	return sinks
}

// pluginBlock decodes the body of a source or sink block: the agent's own settings into
// own, the plugin's as JSON, which is nil unless they are complete.
func (d *decoder) pluginBlock(kind string, block *hcl.Block, own any, disabled bool) (*section, json.RawMessage) {
	typ, ownBlock := block.Labels[0], describe(own)
	plugin, ok := d.describe(kind, typ, block.LabelRanges[0], ownBlock)
	if !ok {
		// Without the plugin's schema nothing can be said about what is in the block,
		// but for what belongs to the agent.
		s := newSection(block.DefRange, disabled)
		s.failed = true
		content, _, diags := block.Body.PartialContent(bodySchema(ownBlock))
		d.diags = append(d.diags, diags...)
		s.values = map[string]json.RawMessage{}
		d.attributes(s, "", s.values, content.Attributes, block.DefRange, ownBlock.Attributes)
		s.own(own)
		return s, nil
	}
	s := d.section(block.Body, block.DefRange, schema.Block{
		Attributes: slices.Concat(ownBlock.Attributes, plugin.Attributes),
		Blocks:     slices.Concat(ownBlock.Blocks, plugin.Blocks),
	}, disabled)
	s.own(own)
	settings := s.settings(func(name string) bool { return !has(ownBlock, name) })
	if !s.complete() {
		for _, f := range d.whatever(kind, typ, s, plugin, settings) {
			d.pluginFault(s, f)
		}
		return s, nil
	}
	for _, f := range d.catalog.Validate(kind, typ, settings) {
		d.pluginFault(s, f)
	}
	return s, settings
}

// pluginFault shows what the plugin says about its settings.
func (d *decoder) pluginFault(s *section, f sdk.Fault) {
	at, exact := s.locate(f.Path)
	detail := sentence(f.Detail)
	if !exact {
		detail = strings.TrimSpace(fmt.Sprintf("In %q: %s", f.Path, detail))
	}
	d.fault(at, f.Summary, detail)
}

// describe asks the catalog for a plugin's schema, and reports why there is none.
func (d *decoder) describe(kind, typ string, at hcl.Range, own schema.Block) (schema.Block, bool) {
	if d.catalog == nil {
		return schema.Block{}, false
	}
	types := d.catalog.Types(kind)
	if !slices.Contains(types, typ) {
		d.fault(at, "Unknown "+kind, d.unknownType(kind, typ, types))
		return schema.Block{}, false
	}
	b, err := d.catalog.Describe(kind, typ)
	if err != nil {
		d.fault(at, "Plugin cannot be used", sentence(err.Error()))
		return schema.Block{}, false
	}
	for _, a := range own.Attributes {
		if has(b, a.Name) {
			d.fault(at, "Plugin cannot be used", fmt.Sprintf(
				"The %s plugin %q has a setting %q, a name that belongs to the agent.", kind, typ, a.Name))
			return schema.Block{}, false
		}
	}
	return b, true
}

func (d *decoder) unknownType(kind, typ string, types []string) string {
	text := fmt.Sprintf("There is no %s plugin %q.", kind, typ)
	other := kindSource
	if kind == kindSource {
		other = kindSink
	}
	if near := nearest(typ, types); near != "" {
		text += fmt.Sprintf(" Did you mean %q?", near)
	} else if slices.Contains(d.catalog.Types(other), typ) {
		text += fmt.Sprintf(" %q is a %s.", typ, other)
	}
	if len(types) == 0 {
		return text
	}
	return fmt.Sprintf("%s Known: %s.", text, strings.Join(types, ", "))
}

// nearest is the first of names that differs from given in one or two characters.
func nearest(given string, names []string) string {
	for _, name := range names {
		if levenshtein.Distance(given, name, nil) < 3 {
			return name
		}
	}
	return ""
}

// A nameRule is what a label or name may consist of.
type nameRule struct {
	allows func(name string) bool
	words  string
}

const longestName = 63

// anyName is for names that stand in ledgers, metrics, log lines and command lines.
// Letters of any script are fine there; blanks, quotes and separators are not.
func anyName() nameRule {
	return nameRule{
		words: "letters, digits, '.', '_' and '-', at most 63, and starts with a letter or digit",
		allows: func(name string) bool {
			for i, r := range name {
				if !unicode.IsLetter(r) && !unicode.IsDigit(r) && (i == 0 || !strings.ContainsRune("._-", r)) {
					return false
				}
			}
			return name != "" && utf8.RuneCountInString(name) <= longestName
		},
	}
}

// typeName is for types, which are a part of file names too.
func typeName() nameRule {
	return nameRule{
		words: "lower-case letters, digits and '_', at most 63, and starts with a letter",
		allows: func(name string) bool {
			other := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_")
			return name != "" && other == "" && name[0] >= 'a' && name[0] <= 'z' && len(name) <= longestName
		},
	}
}

func (d *decoder) checkName(what, name string, at hcl.Range, rule nameRule) {
	if !rule.allows(name) {
		d.fault(at, "Odd "+what, fmt.Sprintf("A %s consists of %s.", what, rule.words))
	}
}
