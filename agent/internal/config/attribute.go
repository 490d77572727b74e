package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// outcome is what became of an attribute.
type outcome uint8

const (
	absent  outcome = iota // not written, or null
	present                // decoded
	lost                   // faulty or unknown; the section says which
)

// attribute evaluates an attribute and checks it against its schema.
func (d *decoder) attribute(
	s *section, path string, attr *hcl.Attribute, a schema.Attribute,
) (json.RawMessage, outcome) {
	s.places[path] = place{rng: attr.Expr.Range(), expr: attr.Expr}
	if !a.Sensitive {
		d.public = append(d.public, attr.Range)
	}
	marked, diags := attr.Expr.Value(d.eval)
	d.diags = append(d.diags, forReaders(diags, a)...)
	if diags.HasErrors() {
		s.fail(path)
		return nil, lost
	}
	value, marks := marked.UnmarkDeep()
	origins := originsOf(marks)
	d.reportMissing(s, path, attr.Expr, origins)
	switch {
	case !value.IsWhollyKnown():
		s.unknown = true
		s.uncertain[path] = true
		return nil, lost
	case value.IsNull():
		return nil, absent
	}
	if a.Sensitive {
		d.keepSecret(attr, value, origins)
	}
	// A value from outside is not quoted: the file does not show it either.
	hide := a.Sensitive || len(origins) > 0
	raw, errs := encode(value, a.Type, hide)
	for _, err := range errs {
		s.fail(path + stepOfError(err))
		d.fault(rangeOfError(attr.Expr, err), "Wrong type", wrongType(a, err)+comesFrom(origins))
	}
	if raw == nil {
		return nil, lost
	}
	if (a.Required || a.OneOf != "") && string(raw) == `""` {
		s.fail(path)
		d.fault(attr.Expr.Range(), "Empty value", fmt.Sprintf("%q must not be empty.%s", a.Name, comesFrom(origins)))
		return nil, lost
	}
	checked := a
	checked.Sensitive = hide
	for _, v := range checked.Check(raw) {
		if s.uncertain[path+v.Step] {
			continue // it is of the wrong type
		}
		s.fail(path + v.Step)
		at, _ := s.locate(path + v.Step)
		d.fault(at, v.Summary, v.Detail+comesFrom(origins))
	}
	return raw, present
}

// forReaders rewrites HCL's own messages about an expression: agent.hcl has no
// variables, so that a word without quotes is most likely a string. Of a sensitive
// attribute nothing is told that could repeat a part of its value.
func forReaders(diags hcl.Diagnostics, a schema.Attribute) hcl.Diagnostics {
	rewritten := make(hcl.Diagnostics, len(diags))
	for i, found := range diags {
		shown := *found
		switch {
		case shown.Summary == "Variables not allowed":
			shown.Summary, shown.Detail = "Unknown name", "There are no variables here; a text is written in double quotes."
		case a.Sensitive && shown.Summary != "Invalid function argument":
			shown.Detail = fmt.Sprintf(
				`The value of %q cannot be used. Write credential("NAME"), env("NAME"), or a text in double quotes.`, a.Name)
		}
		rewritten[i] = &shown
	}
	return rewritten
}

// reportMissing reports variables and credentials that are not set.
func (d *decoder) reportMissing(s *section, path string, expr hcl.Expression, origins []origin) {
	for _, o := range origins {
		if !o.missing {
			continue
		}
		summary, detail := d.missing(o)
		if d.options.Strict && !s.disabled {
			s.fail(path)
			d.fault(callOf(expr, o), summary, detail)
			continue
		}
		d.warn(callOf(expr, o), summary, detail)
	}
}

// keepSecret notes the value of a sensitive attribute, and reports it if the file holds
// it or others can read where it comes from.
func (d *decoder) keepSecret(attr *hcl.Attribute, value cty.Value, origins []origin) {
	texts := textsOf(value)
	d.secrets = append(d.secrets, texts...)
	if !value.Type().IsPrimitiveType() {
		texts = secretElements(value)
	}
	switch {
	case !slices.ContainsFunc(texts, func(s string) bool { return s != "" }):
	case len(origins) > 0:
		d.looseSecret(attr.Expr.Range(), attr.Name, origins)
	case value.Type().IsPrimitiveType() || d.exposed:
		d.literalSecret(attr.Expr.Range(), attr.Name)
	}
}

// secretName is what the names of secrets are made of.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|key|credential|auth|cookie|dsn`)

// secretElements are those values of a sensitive map, such as the environment of a
// plugin or the headers of a request, whose names say that they are secret. The others
// are ordinary words, without which no message could be understood.
func secretElements(value cty.Value) []string {
	if t := value.Type(); !t.IsObjectType() && !t.IsMapType() {
		return textsOf(value)
	}
	var texts []string
	for name, element := range value.Elements() {
		if secretName.MatchString(name.AsString()) {
			texts = append(texts, textsOf(element)...)
		}
	}
	return texts
}

// textsOf returns every string and number in value, as text.
func textsOf(value cty.Value) []string {
	var texts []string
	_ = cty.Walk(value, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type().IsPrimitiveType() && !v.IsNull() {
			if text, err := convert.Convert(v, cty.String); err == nil {
				texts = append(texts, text.AsString())
			}
		}
		return true, nil
	})
	return texts
}

