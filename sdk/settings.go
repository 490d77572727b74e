package sdk

// A Fault is something wrong with the settings of a source or sink.
type Fault struct {
	// Path names the attribute, as in `port`, `retry.max`, `rules[1].name` or
	// `headers["X-Key"]`; empty for the block as a whole.
	Path string
	// Summary says what is wrong in a few words, Detail how to mend it. Neither may
	// quote a sensitive value.
	Summary, Detail string
}

// A Validator is a settings struct that checks more than its tags can say. The
// agent shows each fault at its line of the user's file.
type Validator interface {
	// Validate is called with all settings decoded and their tags' rules met. It
	// must not touch the network or the disk.
	Validate() []Fault
}
