// Package config reads agent.hcl. It is the only package that knows HCL: what it
// returns are plain types, settings of plugins as JSON, and diagnostics.
//
// Every fault of a file is reported at once, at its position. What a plugin's block
// may hold comes from the plugin, as a schema; see package sdk/schema.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// Config is a file without faults.
type Config struct {
	File      string
	Agent     Agent
	Pipelines []Pipeline // in the file's order, disabled ones included
	Plugins   []Plugin
	Tests     []Test // only with Options.Tests
}

// Agent is the agent block.
type Agent struct {
	StateDir, PluginDir string
	LogLevel            slog.Level
	LogFormat           string // "text" or "json"
	MemoryLimit         int64  // bytes of events queued in the agent
	HTTPListen          string // address of the status page and metrics; empty for none
}

// Pipeline is a pipeline block. An enabled one has at least one enabled sink.
type Pipeline struct {
	Name, Description string
	Enabled           bool
	Sources           []Source
	Filter            filter.Config
	Sinks             []Sink
	Batch             Batch
	Pos               Pos
}

// Batch bounds what one write holds.
type Batch struct {
	MaxEvents int
	MaxBytes  int64
	Linger    time.Duration // how long a batch that is not full waits for more
}

// Source is a source block.
type Source struct {
	Type, Description string
	Enabled           bool
	Interval          time.Duration // between two polls
	Since             time.Time     // nothing older is read; zero for no bound
	SinceText         string        // Since as it was written: an age moves on
	MaxFiles          int           // splits read in one poll; 0 for no bound
	// Settings are the plugin's, with defaults filled in. They are nil where a
	// variable or credential that they need is not set, which [Options.Strict]
	// makes an error.
	Settings json.RawMessage
	Pos      Pos
}

// Sink is a sink block.
type Sink struct {
	Type string
	// Name stands for the sink in the ledger: the block's name, else its type, with
	// "-2" added for the second sink of the type in its pipeline, and so on. Sinks
	// that have a name or are disabled are counted, so that neither renames another.
	Name     string
	Enabled  bool
	Settings json.RawMessage // as [Source.Settings]
	Pos      Pos
}

// Plugin is a plugin block: a program that is not part of the agent.
type Plugin struct {
	Type, Path    string // Path is empty if the program is to be found in [Agent.PluginDir]
	SHA256        string // lower-case hex; empty only with AllowUnpinned
	Args          []string
	Env           map[string]string
	Memory        int64 // bytes; 0 for no limit
	AllowUnpinned bool
	Pos           Pos
}

// Test is a test block: what the filter of a pipeline does with some events.
type Test struct {
	Name     string
	Pipeline string // one of the file
	Input    string // CloudTrail records as JSON
	Kept     *int   // how many events are kept; nil for no expectation. So below
	Filtered *int
	EventIDs []string // of the kept events, in any order
	Pos      Pos
}

// Pos is where something starts. Line and Column count from 1.
type Pos struct {
	File         string
	Line, Column int
}

// Catalog is what must be known of the plugins to check their blocks. It is asked
// after the agent and plugin blocks have been decoded. kind is "source" or "sink".
type Catalog interface {
	Types(kind string) []string // sorted
	Describe(kind, typ string) (schema.Block, error)
	// Validate asks the plugin about settings that keep to its schema. An error that is
	// not about the settings is a fault without a path.
	Validate(kind, typ string, settings json.RawMessage) []sdk.Fault
}

// Options is what a file is read against.
type Options struct {
	// Env looks up a variable for env(); os.LookupEnv if nil.
	Env func(name string) (string, bool)
	// CredentialsDir holds the files of credential(): $CREDENTIALS_DIRECTORY.
	CredentialsDir string
	// Strict makes variables and credentials that are not set errors, except in
	// disabled blocks. It must be set when the configuration is going to run.
	Strict bool
	// Tests decodes the test blocks too. A service does without: the files that they
	// read need not be on its machine.
	Tests bool
	// Now is what a relative `since` counts from; time.Now() if zero.
	Now time.Time
	// Guard, if set, has the modes of the files checked that [Load] reads.
	Guard *Guard
	// Catalog opens the catalog. It is required.
	Catalog func(Agent, []Plugin) (Catalog, error)
}

// Load reads a file, .hcl or .hcl.json. The Config is nil if there is any error.
func Load(file string, o Options) (*Config, Diagnostics) {
	src, found := readSource(file)
	if found.HasErrors() {
		return nil, found
	}
	d := newDecoder(file, src, o)
	d.guardFile()
	return d.config()
}

func readSource(file string) ([]byte, Diagnostics) {
	src, err := readBounded(file)
	if err == nil {
		return src, nil
	}
	fault := Diagnostic{Severity: Error, Summary: "Cannot read the file", Detail: err.Error() + ".", File: file}
	if errors.Is(err, fs.ErrNotExist) {
		fault.Detail = fmt.Sprintf("There is no file %s. Name the configuration with -config FILE.", file)
	}
	return nil, Diagnostics{fault}
}

// Parse is [Load] of a file whose contents are src. file says whether it is JSON, and
// where file() starts from.
func Parse(file string, src []byte, o Options) (*Config, Diagnostics) {
	return newDecoder(file, src, o).config()
}

func (d *decoder) config() (*Config, Diagnostics) {
	body, ok := d.parse()
	if !ok {
		return nil, d.diagnostics()
	}
	c := d.file(body)
	found := d.diagnostics()
	if found.HasErrors() {
		return nil, found
	}
	return c, found
}

