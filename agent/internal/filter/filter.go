// Package filter decides which events of a pipeline are kept.
//
// A filter has lists of patterns, each on one field of the event's envelope, and
// an expression in CEL over the whole record. All of them must hold for an event
// to be kept. Lists are decided on the envelope alone; the expression decodes only
// those parts of the record that it names and the envelope cannot answer.
package filter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Config is a filter block as the user wrote it. A nil list, a nil ReadOnly and an
// empty Where are conditions that were not given.
//
// The elements of a list are exact values or patterns in which * stands for any
// characters and ? for one; upper and lower case differ. An event must match an
// element of each list, and none of an Exclude list. A field that the event lacks
// matches nothing, "*" included: ErrorCodes of "*" keeps the events that have an
// error, ExcludeErrorCodes of "*" those that have none.
type Config struct {
	EventNames, ExcludeEventNames     []string
	EventSources, ExcludeEventSources []string
	Regions, ExcludeRegions           []string
	Accounts, ExcludeAccounts         []string
	Principals, ExcludePrincipals     []string
	ErrorCodes, ExcludeErrorCodes     []string

	// ReadOnly keeps only the events whose readOnly is true, or only the others.
	// An event that does not say is not read-only, so that a filter for writes
	// loses none.
	ReadOnly *bool

	// Where is an expression in CEL that is true for the events to keep. The
	// variable event is the record, as in event.userIdentity.type == "Root".
	// A known field that the record lacks is null. An event for which the
	// expression has no value, for instance because a key below a field is
	// missing, is kept.
	Where string
}

// A Fault is one thing that is wrong with a [Config].
type Fault struct {
	Attribute string // as users write it: event_names, read_only, where
	Index     int    // of the element in a list; -1 for the attribute as a whole
	// Start and End are byte offsets inside the string at fault. Start is negative
	// where all of it is.
	Start, End int
	// Summary says what is wrong in a few words, Detail how to mend it.
	Summary, Detail string
}

// A Filter keeps or drops events. It is safe for concurrent use, and a nil Filter
// keeps everything.
type Filter struct {
	conditions []condition
	readOnly   *bool
	where      *expression // nil if not given
	identity   string
}

// A Verdict is what a filter says of one event.
type Verdict struct {
	Keep bool
	// Unevaluable is why the expression has no value for the event, which is kept
	// then: an event that nobody can judge must not be lost.
	Unevaluable error
}

// Compile returns the filter that c describes, or everything that is wrong with
// c: the lists in the order of Config's fields, then the expression from left to
// right. The filter is nil if there is a fault.
func Compile(c Config) (*Filter, []Fault) {
	f := &Filter{readOnly: c.ReadOnly}
	faults := f.compileLists(c)
	if c.Where != "" {
		where, whereFaults := compileExpression(c.Where)
		f.where = where
		faults = append(faults, whereFaults...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	f.identity = f.fingerprint()
	return f, nil
}

func (f *Filter) compileLists(c Config) []Fault {
	var faults []Fault
	for _, l := range c.lists() {
		if l.elements == nil {
			continue
		}
		if found := l.check(); len(found) > 0 {
			faults = append(faults, found...)
			continue
		}
		f.conditions = append(f.conditions, l.compile())
	}
	return faults
}

// Match decides about one event. An event with Reject set is kept: it has no
// envelope to go by, and belongs in quarantine.
func (f *Filter) Match(e *sdk.Event) Verdict {
	if f == nil || e.Reject != "" {
		return Verdict{Keep: true}
	}
	for i := range f.conditions {
		if !f.conditions[i].holds(e) {
			return Verdict{}
		}
	}
	if f.readOnly != nil && *f.readOnly != (e.ReadOnly == sdk.True) {
		return Verdict{}
	}
	if f.where == nil {
		return Verdict{Keep: true}
	}
	keep, err := f.where.eval(e)
	if err != nil {
		return Verdict{Keep: true, Unevaluable: fmt.Errorf("evaluate where: %w", err)}
	}
	return Verdict{Keep: keep}
}

// Fingerprint identifies what the filter keeps: two filters with the same
// fingerprint keep the same events. It does not depend on the order of a list, on
// repeated elements or on the layout of the expression. It is empty for a filter
// without conditions.
func (f *Filter) Fingerprint() string {
	if f == nil {
		return ""
	}
	return f.identity
}

// fingerprintVersion changes when the same configuration comes to keep other
// events than before. The agent then reads what earlier versions filtered again.
const fingerprintVersion = "f1"

func (f *Filter) fingerprint() string {
	if len(f.conditions) == 0 && f.readOnly == nil && f.where == nil {
		return ""
	}
	h := sha256.New()
	for i := range f.conditions {
		fmt.Fprintf(h, "%s %q\n", f.conditions[i].attribute, f.conditions[i].patterns.normal())
	}
	if f.readOnly != nil {
		fmt.Fprintf(h, "read_only %t\n", *f.readOnly)
	}
	if f.where != nil {
		fmt.Fprintf(h, "where %q\n", f.where.normal)
	}
	return fingerprintVersion + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}
