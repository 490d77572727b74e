package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// A decoder turns the bodies of one file into settings and collects what is wrong.
type decoder struct {
	name    string
	src     []byte
	options Options
	eval    *hcl.EvalContext
	catalog Catalog // nil while it is not open, or cannot be
	// unpinned says that a plugin block may lack its checksum: it is about to get one.
	unpinned bool
	exposed  bool // others can read the file

	diags   hcl.Diagnostics
	public  []hcl.Range // attributes whose values may be shown
	secrets []string    // values that must not be
}

func newDecoder(file string, src []byte, o Options) *decoder {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	d := &decoder{name: file, src: src, options: o}
	d.eval = &hcl.EvalContext{Functions: d.functions()}
	return d
}

// A section is a decoded block: its settings, and where each of them stands.
type section struct {
	values map[string]json.RawMessage
	places map[string]place // by path, as in [sdk.Fault]; "" is the block itself
	failed bool             // something is wrong, so values is incomplete
	// unknown says that a variable or credential is not set, so values is incomplete.
	unknown bool
	// uncertain are the paths of values that are missing, wrong or unknown; misnamed those
	// of bodies, with a trailing dot, that hold names which nobody knows.
	uncertain, misnamed map[string]bool
	// disabled blocks may lack variables and credentials even in strict mode.
	disabled bool
}

// A place is an attribute with its expression, or a block without one.
type place struct {
	rng  hcl.Range
	expr hcl.Expression
}

// complete says whether the values are all there and right as far as the schema goes.
func (s *section) complete() bool { return !s.failed && !s.unknown }

// settings is the JSON of the values for which keep is true.
func (s *section) settings(keep func(name string) bool) json.RawMessage {
	kept := map[string]json.RawMessage{}
	for name, raw := range s.values {
		if keep(name) {
			kept[name] = raw
		}
	}
	return marshal(kept)
}

// section decodes the body of a block that stands at header.
func (d *decoder) section(body hcl.Body, header hcl.Range, b schema.Block, disabled bool) *section {
	s := newSection(header, disabled)
	s.values = d.body(s, "", body, header, b)
	return s
}

func newSection(header hcl.Range, disabled bool) *section {
	return &section{
		places:    map[string]place{"": {rng: header}},
		uncertain: map[string]bool{},
		misnamed:  map[string]bool{},
		disabled:  disabled,
	}
}

// fail notes that the value at path is not what will be there in the end.
func (s *section) fail(path string) {
	s.failed = true
	s.uncertain[path] = true
}

// body decodes one level of a section; path leads to it, with a trailing dot.
func (d *decoder) body(
	s *section, path string, body hcl.Body, header hcl.Range, b schema.Block,
) map[string]json.RawMessage {
	content, diags := body.Content(bodySchema(b))
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		s.failed = true
		s.misnamed[path] = true
	}
	values := map[string]json.RawMessage{}
	given := d.attributes(s, path, values, content.Attributes, header, b.Attributes)
	for _, bt := range b.Blocks {
		if raw := d.blocks(s, path+bt.Name, content.Blocks.OfType(bt.Name), header, bt); raw != nil {
			values[bt.Name], given[bt.Name] = raw, true
		}
	}
	for _, v := range b.CheckOneOf(func(name string) bool { return given[name] }) {
		s.failed = true
		at := header
		if v.Step != "" {
			at = s.firstOf(path + v.Step)
		}
		d.fault(at, v.Summary, v.Detail)
	}
	return values
}

// firstOf is where a setting or block stands, the first of them if it is repeated.
func (s *section) firstOf(path string) hcl.Range {
	if p, known := s.places[path]; known {
		return p.rng
	}
	var first hcl.Range
	for name, p := range s.places {
		if strings.HasPrefix(name, path+"[") && (first.End.Byte == 0 || p.rng.Start.Byte < first.Start.Byte) {
			first = p.rng
		}
	}
	return first
}

