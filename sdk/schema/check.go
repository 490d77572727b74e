package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Violation is a value that breaks a rule of its attribute.
type Violation struct {
	// Step leads from the attribute to the element at fault, as in `[2]` or
	// `["X-Key"]`; empty for the value as a whole.
	Step string
	// Summary says what is wrong in a few words, Detail what the rule is. Neither
	// quotes the value of a sensitive attribute.
	Summary, Detail string
}

// Check holds value, as it is on the wire, against the attribute's type, enum,
// pattern and bounds. null stands for an absent value and breaks no rule.
func (a Attribute) Check(value json.RawMessage) []Violation {
	if string(value) == "null" {
		return nil
	}
	if !fits(a.Type, value) {
		return []Violation{{Summary: "Wrong type", Detail: fmt.Sprintf("%q must be %s.", a.Name, a.Type.wanted())}}
	}
	switch a.Type {
	case String:
		return a.checkText("", read[string](value))
	case Int, Duration, Size, Number:
		return a.checkBounds(read[float64](value))
	case ListOfString:
		list := read[[]string](value)
		found := a.checkBounds(float64(len(list)))
		for i, s := range list {
			found = append(found, a.checkText("["+strconv.Itoa(i)+"]", s)...)
		}
		return found
	case MapOfString:
		m := read[map[string]string](value)
		found := a.checkBounds(float64(len(m)))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			found = append(found, a.checkText("["+strconv.Quote(k)+"]", m[k])...)
		}
		return found
	}
	return nil
}

// A group are the settings of a block of which exactly one must be given.
type group struct {
	word  string
	names []string
}

// groups are in the order of their first settings.
func (b Block) groups() []group {
	var found []group
	add := func(word, name string) {
		if word == "" {
			return
		}
		i := slices.IndexFunc(found, func(g group) bool { return g.word == word })
		if i < 0 {
			i, found = len(found), append(found, group{word: word})
		}
		found[i].names = append(found[i].names, name)
	}
	for _, a := range b.Attributes {
		add(a.OneOf, a.Name)
	}
	for _, bt := range b.Blocks {
		add(bt.OneOf, bt.Name)
	}
	return found
}

// Alternatives are the names of the settings and blocks of which exactly one must be
// given and name is one; nil if name stands for itself.
func (b Block) Alternatives(name string) []string {
	for _, g := range b.groups() {
		if slices.Contains(g.names, name) {
			return g.names
		}
	}
	return nil
}

// CheckOneOf holds what is given in a block against its one_of rules. A violation's
// Step is the name of the setting that is too many, or empty where one is missing.
func (b Block) CheckOneOf(given func(name string) bool) []Violation {
	var violations []Violation
	for _, g := range b.groups() {
		var present []string
		for _, name := range g.names {
			if given(name) {
				present = append(present, name)
			}
		}
		if len(present) == 0 {
			violations = append(violations, Violation{
				Summary: "Missing setting", Detail: fmt.Sprintf("One of %s is required here.", quoteAll(g.names)),
			})
			continue
		}
		for _, name := range present[1:] {
			violations = append(violations, Violation{
				Step: name, Summary: "Too many settings",
				Detail: fmt.Sprintf("%q cannot stand beside %q: exactly one of %s is required here.", name, present[0], quoteAll(g.names)),
			})
		}
	}
	return violations
}

// Secrets are the texts and numbers in sensitive attributes of settings, a JSON object
// that b describes. What does not fit b is left out.
func (b Block) Secrets(settings json.RawMessage) []string {
	given, err := object(settings)
	if err != nil {
		return nil
	}
	var found []string
	for _, a := range b.Attributes {
		if a.Sensitive {
			found = append(found, textsIn(given[a.Name])...)
		}
	}
	for _, bt := range b.Blocks {
		for _, body := range bodiesIn(given[bt.Name], bt.Nesting) {
			found = append(found, bt.Block.Secrets(body)...)
		}
	}
	return found
}