// parse reads the file's syntax. Without it nothing else is decoded: what follows a
// syntax error is guesswork and would be reported wrongly.
func (d *decoder) parse() (_ hcl.Body, ok bool) {
	deep, parse := tooDeep, hclParser
	if strings.HasSuffix(d.name, ".json") {
		deep, parse = tooDeepJSON, hcljson.Parse
	}
	if at, is := deep(d.src, d.name); is {
		d.fault(at, "Nested too deep", fmt.Sprintf(
			"Brackets and templates may stand within each other %d times, and the whole file may hold %d operators.", maxNesting, maxOperators))
		d.src = nil // nothing of such a file is worth showing
		return nil, false
	}
	parsed, diags := parse(d.src, d.name)
	d.diags = append(d.diags, syntaxFaults(diags)...)
	if diags.HasErrors() {
		return nil, false
	}
	return parsed.Body, true
}

func hclParser(src []byte, name string) (*hcl.File, hcl.Diagnostics) {
	return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
}

// syntaxFaults rewrites the parsers' messages where they repeat a part of what may be a
// secret, and drops those that only follow from a quote that is not closed.
func syntaxFaults(diags hcl.Diagnostics) hcl.Diagnostics {
	var kept hcl.Diagnostics
	for _, found := range diags {
		shown := *found
		switch shown.Summary {
		case "Invalid JSON keyword":
			shown.Detail = "A value is a text in double quotes, a number, true, false, null, an array or an object."
		case "Invalid multi-line string":
			shown.Summary = "Unclosed quotes"
			shown.Detail = `A text in quotes ends in the line it starts in. Longer texts are written as a heredoc, or with \n.`
			return hcl.Diagnostics{&shown}
		}
		kept = append(kept, &shown)
	}
	return kept
}

// file decodes the top level.
func (d *decoder) file(body hcl.Body) *Config {
	content, diags := body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "agent"},
		{Type: "pipeline", LabelNames: []string{"name"}},
		{Type: "plugin", LabelNames: []string{"type"}},
		{Type: "test", LabelNames: []string{"name"}},
	}})
	d.diags = append(d.diags, diags...)
	c := &Config{File: d.name}
	c.Agent = only(d, content.Blocks.OfType("agent"), d.agent)
	c.Plugins = d.plugins(content.Blocks.OfType("plugin"))
	d.openCatalog(c.Agent, c.Plugins)
	pipelines := content.Blocks.OfType("pipeline")
	for _, block := range misnamed(body, "pipeline") {
		d.pipeline(block) // for its faults
	}
	if len(pipelines) == 0 && !diags.HasErrors() {
		d.fault(content.MissingItemRange, "Missing pipeline",
			`The file needs at least one block pipeline "name" { … } with a source and a sink.`)
	}
	d.unique("pipeline", pipelines)
	for _, block := range pipelines {
		c.Pipelines = append(c.Pipelines, d.pipeline(block))
	}
	if d.options.Tests {
		c.Tests = d.tests(content.Blocks.OfType("test"), c.Pipelines)
	}
	return c
}

func (d *decoder) openCatalog(a Agent, plugins []Plugin) {
	catalog, err := d.options.Catalog(a, plugins)
	if err != nil {
		d.fault(hcl.Range{Filename: d.name}, "Plugins cannot be loaded", sentence(err.Error()))
		return
	}
	d.catalog = catalog
}

// atMostOne returns the only block of its type, or nil if there is none.
func (d *decoder) atMostOne(blocks hcl.Blocks) *hcl.Block {
	if len(blocks) == 0 {
		return nil
	}
	for _, second := range blocks[1:] {
		d.fault(second.DefRange, "Duplicate "+second.Type+" block", fmt.Sprintf(
			"Only one %s block is allowed here; the first is in line %d.", second.Type, blocks[0].DefRange.Start.Line))
	}
	return blocks[0]
}

// only decodes the only block of its type; nil stands for none. Those that should not be
// there are decoded for their faults.
func only[T any](d *decoder, blocks hcl.Blocks, decode func(*hcl.Block) T) T {
	first := decode(d.atMostOne(blocks))
	for _, extra := range blocks[min(1, len(blocks)):] {
		decode(extra)
	}
	return first
}

// misnamed are the blocks of a type that takes one label but that have none or several,
// which HCL has reported and leaves out. They get the first label, or one that is valid.
func misnamed(body hcl.Body, typ string) hcl.Blocks {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return nil // in JSON a label is a key
	}
	var found hcl.Blocks
	for _, b := range native.Blocks {
		if b.Type != typ || len(b.Labels) == 1 {
			continue
		}
		block := b.AsHCLBlock()
		block.Labels = append(block.Labels, "unnamed")
		block.LabelRanges = append(block.LabelRanges, block.TypeRange)
		found = append(found, block)
	}
	return found
}

// unique reports labels that two blocks share.
func (d *decoder) unique(what string, blocks hcl.Blocks) {
	first := map[string]*hcl.Block{}
	for _, b := range blocks {
		label := b.Labels[0]
		if other := first[label]; other != nil {
			d.fault(b.LabelRanges[0], "Duplicate "+what, fmt.Sprintf(
				"There is a %s %q in line %d already.", what, label, other.LabelRanges[0].Start.Line))
			continue
		}
		first[label] = b
	}
}

func posOf(r hcl.Range) Pos {
	return Pos{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}