// encode turns value into what travels to the plugin. hide keeps the errors from
// quoting it. Without a value the errors say why; with one they are about elements of
// it, in whose place nothing stands.
func encode(value cty.Value, typ schema.Type, hide bool) (json.RawMessage, []error) {
	switch typ {
	case schema.Duration:
		return oneError(encodeText(value, hide, typ, schema.ParseDuration))
	case schema.Size:
		return oneError(encodeText(value, hide, typ, schema.ParseSize))
	case schema.ListOfString:
		return encodeList(value)
	case schema.MapOfString:
		return encodeMap(value)
	}
	return oneError(encodePrimitive(value, typ))
}

func oneError(raw json.RawMessage, err error) (json.RawMessage, []error) {
	if err != nil {
		return nil, []error{err}
	}
	return raw, nil
}

func encodePrimitive(value cty.Value, typ schema.Type) (json.RawMessage, error) {
	converted, err := convert.Convert(value, ctyType(typ))
	if err != nil {
		return nil, wanted(typ)
	}
	if typ == schema.Int {
		n, accuracy := converted.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return nil, wanted(typ)
		}
		return marshal(n), nil
	}
	return marshalPrimitive(converted), nil
}

// wanted is the error of a value that is not of typ. It does not quote the value.
func wanted(typ schema.Type) error {
	words := map[schema.Type]string{
		schema.String:       "a string",
		schema.Bool:         "true or false",
		schema.Int:          "a whole number",
		schema.Number:       "a number",
		schema.Duration:     `a duration such as "30s", "5m", "24h" or "90d"`,
		schema.Size:         `a size such as 4096, "64KiB" or "32MiB"`,
		schema.ListOfString: `a list of strings, ["…", "…"],`,
		schema.MapOfString:  `a map of strings, { name = "…" },`,
	}
	return errors.New(words[typ] + " is required")
}

// encodeText reads a value that is written as text, or as a plain number.
func encodeText[T int64 | time.Duration](
	value cty.Value, hide bool, typ schema.Type, parse func(string) (T, error),
) (json.RawMessage, error) {
	text, err := convert.Convert(value, cty.String)
	if err != nil || value.Type() == cty.Bool {
		return nil, wanted(typ)
	}
	n, err := parse(text.AsString())
	switch {
	case err != nil && hide:
		return nil, wanted(typ)
	case err != nil:
		return nil, err
	}
	return marshal(int64(n)), nil
}

func encodeList(value cty.Value) (json.RawMessage, []error) {
	if t := value.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return nil, []error{wanted(schema.ListOfString)}
	}
	list := []string{}
	var errs []error
	for _, element := range value.Elements() {
		text, ok := asText(element)
		if !ok {
			errs = append(errs, cty.IndexIntPath(len(list)).NewError(wanted(schema.String)))
		}
		list = append(list, text)
	}
	return marshal(list), errs
}

func encodeMap(value cty.Value) (json.RawMessage, []error) {
	if t := value.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, []error{wanted(schema.MapOfString)}
	}
	m := map[string]string{}
	var errs []error
	for key, element := range value.Elements() {
		text, ok := asText(element)
		if !ok {
			errs = append(errs, cty.IndexPath(key).NewError(wanted(schema.String)))
			continue
		}
		m[key.AsString()] = text
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return marshal(m), nil
}

func asText(value cty.Value) (string, bool) {
	text, err := convert.Convert(value, cty.String)
	if err != nil || text.IsNull() {
		return "", false
	}
	return text.AsString(), true
}

func marshalPrimitive(value cty.Value) json.RawMessage {
	switch value.Type() {
	case cty.String:
		return marshal(value.AsString())
	case cty.Bool:
		return marshal(value.True())
	}
	return json.RawMessage(value.AsBigFloat().Text('g', -1))
}

func ctyType(typ schema.Type) cty.Type {
	switch typ {
	case schema.Bool:
		return cty.Bool
	case schema.Int, schema.Number:
		return cty.Number
	}
	return cty.String
}

func wrongType(a schema.Attribute, err error) string {
	return fmt.Sprintf("%s: %s.", strconv.Quote(a.Name), err)
}

// stepOfError leads from a list to the element that err is about; empty for the whole.
func stepOfError(err error) string {
	var at cty.PathError
	if !errors.As(err, &at) || len(at.Path) == 0 {
		return ""
	}
	step, ok := at.Path[0].(cty.IndexStep)
	if !ok || step.Key.Type() != cty.Number {
		return ""
	}
	i, _ := step.Key.AsBigFloat().Int64()
	return "[" + strconv.FormatInt(i, 10) + "]"
}

// rangeOfError is the element of expr that a conversion failed at, if it says so.
func rangeOfError(expr hcl.Expression, err error) hcl.Range {
	var at cty.PathError
	if !errors.As(err, &at) || len(at.Path) == 0 {
		return expr.Range()
	}
	step, ok := at.Path[0].(cty.IndexStep)
	if !ok {
		return expr.Range()
	}
	var element hcl.Expression
	if step.Key.Type() == cty.String {
		element = valueOf(expr, step.Key.AsString())
	} else {
		i, _ := step.Key.AsBigFloat().Int64()
		element = elementOf(expr, int(i))
	}
	if element == nil {
		return expr.Range()
	}
	return element.Range()
}