// textsIn are the texts and numbers in a JSON value, without the names of objects.
func textsIn(value json.RawMessage) []string {
	if len(value) == 0 {
		return nil
	}
	switch value[0] {
	case '"':
		return []string{read[string](value)}
	case '[':
		var found []string
		for _, element := range read[[]json.RawMessage](value) {
			found = append(found, textsIn(element)...)
		}
		return found
	case '{':
		var found []string
		elements := read[map[string]json.RawMessage](value)
		for _, name := range slices.Sorted(maps.Keys(elements)) {
			found = append(found, textsIn(elements[name])...)
		}
		return found
	case 't', 'f', 'n':
		return nil
	}
	return []string{string(value)}
}

// bodiesIn are the bodies of the blocks of one type.
func bodiesIn(value json.RawMessage, nesting Nesting) []json.RawMessage {
	switch nesting {
	case List:
		return read[[]json.RawMessage](value)
	case Map:
		return slices.Collect(maps.Values(read[map[string]json.RawMessage](value)))
	}
	return []json.RawMessage{value}
}

// wanted says in words what a value of type t is on the wire.
func (t Type) wanted() string {
	switch t {
	case String:
		return "a string"
	case Bool:
		return "true or false"
	case Int:
		return "a whole number"
	case Number:
		return "a number"
	case Duration:
		return "a whole number of nanoseconds"
	case Size:
		return "a whole number of bytes"
	case ListOfString:
		return "a list of strings"
	case MapOfString:
		return "a map of strings"
	}
	return "of the unknown type " + strconv.Quote(string(t))
}

// read decodes a value that [fits].
func read[T any](value json.RawMessage) (v T) {
	_ = json.Unmarshal(value, &v)
	return v
}

func (a Attribute) checkText(step, s string) []Violation {
	if len(a.Enum) > 0 && !slices.Contains(a.Enum, s) {
		return []Violation{{
			Step:    step,
			Summary: "Value not allowed",
			Detail:  fmt.Sprintf("%s must be one of %s%s.", strconv.Quote(a.Name+step), quoteAll(a.Enum), a.butIs(s)),
		}}
	}
	if a.Pattern == "" {
		return nil
	}
	re, err := regexp.Compile(a.Pattern)
	if err != nil {
		return []Violation{{
			Step:    step,
			Summary: "Broken schema",
			Detail:  fmt.Sprintf("The pattern of %q cannot be used: %v.", a.Name, err),
		}}
	}
	if re.MatchString(s) {
		return nil
	}
	return []Violation{{
		Step:    step,
		Summary: "Value not allowed",
		Detail:  fmt.Sprintf("%s must match %s%s.", strconv.Quote(a.Name+step), a.Pattern, a.butIs(s)),
	}}
}

// butIs quotes a value that is no secret.
func (a Attribute) butIs(s string) string {
	if a.Sensitive {
		return ""
	}
	return ", not " + strconv.Quote(s)
}

func (a Attribute) checkBounds(n float64) []Violation {
	var rule string
	switch {
	case a.Min != nil && n < *a.Min:
		rule = "at least " + a.amount(*a.Min)
	case a.Max != nil && n > *a.Max:
		rule = "at most " + a.amount(*a.Max)
	default:
		return nil
	}
	v := Violation{Summary: "Value out of range", Detail: fmt.Sprintf("%q must be %s.", a.Name, rule)}
	if a.Type == ListOfString || a.Type == MapOfString {
		v.Summary = "Wrong number of elements"
		v.Detail = fmt.Sprintf("%q must have %s.", a.Name, rule)
	}
	return []Violation{v}
}

// amount writes a bound in the unit of the attribute.
func (a Attribute) amount(n float64) string {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	switch {
	case a.Type == Duration:
		return FormatDuration(time.Duration(n))
	case a.Type == Size:
		return FormatSize(int64(n))
	case a.Type != ListOfString && a.Type != MapOfString:
		return text
	case n == 1:
		return "1 element"
	}
	return text + " elements"
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}