func bodySchema(b schema.Block) *hcl.BodySchema {
	var s hcl.BodySchema
	for _, a := range b.Attributes {
		// Missing ones are reported by attributes, at the block's header.
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	for _, bt := range b.Blocks {
		header := hcl.BlockHeaderSchema{Type: bt.Name}
		if bt.Nesting == schema.Map {
			header.LabelNames = []string{"name"}
		}
		s.Blocks = append(s.Blocks, header)
	}
	return &s
}

// attributes decodes found into values, and returns the names of those that are written,
// faulty ones too. The agent's own "enabled" comes first in the schema of a block that has
// it, so that it is known when the others are decoded.
func (d *decoder) attributes(
	s *section, path string, values map[string]json.RawMessage,
	found hcl.Attributes, header hcl.Range, wanted []schema.Attribute,
) (given map[string]bool) {
	given = map[string]bool{}
	for _, a := range wanted {
		var raw json.RawMessage
		outcome := absent
		if attr := found[a.Name]; attr != nil {
			raw, outcome = d.attribute(s, path+a.Name, attr, a)
		}
		switch {
		case outcome == present:
			values[a.Name] = raw
		case outcome == absent && a.Required:
			s.fail(path + a.Name)
			d.fault(header, "Missing attribute", fmt.Sprintf("%q is required here.%s", a.Name, about(a.Doc)))
		case outcome == absent && a.Default != nil:
			values[a.Name] = a.Default
		}
		if path+a.Name == "enabled" && string(raw) == "false" {
			s.disabled = true
		}
		given[a.Name] = outcome != absent
	}
	return given
}

// about adds what a setting is for to a message that asks for it.
func about(doc string) string {
	if doc == "" {
		return ""
	}
	return " " + sentence(doc)
}

// blocks decodes the nested blocks of one type; nil if there are none.
func (d *decoder) blocks(
	s *section, path string, found hcl.Blocks, header hcl.Range, bt schema.BlockType,
) json.RawMessage {
	if len(found) == 0 {
		if bt.Required {
			s.fail(path)
			d.fault(header, "Missing block", fmt.Sprintf("A block %s { … } is required here.%s", bt.Name, about(bt.Doc)))
		}
		return nil
	}
	nested := func(path string, b *hcl.Block) json.RawMessage {
		s.places[path] = place{rng: b.DefRange}
		return marshal(d.body(s, path+".", b.Body, b.DefRange, bt.Block))
	}
	switch bt.Nesting {
	case schema.List:
		list := make([]json.RawMessage, len(found))
		for i, b := range found {
			list[i] = nested(path+"["+strconv.Itoa(i)+"]", b)
		}
		return marshal(list)
	case schema.Map:
		d.unique(bt.Name, found)
		m := map[string]json.RawMessage{}
		for _, b := range found {
			m[b.Labels[0]] = nested(path+"["+strconv.Quote(b.Labels[0])+"]", b)
		}
		return marshal(m)
	default:
		first := d.atMostOne(found)
		for _, extra := range found[1:] {
			nested(path, extra) // for its faults
		}
		return nested(path, first)
	}
}

// own decodes the agent's own part of a section, described by into's type. Faults
// have been reported, so values that are missing for that reason do no harm.
func (s *section) own(into any) {
	own := describe(into)
	raw := s.settings(func(name string) bool { return has(own, name) })
	if err := schema.Decode(raw, into); err != nil && s.complete() {
		panic(fmt.Sprintf("config: the decoder and the schema of %T disagree: %v", into, err))
	}
}

// describe is the schema of one of the agent's own blocks.
func describe(v any) schema.Block {
	b, err := schema.Of(v)
	if err != nil {
		panic("config: " + err.Error())
	}
	return b
}

func has(b schema.Block, name string) bool {
	for _, a := range b.Attributes {
		if a.Name == name {
			return true
		}
	}
	for _, bt := range b.Blocks {
		if bt.Name == name {
			return true
		}
	}
	return false
}

// marshal encodes what cannot fail: strings, numbers, and JSON made of them.
func marshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("config: encode %T: %v", v, err))
	}
	return raw
}

// fault reports an error of the file.
func (d *decoder) fault(at hcl.Range, summary, detail string) {
	d.report(hcl.DiagError, at, summary, detail)
}

func (d *decoder) warn(at hcl.Range, summary, detail string) {
	d.report(hcl.DiagWarning, at, summary, detail)
}

func (d *decoder) report(severity hcl.DiagnosticSeverity, at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &at})
}

// sentence ends s with a full stop, if it has no end yet. It leaves the first letter alone: a secret that
// the text may start with must stay as it is to be recognised.
func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".?!") {
		return s
	}
	return s + "."
}
