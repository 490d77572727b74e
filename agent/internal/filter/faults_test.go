package filter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each case marks the part of the expression that the fault must point at.
func TestWhereFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		where string // with «» around the fault, or none for all of it
		want  string
	}{
		{"an unknown field", `event.«eventNam» == "A"`, `No CloudTrail field "eventNam": Did you mean "eventName"?`},
		{"an unknown field in other case", `event.«eventId» == "A"`, `No CloudTrail field "eventId": Did you mean "eventID"?`},
		{"the end of a field's name", `event.«region» == "A"`, `No CloudTrail field "region": Did you mean "awsRegion"?`},
		{"an unknown field like no other", `event.«xx» == "A"`, `No CloudTrail field "xx": A record has the top-level fields of CloudTrail's record versions 1.0 to 1.11.`},
		{"an unknown field in has", `has(event.«xx»)`, `No CloudTrail field "xx": A record has the top-level fields of CloudTrail's record versions 1.0 to 1.11.`},
		{"an unknown field behind space", "event\n . «eventNam» == 'A'", `No CloudTrail field "eventNam": Did you mean "eventName"?`},
		{"an unknown field on a later line, behind text that is not ASCII", "// é\nevent.eventName == 'é'\n\t&& event.«eventNam» == 'A'", `No CloudTrail field "eventNam": Did you mean "eventName"?`},
		{"a field without event", `«eventName» == "A"`, `Unknown name "eventName": Did you mean "event.eventName"?`},
		{"an unknown name", `"é" == "" || «evnt».eventName == "A"`, `Invalid expression: Undeclared reference to 'evnt' (did you mean 'event'?).`},
		{"an unknown function", `event.eventName.«begins»("A")`, `Invalid expression: Undeclared reference to 'begins'.`},
		{"the record as a value", `«event» != null`, `Record used as a value: Name one of its fields, as in event.eventName.`},
		{"the record behind dyn", `dyn(«event»).x == 1`, `Record used as a value: Name one of its fields, as in event.eventName.`},
		{"a loop variable called event", `event.resources.«exists»(event, true)`, `Loop variable hides the record: Choose another name than "event".`},
		{"a text compared with a number", `event.eventName «==» 5`, `Invalid expression: Found no matching overload for '_==_' applied to '(nullable(string), int)'.`},
		{"a text as a condition", `«!»event.eventName`, `Invalid expression: Found no matching overload for '!_' applied to '(nullable(string))'.`},
		{"a bad regular expression", `event.eventName.matches(«"("»)`, `Invalid expression: Invalid matches argument.`},
		{"a bad regular expression in an argument", `matches(event.eventName, "(")`, "Invalid expression: Error parsing regexp: missing closing ): `(`."},
		{"a huge regular expression", `event.eventName.matches(«"(a{100}){100}"»)`, `Invalid expression: Invalid matches argument.`},
		{"a bad time", `timestamp(event.eventTime) > timestamp(«"soon"»)`, `Invalid expression: Invalid timestamp argument.`},
		{"a bad duration", `duration(«'1 day'») > duration("1h")`, `Invalid expression: Invalid duration argument.`},
		{"a function that is barred", `event.eventName.«replace»("A", event.userAgent) == "A"`, `Function "replace" is not available: The text it makes could be too long. Compare with contains, startsWith, endsWith or matches.`},
		{"an expression that may be null", `event.readOnly`, `Expression is not true or false: The field may be absent. Compare it, as in event.readOnly == true.`},
		{"an expression of unknown type", `event.additionalEventData.MFAUsed`, `Expression is not true or false: Its type depends on the record. Compare it, as in event.additionalEventData.MFAUsed == "Yes".`},
		{"an expression of another type", `event.eventName`, `Expression is not true or false: Its type is string. Compare it, as in event.eventName == "ConsoleLogin".`},
		{"an expression that ends too early", `event.eventName == "A" «&&» `, `Syntax error in the expression: It ends too early.`},
		{"an expression that ends in a name", `event.resources.exists(r, «r»`, `Syntax error in the expression: Missing ')' at the end.`},
		{"an expression that ends in a bracket", `(event.eventName == "A" && («(»`, `Syntax error in the expression: It ends too early.`},
		{"a single equals sign", `event.eventName «=» "A"`, `Syntax error in the expression: Token recognition error at: '= '.`},
		{"a text that is not closed", `event.eventName == «"A»`, `Syntax error in the expression: Token recognition error at: '"A'.`},
		{"an operator too many", `event.readOnly == true || «||» true`, `Syntax error in the expression: Extraneous input '||'.`},
		{"a word for an operator", `event.readOnly == true «and» true`, `Syntax error in the expression: Mismatched input 'and'.`},
		{"nothing but space", " \n ", `Syntax error in the expression: It ends too early.`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			where, start, end := unmark(tc.where)
			_, faults := Compile(Config{Where: where})
			if len(faults) != 1 {
				t.Fatalf("faults = %+v, want one", faults)
			}
			got := faults[0]
			if text := got.Summary + ": " + got.Detail; text != tc.want {
				t.Errorf("fault reads\n%s, want\n%s", text, tc.want)
			}
			if got.Start != start || start >= 0 && got.End != end {
				t.Errorf("fault is at %d-%d, want %d-%d", got.Start, got.End, start, end)
			}
			if got.Attribute != "where" || got.Index != -1 {
				t.Errorf("fault is of %s[%d], want where", got.Attribute, got.Index)
			}
		})
	}
}

