package schema

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// deepest bounds how deep blocks may be nested; nobody writes settings like that.
const deepest = 16

// Valid reports what is wrong with a description that came from elsewhere, such as from
// a plugin that is not written in Go. What [Of] returns is valid.
func (b Block) Valid() error { return b.valid("", deepest) }

func (b Block) valid(path string, depth int) error {
	if depth == 0 {
		return fmt.Errorf("block %q is nested too deep", path)
	}
	var errs []error
	seen := map[string]bool{}
	note := func(name string, err error) {
		if err == nil && !validName.MatchString(name) {
			err = errors.New("the name is not in snake_case")
		}
		if err == nil && seen[name] {
			err = errors.New("the name is there twice")
		}
		seen[name] = true
		if err != nil {
			errs = append(errs, fmt.Errorf("setting %q: %w", path+name, err))
		}
	}
	for _, a := range b.Attributes {
		note(a.Name, a.valid())
	}
	for _, bt := range b.Blocks {
		note(bt.Name, bt.valid(path, depth))
	}
	for _, g := range b.groups() {
		if len(g.names) < 2 {
			errs = append(errs, fmt.Errorf("setting %q: it is one_of %q alone", path+g.names[0], g.word))
		}
	}
	return errors.Join(errs...)
}

func (a Attribute) valid() error {
	if !slices.Contains([]Type{String, Bool, Int, Number, Duration, Size, ListOfString, MapOfString}, a.Type) {
		return fmt.Errorf("the type %q is unknown", a.Type)
	}
	if _, err := regexp.Compile(a.Pattern); err != nil {
		return fmt.Errorf("the pattern cannot be used: %w", err)
	}
	if a.Default == nil {
		return nil
	}
	if v := a.Check(a.Default); len(v) > 0 {
		return fmt.Errorf("the default breaks a rule: %s", v[0].Detail)
	}
	return nil
}

func (bt BlockType) valid(path string, depth int) error {
	if !slices.Contains([]Nesting{Single, List, Map}, bt.Nesting) {
		return fmt.Errorf("the nesting %q is unknown", bt.Nesting)
	}
	return bt.Block.valid(path+bt.Name+".", depth-1)
}
