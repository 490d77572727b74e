package sdk

import "context"

// A Checker is a Source or Sink that can try its access, for `agent check`: what a
// person would otherwise learn from errors, one at a time.
type Checker interface {
	// Check tries everything that the plugin needs from outside and returns a finding for
	// each thing, in the order in which a person would mend them. It changes nothing that
	// lasts, goes on after a failure, and keeps to ctx, which ends after a minute or less.
	// It may be called concurrently with any other method.
	Check(ctx context.Context) []Finding
}

// A Finding is what a [Checker] found out about one thing.
type Finding struct {
	// Subject names the thing in a few words, as in `credentials` or `queue attributes`.
	Subject string
	State   CheckState
	// Detail is what was found, in one line; for a failure the reason. No secrets.
	Detail string
	// Fix is what to do about a warning or failure, in one line.
	Fix string
}

// CheckState grades a [Finding].
type CheckState uint8

const (
	// CheckOK needs nothing.
	CheckOK CheckState = iota
	// CheckWarning works, but not as well or as safely as it should, or could not be
	// looked at.
	CheckWarning
	// CheckFailed keeps the plugin from doing its work.
	CheckFailed
)

// A Grantee is a settings struct that knows the least rights its plugin works with, for
// `agent check -print-iam` and `-print-grants`.
type Grantee interface {
	// Rights is called with all settings decoded and their tags' rules met. It must not
	// touch the network or the disk.
	Rights() []Right
}

// A Right is one permission in the language of the system that grants it.
type Right struct {
	// System is "iam" for a JSON statement of an AWS policy, or "postgresql" for an SQL
	// statement without its semicolon.
	System string
	// Comment says what it is for, in one line; may be empty.
	Comment   string
	Statement string
}
