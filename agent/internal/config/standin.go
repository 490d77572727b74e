package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// A plugin checks settings that keep to its schema, and some of a faulty block do not.
// So that its other faults are reported at once and not after these are mended, it is
// asked about two blocks in which different values stand in for what is missing or
// wrong. What it says of both, and not of a value that stands in, holds whatever will be
// written there.

// whatever is what the plugin says of a section that is not complete.
func (d *decoder) whatever(kind, typ string, s *section, b schema.Block, settings json.RawMessage) []sdk.Fault {
	least, ok := s.filled(b, "", settings, false)
	most, alsoOK := s.filled(b, "", settings, true)
	if !ok || !alsoOK {
		return nil // a required setting has a pattern that no value at hand fits
	}
	said := d.catalog.Validate(kind, typ, most)
	var kept []sdk.Fault
	for _, f := range d.catalog.Validate(kind, typ, least) {
		if slices.Contains(said, f) && !s.isUncertain(f.Path) {
			kept = append(kept, f)
		}
	}
	return kept
}

// isUncertain reports whether the value at path, as in [sdk.Fault], is not what will be
// there when the section is mended.
func (s *section) isUncertain(path string) bool {
	steps := splitPath(path)
	for n := len(steps); n > 0; n-- {
		if s.uncertain[strings.Join(steps[:n], "")] {
			return true
		}
	}
	if _, exact := s.locate(path); exact || len(s.misnamed) == 0 {
		return false
	}
	return true // one of the names that nobody knows may have meant this one
}

// filled is raw, an object that b describes, with values that keep to the schema. path
// leads to it, with a trailing dot. Settings that may be left out are, unless most. ok is
// false where there is no value to stand in.
func (s *section) filled(b schema.Block, path string, raw json.RawMessage, most bool) (_ json.RawMessage, ok bool) {
	values := map[string]json.RawMessage{}
	_ = json.Unmarshal(raw, &values) // it was encoded by section
	for _, a := range b.Attributes {
		at := path + a.Name
		_, written := values[a.Name]
		switch {
		case s.uncertain[at], !written && a.Required, !written && s.misnamed[path] && a.OneOf == "":
			delete(values, a.Name)
			needed := a.Required || a.OneOf != ""
			if !needed && !most {
				continue
			}
			v, found := standIn(a, most)
			if !found && needed {
				return nil, false
			}
			if found {
				values[a.Name] = v
			}
		case written && a.Type == schema.ListOfString:
			if values[a.Name], ok = s.filledList(a, at, values[a.Name], most); !ok {
				return nil, false
			}
		case written && a.Type == schema.MapOfString:
			if values[a.Name], ok = s.filledMap(a, at, values[a.Name], most); !ok {
				return nil, false
			}
		}
	}
	for _, bt := range b.Blocks {
		v, ok := s.filledBlock(bt, path+bt.Name, values[bt.Name], most)
		if !ok {
			return nil, false
		}
		if v != nil {
			values[bt.Name] = v
		}
	}
	given := func(name string) bool { return values[name] != nil }
	return marshal(values), len(b.CheckOneOf(given)) == 0
}

// filledList replaces the elements of a list that are wrong.
func (s *section) filledList(a schema.Attribute, path string, raw json.RawMessage, most bool) (json.RawMessage, bool) {
	var list []string
	_ = json.Unmarshal(raw, &list)
	texts := textsFor(a)
	for i := range list {
		if !s.uncertain[path+"["+strconv.Itoa(i)+"]"] {
			continue
		}
		if len(texts) == 0 {
			return nil, false
		}
		list[i] = pick(texts, most)
	}
	return marshal(list), true
}

// filledMap replaces the values of a map that are wrong.
func (s *section) filledMap(a schema.Attribute, path string, raw json.RawMessage, most bool) (json.RawMessage, bool) {
	m := map[string]string{}
	_ = json.Unmarshal(raw, &m)
	texts := textsFor(a)
	for key := range m {
		if !s.uncertain[path+"["+strconv.Quote(key)+"]"] {
			continue
		}
		if len(texts) == 0 {
			return nil, false
		}
		m[key] = pick(texts, most)
	}
	return marshal(m), true
}

// filledBlock fills the nested blocks of one type; nil if there are none and need not be.
func (s *section) filledBlock(bt schema.BlockType, path string, raw json.RawMessage, most bool) (json.RawMessage, bool) {
	if raw == nil && !bt.Required {
		return nil, true
	}
	switch bt.Nesting {
	case schema.List:
		list := []json.RawMessage{}
		_ = json.Unmarshal(raw, &list)
		if len(list) == 0 {
			list = append(list, json.RawMessage("{}"))
		}
		for i := range list {
			var ok bool
			if list[i], ok = s.filled(bt.Block, path+"["+strconv.Itoa(i)+"].", list[i], most); !ok {
				return nil, false
			}
		}
		return marshal(list), true
	case schema.Map:
		m := map[string]json.RawMessage{}
		_ = json.Unmarshal(raw, &m)
		if len(m) == 0 {
			m["a"] = json.RawMessage("{}")
		}
		for label := range m {
			var ok bool
			if m[label], ok = s.filled(bt.Block, path+"["+strconv.Quote(label)+"].", m[label], most); !ok {
				return nil, false
			}
		}
		return marshal(m), true
	}
	if raw == nil {
		raw = json.RawMessage("{}")
	}
	return s.filled(bt.Block, path+".", raw, most)
}

// standIn is a value that keeps to a's rules; the last of some if most.
func standIn(a schema.Attribute, most bool) (json.RawMessage, bool) {
	var candidates []json.RawMessage
	switch a.Type {
	case schema.Bool:
		candidates = []json.RawMessage{marshal(false), marshal(true)}
	case schema.Int, schema.Number, schema.Duration, schema.Size:
		for _, bound := range []*float64{a.Min, a.Max} {
			if bound != nil {
				candidates = append(candidates, marshal(int64(*bound)))
			}
		}
		candidates = append(candidates, marshal(1), marshal(2))
	case schema.ListOfString, schema.MapOfString:
		n := 1
		if a.Min != nil {
			n = max(n, int(*a.Min))
		}
		for _, text := range textsFor(a) {
			list, m := []string{}, map[string]string{}
			for i := range n {
				list = append(list, text)
				m["a"+strconv.Itoa(i)] = text
			}
			if a.Type == schema.ListOfString {
				candidates = append(candidates, marshal(list))
			} else {
				candidates = append(candidates, marshal(m))
			}
		}
	default:
		for _, text := range textsFor(a) {
			candidates = append(candidates, marshal(text))
		}
	}
	candidates = slices.DeleteFunc(candidates, func(v json.RawMessage) bool { return len(a.Check(v)) > 0 })
	if len(candidates) == 0 {
		return nil, false
	}
	return pick(candidates, most), true
}

// textsFor are texts that keep to a's enum and pattern.
func textsFor(a schema.Attribute) []string {
	one := a
	one.Type, one.Min, one.Max = schema.String, nil, nil
	texts := slices.Concat(a.Enum, []string{
		"a", "1", "example.com", "https://example.com/", "/a", "us-east-1", "111122223333",
		"arn:aws:iam::111122223333:role/a", "b", "00000000-0000-4000-8000-000000000000", strings.Repeat("0", 64), "a b",
	})
	return slices.DeleteFunc(texts, func(s string) bool { return len(one.Check(marshal(s))) > 0 })
}

func pick[T any](from []T, last bool) T {
	if last {
		return from[len(from)-1]
	}
	return from[0]
}