func unmark(marked string) (text string, start, end int) {
	before, rest, found := strings.Cut(marked, "«")
	if !found {
		return marked, -1, 0
	}
	fault, after, _ := strings.Cut(rest, "»")
	return before + fault + after, len(before), len(before) + len(fault)
}

func TestListFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config Config
		want   []Fault
	}{
		{
			"an empty list",
			Config{EventNames: []string{}},
			[]Fault{{"event_names", -1, -1, 0, "Empty list", "It would keep no event at all. Name what to keep, or remove the attribute to keep everything."}},
		},
		{
			"an empty list of exclusions",
			Config{ExcludeRegions: []string{}},
			[]Fault{{"exclude_regions", -1, -1, 0, "Empty list", "It excludes nothing. Name what to exclude, or remove the attribute."}},
		},
		{
			"an empty element",
			Config{ErrorCodes: []string{"AccessDenied", ""}},
			[]Fault{{"error_codes", 1, -1, 0, "Empty pattern", `No event matches it. Write "*" for every event that has the field.`}},
		},
		{
			"space around an element",
			Config{Principals: []string{" a b"}},
			[]Fault{{"principals", 0, -1, 0, "Space around a pattern", `No event matches it. Write "a b".`}},
		},
		{
			"a pattern of another language",
			Config{EventSources: []string{"é[ab]"}},
			[]Fault{{"event_sources", 0, 2, 3, "Unsupported pattern", "In a pattern * stands for any characters and ? for one. For a regular expression use where, as in event.eventName.matches(\"^(Create|Delete)\")."}},
		},
		{
			"an account that lost its leading zero",
			Config{Accounts: []string{"12345678901"}},
			[]Fault{{"accounts", 0, -1, 0, "Not an AWS account", "An account has 12 digits. Write it in quotes, so that leading zeros stay."}},
		},
		{"accounts that are no numbers or patterns", Config{ExcludeAccounts: []string{"anonymous", "1234*", "012345678901"}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Compile(tc.config)
			if diff := cmp.Diff(tc.want, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllFaultsAreReportedInOrder(t *testing.T) {
	f, faults := Compile(Config{
		ExcludeErrorCodes: []string{"a", "", "b", "{c}"},
		EventNames:        []string{},
		ExcludeAccounts:   []string{"1"},
		Where:             `nobody == 1 && event.aa == event.bb && event.eventName.replace("a", "b") == cc`,
	})
	if f != nil {
		t.Error("Compile returned a filter beside its faults")
	}
	var got []string
	for _, fault := range faults {
		got = append(got, fmt.Sprintf("%s[%d] %d: %s", fault.Attribute, fault.Index, fault.Start, fault.Summary))
	}
	want := []string{
		"event_names[-1] -1: Empty list",
		"exclude_accounts[0] -1: Not an AWS account",
		"exclude_error_codes[1] -1: Empty pattern",
		"exclude_error_codes[3] 0: Unsupported pattern",
		"where[-1] 0: Invalid expression",
		`where[-1] 21: No CloudTrail field "aa"`,
		`where[-1] 33: No CloudTrail field "bb"`,
		`where[-1] 55: Function "replace" is not available`,
		"where[-1] 76: Invalid expression",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// FuzzCompile checks that no expression makes Compile or Match panic, that faults
// point into the expression, and that the fingerprint's form of an expression
// means the same: it compiles, and to itself.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `event`, `event.`, `.event`, `event.eventName == "A"`, `event.readOnly != true || event.errorCode != null`,
		`event.resources.exists(r, has(r.ARN) && r.ARN.startsWith("a"))`, `event.userIdentity["type"] in ["Root", 1, 2.5, b"x"]`,
		`timestamp(event.eventTime).getHours() < 6`, `event.eventName.matches("^a+$")`, `"é" == '''a` + "\n" + `b''' && x.y(`,
		`event.resources.map(r, r.type).filter(t, t != "").size() > 1`, "\xff == event.\xff", `[[[[[[((((((`, `event.eventName == "\`,
	} {
		f.Add(seed)
	}
	event := benchmarkEvent()
	f.Fuzz(func(t *testing.T, where string) {
		filter, faults := Compile(Config{Where: where})
		for _, fault := range faults {
			if fault.Start >= 0 && (fault.Start >= fault.End || fault.End > len(where)) {
				t.Errorf("fault at %d-%d of %d bytes: %+v", fault.Start, fault.End, len(where), fault)
			}
		}
		if filter == nil || filter.where == nil {
			return
		}
		want := filter.Match(&event)
		again := compile(t, Config{Where: filter.where.normal})
		if again.Fingerprint() != filter.Fingerprint() {
			t.Errorf("%q becomes %q and that %q", where, filter.where.normal, again.where.normal)
		}
		if got := again.Match(&event); got.Keep != want.Keep {
			t.Errorf("%q keeps: %t; as %q: %t", where, want.Keep, filter.where.normal, got.Keep)
		}
	})
}
