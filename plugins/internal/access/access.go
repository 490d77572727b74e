// Package access helps plugins to say what they may do and what they need: the findings
// of a live check, and statements of AWS policies.
package access

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Report gathers findings in the order in which they are made.
type Report struct{ Findings []sdk.Finding }

// OK notes that something works; what it is in words is the rest.
func (r *Report) OK(subject, format string, args ...any) {
	r.add(sdk.CheckOK, subject, fmt.Sprintf(format, args...), "")
}

// Warn notes what works but should be better, or could not be looked at.
func (r *Report) Warn(subject, detail, fix string) { r.add(sdk.CheckWarning, subject, detail, fix) }

// Fail notes why something does not work. Errors of this project say what to do.
func (r *Report) Fail(subject string, err error, fix string) {
	r.add(sdk.CheckFailed, subject, err.Error(), fix)
}

func (r *Report) add(state sdk.CheckState, subject, detail, fix string) {
	r.Findings = append(r.Findings, sdk.Finding{Subject: subject, State: state, Detail: oneLine(detail), Fix: oneLine(fix)})
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// tolerated is how far a clock may be off before it is worth a word. AWS refuses
// requests from 15 minutes on (S3 API reference, RequestTimeTooSkewed).
const tolerated = time.Minute

// Clock compares this machine's clock with another's, read at about the same time.
func (r *Report) Clock(whose string, theirs, ours time.Time) {
	off := ours.Sub(theirs).Round(time.Second)
	switch {
	case off.Abs() <= tolerated:
		r.OK("clock", "within %s of that of %s", max(off.Abs(), time.Second), whose)
	case off > 0:
		r.Warn("clock", fmt.Sprintf("%s ahead of that of %s", off, whose), "synchronise this machine's clock, for instance with chrony")
	default:
		r.Warn("clock", fmt.Sprintf("%s behind that of %s", off.Abs(), whose), "synchronise this machine's clock, for instance with chrony")
	}
}

// Allow is an IAM right in the form of a policy's statement.
func Allow(comment string, actions []string, resources []string, condition map[string]any) sdk.Right {
	statement := map[string]any{"Effect": "Allow", "Action": actions, "Resource": resources}
	if condition != nil {
		statement["Condition"] = condition
	}
	text, err := json.Marshal(statement)
	if err != nil {
		panic(fmt.Sprintf("access: encode a statement: %v", err)) // strings alone
	}
	return sdk.Right{System: "iam", Comment: comment, Statement: string(text)}
}
