package schema

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Of returns the schema of v, a settings struct or a pointer to one; only its type
// matters. An error is a bug of the plugin's author: it names every field at fault.
func Of(v any) (Block, error) {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return Block{}, fmt.Errorf("settings are a %T, not a struct", v)
	}
	s, err := structOf(t, nil)
	return s.block, err
}

// A structure is a struct type together with the schema it stands for.
type structure struct {
	block  Block
	fields []field
}

// A field is one setting of a structure: an attribute, or a block with its body.
type field struct {
	index int // of the struct's field
	attr  *Attribute
	block *BlockType
	body  structure
}

// structOf reads the tags of t. outer are the structs around it, to notice a type
// that contains itself.
func structOf(t reflect.Type, outer []reflect.Type) (structure, error) {
	if slices.Contains(outer, t) {
		return structure{}, fmt.Errorf("%s: the block contains itself", t)
	}
	outer = append(slices.Clip(outer), t)
	var s structure
	var errs []error
	seen := map[string]string{}
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" {
			s.block.Doc = sf.Tag.Get("desc")
			continue
		}
		if !sf.IsExported() || sf.Tag.Get("agent") == "-" {
			continue
		}
		f, name, err := fieldOf(sf, outer)
		if err == nil && seen[name] != "" {
			err = fmt.Errorf("the name %q is taken by field %s", name, seen[name])
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: %w", t, sf.Name, err))
			continue
		}
		seen[name] = sf.Name
		f.index = i
		s.add(f)
	}
	for _, g := range s.block.groups() {
		if len(g.names) < 2 && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("%s: the tag one_of:%q stands on %q alone", t, g.word, g.names[0]))
		}
	}
	return s, errors.Join(errs...)
}

func (s *structure) add(f field) {
	s.fields = append(s.fields, f)
	if f.attr != nil {
		s.block.Attributes = append(s.block.Attributes, *f.attr)
		return
	}
	s.block.Blocks = append(s.block.Blocks, *f.block)
}

var (
	validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	knownTags = []string{
		"agent", "desc", "default", "optional", "sensitive", "enum", "min", "max", "pattern", "format", "one_of",
	}
)

func fieldOf(sf reflect.StructField, outer []reflect.Type) (field, string, error) {
	if err := checkTags(sf.Tag); err != nil {
		return field{}, "", err
	}
	name, option, _ := strings.Cut(sf.Tag.Get("agent"), ",")
	switch {
	case name == "":
		return field{}, "", errors.New(`no agent tag (write agent:"-" for a field that is not a setting)`)
	case !validName.MatchString(name):
		return field{}, "", fmt.Errorf("the name %q is not in snake_case", name)
	case option == "block":
		f, err := blockOf(sf, name, outer)
		return f, name, err
	case option != "":
		return field{}, "", fmt.Errorf("unknown option %q in the agent tag", option)
	}
	f, err := attributeOf(sf, name)
	return f, name, err
}

// checkTags refuses misspelt keys, which would otherwise be ignored in silence.
// Keys of other packages, such as json, are refused too: they would mislead.
func checkTags(tag reflect.StructTag) error {
	rest := strings.TrimSpace(string(tag))
	for rest != "" {
		key, after, found := strings.Cut(rest, `:"`)
		if !found {
			return fmt.Errorf("malformed struct tag `%s`", tag)
		}
		if !slices.Contains(knownTags, key) {
			return fmt.Errorf("unknown tag %q", key)
		}
		end := closingQuote(after)
		if end < 0 {
			return fmt.Errorf("malformed struct tag `%s`", tag)
		}
		rest = strings.TrimLeft(after[end+1:], " ")
	}
	for _, key := range []string{"optional", "sensitive"} {
		if v, ok := tag.Lookup(key); ok && v != "true" {
			return fmt.Errorf("tag %s is %q; only \"true\" has a meaning", key, v)
		}
	}
	return nil
}

