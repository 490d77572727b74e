package filter

import (
	"fmt"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A list is one list of a [Config] with the field of the envelope it is about.
type list struct {
	attribute string
	elements  []string
	exclude   bool
	field     func(*sdk.Event) string
}

func (c Config) lists() []list {
	return []list{
		{"event_names", c.EventNames, false, eventName},
		{"exclude_event_names", c.ExcludeEventNames, true, eventName},
		{"event_sources", c.EventSources, false, eventSource},
		{"exclude_event_sources", c.ExcludeEventSources, true, eventSource},
		{"regions", c.Regions, false, region},
		{"exclude_regions", c.ExcludeRegions, true, region},
		{"accounts", c.Accounts, false, account},
		{"exclude_accounts", c.ExcludeAccounts, true, account},
		{"principals", c.Principals, false, principal},
		{"exclude_principals", c.ExcludePrincipals, true, principal},
		{"error_codes", c.ErrorCodes, false, errorCode},
		{"exclude_error_codes", c.ExcludeErrorCodes, true, errorCode},
	}
}

func eventName(e *sdk.Event) string   { return e.Name }
func eventSource(e *sdk.Event) string { return e.Source }
func region(e *sdk.Event) string      { return e.Region }
func account(e *sdk.Event) string     { return e.Account }
func principal(e *sdk.Event) string   { return e.Principal }
func errorCode(e *sdk.Event) string   { return e.ErrorCode }

// A condition is a list made ready for matching.
type condition struct {
	attribute string
	exclude   bool
	field     func(*sdk.Event) string
	patterns  patterns
}

func (l list) compile() condition {
	return condition{
		attribute: l.attribute,
		exclude:   l.exclude,
		field:     l.field,
		patterns:  compilePatterns(l.elements),
	}
}

func (c *condition) holds(e *sdk.Event) bool {
	return c.patterns.match(c.field(e)) != c.exclude
}

// check reports the list if it is empty, and each element that no event can match.
func (l list) check() []Fault {
	if len(l.elements) == 0 {
		detail := "It would keep no event at all. Name what to keep, or remove the attribute to keep everything."
		if l.exclude {
			detail = "It excludes nothing. Name what to exclude, or remove the attribute."
		}
		return []Fault{{Attribute: l.attribute, Index: -1, Start: -1, Summary: "Empty list", Detail: detail}}
	}
	var faults []Fault
	for i, element := range l.elements {
		fault, bad := l.checkElement(element)
		if !bad {
			continue
		}
		fault.Attribute, fault.Index = l.attribute, i
		faults = append(faults, fault)
	}
	return faults
}

func (l list) checkElement(element string) (Fault, bool) {
	if element == "" {
		return Fault{
			Start:   -1,
			Summary: "Empty pattern",
			Detail:  `No event matches it. Write "*" for every event that has the field.`,
		}, true
	}
	if strings.TrimSpace(element) != element {
		return Fault{
			Start:   -1,
			Summary: "Space around a pattern",
			Detail:  fmt.Sprintf("No event matches it. Write %q.", strings.TrimSpace(element)),
		}, true
	}
	// None of these occurs in the fields that lists are about, so an author who
	// writes one means a pattern of another language.
	if i := strings.IndexAny(element, `[]{}^|`); i >= 0 {
		return Fault{
			Start: i, End: i + 1,
			Summary: "Unsupported pattern",
			Detail:  "In a pattern * stands for any characters and ? for one. For a regular expression use where, as in event.eventName.matches(\"^(Create|Delete)\").",
		}, true
	}
	if l.isAccounts() && isNumber(element) && len(element) != accountDigits {
		return Fault{
			Start:   -1,
			Summary: "Not an AWS account",
			Detail:  "An account has 12 digits. Write it in quotes, so that leading zeros stay.",
		}, true
	}
	return Fault{}, false
}

const accountDigits = 12

// isAccounts tells the two lists of account numbers from the others.
func (l list) isAccounts() bool {
	return l.attribute == "accounts" || l.attribute == "exclude_accounts"
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
