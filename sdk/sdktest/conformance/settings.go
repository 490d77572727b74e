package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// A place is an attribute of the schema at one place of the settings. In a block that
// is repeated it has a place in each.
type place struct {
	steps []any // from the root to its block: names, labels and indices
	path  string
	attr  schema.Attribute
}

// places lists the attributes of b and of all blocks that stand in settings.
func places(b schema.Block, settings map[string]any, steps []any, prefix string) []place {
	var found []place
	for _, a := range b.Attributes {
		found = append(found, place{steps: steps, path: prefix + a.Name, attr: a})
	}
	for _, bt := range b.Blocks {
		inner := func(body any, path string, more ...any) {
			m, _ := body.(map[string]any)
			found = append(found, places(bt.Block, m, append(slices.Clone(steps), more...), path+".")...)
		}
		switch body := settings[bt.Name].(type) {
		case map[string]any:
			if bt.Nesting != schema.Map {
				inner(body, prefix+bt.Name, bt.Name)
				continue
			}
			for _, label := range slices.Sorted(maps.Keys(body)) {
				inner(body[label], prefix+bt.Name+"["+strconv.Quote(label)+"]", bt.Name, label)
			}
		case []any:
			for i, element := range body {
				inner(element, prefix+bt.Name+"["+strconv.Itoa(i)+"]", bt.Name, i)
			}
		}
	}
	return found
}

// parse reads settings without rounding numbers.
func parse(settings json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(settings))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, errors.New("the settings are not a JSON object")
	}
	return m, nil
}

// changed returns the settings with change applied to the block around p.
func changed(settings json.RawMessage, p place, change func(block map[string]any)) (json.RawMessage, error) {
	m, err := parse(settings)
	if err != nil {
		return nil, err
	}
	at := any(m)
	for _, step := range p.steps {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	change(at.(map[string]any))
	return json.Marshal(m)
}

// wrong is a JSON value of another type than t. text is put where it can be.
func wrong(t schema.Type, text string) any {
	switch t {
	case schema.String, schema.ListOfString:
		return map[string]any{text: 1}
	case schema.MapOfString:
		return []any{text}
	}
	return text
}

// value returns the settings' value at p, nil if it is absent.
func (p place) value(settings map[string]any) any {
	at := any(settings)
	for _, step := range p.steps {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	return at.(map[string]any)[p.attr.Name]
}

// mentions reports whether one of faults is about the setting of that name.
func mentions(faults []sdk.Fault, name string) bool {
	for _, f := range faults {
		if strings.Contains(f.Path+" "+f.Summary+" "+f.Detail, name) {
			return true
		}
	}
	return false
}

// meetsSchema holds settings against the schema, as the agent does before a plugin sees
// them.
func meetsSchema(b schema.Block, settings map[string]any) error {
	var errs []error
	for _, p := range places(b, settings, nil, "") {
		v := p.value(settings)
		if v == nil {
			if p.attr.Required {
				errs = append(errs, fmt.Errorf("%q is required", p.path))
			}
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		for _, violation := range p.attr.Check(raw) {
			errs = append(errs, fmt.Errorf("%s%s: %s", p.path, violation.Step, violation.Detail))
		}
	}
	return errors.Join(append(errs, knownNames(b, settings, ""), alternatives(b, settings))...)
}

// alternatives reports where not exactly one of several settings is given.
func alternatives(b schema.Block, settings map[string]any) error {
	var errs []error
	for _, v := range b.CheckOneOf(func(name string) bool { return settings[name] != nil }) {
		errs = append(errs, errors.New(v.Detail))
	}
	for _, bt := range b.Blocks {
		for _, body := range bodies(settings[bt.Name], bt.Nesting) {
			errs = append(errs, alternatives(bt.Block, body))
		}
	}
	return errors.Join(errs...)
}

// bodies are those of the blocks of one type.
func bodies(value any, nesting schema.Nesting) []map[string]any {
	var found []map[string]any
	switch value := value.(type) {
	case map[string]any:
		if nesting != schema.Map {
			return []map[string]any{value}
		}
		for _, label := range slices.Sorted(maps.Keys(value)) {
			if body, ok := value[label].(map[string]any); ok {
				found = append(found, body)
			}
		}
	case []any:
		for _, element := range value {
			if body, ok := element.(map[string]any); ok {
				found = append(found, body)
			}
		}
	}
	return found
}

// knownNames reports names at the top level that the schema lacks; deeper ones are
// the plugin's to report.
func knownNames(b schema.Block, settings map[string]any, prefix string) error {
	known := map[string]bool{}
	for _, a := range b.Attributes {
		known[a.Name] = true
	}
	for _, bt := range b.Blocks {
		known[bt.Name] = true
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("%q is not a setting", prefix+name))
		}
	}
	return errors.Join(errs...)
}