// closingQuote is the index of the first quote in s that no backslash escapes.
func closingQuote(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func blockOf(sf reflect.StructField, name string, outer []reflect.Type) (field, error) {
	for _, key := range []string{"default", "sensitive", "enum", "max", "pattern", "format"} {
		if _, ok := sf.Tag.Lookup(key); ok {
			return field{}, fmt.Errorf("tag %s has no meaning on a block", key)
		}
	}
	b := &BlockType{Name: name, Doc: sf.Tag.Get("desc"), OneOf: sf.Tag.Get("one_of")}
	t := sf.Type
	optional := sf.Tag.Get("optional") == "true"
	lower, bounded := sf.Tag.Lookup("min")
	switch {
	case t.Kind() == reflect.Struct:
		b.Nesting, b.Required = Single, !optional
	case t.Kind() == reflect.Pointer:
		b.Nesting, t = Single, t.Elem()
	case t.Kind() == reflect.Slice:
		b.Nesting, b.Required, t = List, lower == "1", t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		b.Nesting, b.Required, t = Map, lower == "1", t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return field{}, fmt.Errorf("type %s cannot be a block", sf.Type)
	}
	if bounded && (b.Nesting == Single || lower != "1") {
		return field{}, errors.New(`on a block only min:"1" has a meaning, and only if it can be repeated`)
	}
	if b.OneOf != "" && (sf.Type.Kind() == reflect.Struct || b.Required) {
		return field{}, errors.New("a block with the tag one_of must be a pointer, or one that can be repeated and need not be there")
	}
	body, err := structOf(t, outer)
	if err != nil {
		return field{}, err
	}
	if optional && sf.Type.Kind() == reflect.Struct && body.needsInput() {
		return field{}, errors.New("an optional block with required settings must be a pointer")
	}
	b.Block = body.block
	return field{block: b, body: body}, nil
}

func (s structure) needsInput() bool {
	return slices.ContainsFunc(s.block.Attributes, func(a Attribute) bool { return a.Required }) ||
		slices.ContainsFunc(s.block.Blocks, func(b BlockType) bool { return b.Required })
}

func attributeOf(sf reflect.StructField, name string) (field, error) {
	typ, err := typeOf(sf)
	if err != nil {
		return field{}, err
	}
	a := &Attribute{
		Name:      name,
		Doc:       sf.Tag.Get("desc"),
		Type:      typ,
		Sensitive: sf.Tag.Get("sensitive") == "true",
		OneOf:     sf.Tag.Get("one_of"),
	}
	if err := a.setRules(sf.Tag); err != nil {
		return field{}, err
	}
	text, hasDefault := sf.Tag.Lookup("default")
	a.Required = !hasDefault && a.OneOf == "" && sf.Tag.Get("optional") != "true" && sf.Type.Kind() != reflect.Pointer
	if hasDefault && a.OneOf != "" {
		return field{}, errors.New("a setting with the tag one_of cannot have a default: it would always be given")
	}
	if !hasDefault {
		return field{attr: a}, nil
	}
	a.Default, err = parseDefault(typ, text)
	if err != nil {
		return field{}, fmt.Errorf("tag default: %w", err)
	}
	if v := a.Check(a.Default); len(v) > 0 {
		return field{}, fmt.Errorf("tag default: %s", v[0].Detail)
	}
	return field{attr: a}, nil
}

func typeOf(sf reflect.StructField) (Type, error) {
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	format := sf.Tag.Get("format")
	switch {
	case format == "size" && t == reflect.TypeFor[int64]():
		return Size, nil
	case format != "":
		return "", fmt.Errorf("format %q has no meaning for %s", format, sf.Type)
	}
	switch t {
	case reflect.TypeFor[string]():
		return String, nil
	case reflect.TypeFor[bool]():
		return Bool, nil
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return Int, nil
	case reflect.TypeFor[float64]():
		return Number, nil
	case reflect.TypeFor[time.Duration]():
		return Duration, nil
	}
	switch sf.Type {
	case reflect.TypeFor[[]string]():
		return ListOfString, nil
	case reflect.TypeFor[map[string]string]():
		return MapOfString, nil
	}
	return "", fmt.Errorf("type %s cannot be a setting", sf.Type)
}

func (a *Attribute) setRules(tag reflect.StructTag) error {
	textual := a.Type == String || a.Type == ListOfString || a.Type == MapOfString
	if enum, ok := tag.Lookup("enum"); ok {
		if !textual {
			return fmt.Errorf("tag enum has no meaning for a %s", a.Type)
		}
		a.Enum = strings.Split(enum, ",")
	}
	if pattern, ok := tag.Lookup("pattern"); ok {
		if !textual {
			return fmt.Errorf("tag pattern has no meaning for a %s", a.Type)
		}
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("tag pattern: %w", err)
		}
		a.Pattern = pattern
	}
	var err error
	if a.Min, err = bound(a.Type, tag, "min"); err != nil {
		return err
	}
	if a.Max, err = bound(a.Type, tag, "max"); err != nil {
		return err
	}
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		return errors.New("tag min is greater than tag max")
	}
	return nil
}

func bound(typ Type, tag reflect.StructTag, key string) (*float64, error) {
	text, ok := tag.Lookup(key)
	if !ok {
		return nil, nil
	}
	v, err := parseBound(typ, text)
	if err != nil {
		return nil, fmt.Errorf("tag %s: %w", key, err)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("tag %s: %q is not finite", key, text)
	}
	return &v, nil
}
