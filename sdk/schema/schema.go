// Package schema derives the description of a plugin's settings from the Go struct
// that holds them. The struct is the schema: an author writes tags, the agent
// checks the user's file against them, and the plugin gets the struct filled in.
//
//	type Settings struct {
//		_        struct{}      `desc:"Appends events to a file."`
//		Path     string        `agent:"path" desc:"File to append to."`
//		Mode     string        `agent:"mode" desc:"How to write." default:"append" enum:"append,truncate"`
//		Limit    int64         `agent:"limit" desc:"Largest file." default:"1GiB" format:"size" min:"1MiB"`
//		Flush    time.Duration `agent:"flush" desc:"Time between two flushes." default:"5s" min:"1s"`
//		Key      string        `agent:"key" desc:"Encryption key." optional:"true" sensitive:"true"`
//		Retry    *Retry        `agent:"retry,block" desc:"How to retry."`
//	}
//
// The tags of a field:
//
//	agent      the name in the user's file, in snake_case; "name,block" for a nested
//	           block; "-" for a field that is not a setting
//	desc       documentation, one or two sentences
//	default    the value when the attribute is absent, as the user would write it; the
//	           quotes of a string, duration or size may be left out
//	optional   "true": may be absent, which is the zero value
//	sensitive  "true": the value is never printed
//	enum       the values allowed, separated by commas
//	min, max   bounds of a number, duration or size, or of the length of a list or map;
//	           min:"1" on a repeated or labelled block says that there must be one
//	pattern    a regular expression that the text must match
//	format     "size" makes an int64 a number of bytes, written as 4096 or "32MiB"
//	one_of     any word: of the settings and blocks of one struct that share it exactly
//	           one must be given, as in one_of:"key" on both Key and KeyFile
//
// An attribute is a string, bool, int, int64, float64, [time.Duration], []string or
// map[string]string, or a pointer to one of the first six, which is nil when absent.
// Without default, optional, one_of or pointer it is required. enum and pattern apply to
// each element of a list and each value of a map.
//
// A block is a struct, a *struct (may be absent), a []struct (repeated) or a
// map[string]struct (labelled). A struct with optional:"true" holds its defaults when
// the block is absent.
//
// From the agent the plugin gets a JSON object keyed by these names, with defaults
// filled in, durations as integer nanoseconds and sizes as integer bytes.
package schema

import "encoding/json"

// A Block describes the body of a block, such as all of a plugin's settings. It
// marshals to JSON and back without loss.
type Block struct {
	Doc        string      `json:"doc,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`
	Blocks     []BlockType `json:"blocks,omitempty"`
}

// An Attribute describes one `name = value`.
type Attribute struct {
	Name      string `json:"name"`
	Doc       string `json:"doc,omitempty"`
	Type      Type   `json:"type"`
	Required  bool   `json:"required,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
	// Default is the value when the attribute is absent, as it is sent to the
	// plugin; nil if there is none.
	Default json.RawMessage `json:"default,omitempty"`
	Enum    []string        `json:"enum,omitempty"`
	// Min and Max are inclusive: nanoseconds for a duration, bytes for a size, the
	// number of elements for a list or map.
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	// OneOf is the same word on all attributes and blocks of which exactly one must be
	// given; empty for one that stands for itself.
	OneOf string `json:"one_of,omitempty"`
}

// Type is the type of an attribute.
type Type string

// The types of an attribute.
const (
	String       Type = "string"
	Bool         Type = "bool"
	Int          Type = "int"
	Number       Type = "number"
	Duration     Type = "duration" // integer nanoseconds on the wire
	Size         Type = "size"     // integer bytes on the wire
	ListOfString Type = "list(string)"
	MapOfString  Type = "map(string)"
)

// A BlockType describes a nested block.
type BlockType struct {
	Name    string  `json:"name"`
	Doc     string  `json:"doc,omitempty"`
	Nesting Nesting `json:"nesting"`
	// Required says that there must be one, or at least one.
	Required bool   `json:"required,omitempty"`
	OneOf    string `json:"one_of,omitempty"` // as that of an [Attribute]
	Block    Block  `json:"block"`
}

// Nesting says how often a block may stand, and what it is on the wire.
type Nesting string

// The nestings of a block.
const (
	Single Nesting = "single" // at most once; an object
	List   Nesting = "list"   // any number, in order; an array of objects
	Map    Nesting = "map"    // any number, each with a label of its own; an object of objects
)
