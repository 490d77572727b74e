package filter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// whereFault is a fault of the whole expression.
func whereFault(summary, detail string) Fault {
	return Fault{Attribute: "where", Index: -1, Start: -1, Summary: summary, Detail: detail}
}

// whereFaultAt is a fault of the token at a byte offset of source.
func whereFaultAt(source string, offset int, summary, detail string) Fault {
	f := whereFault(summary, detail)
	f.Start, f.End = tokenAt(source, offset)
	return f
}

// isBool reports whether an expression of type t is true or false for every record
// that it has a value for.
func isBool(t *types.Type) bool {
	return t.Kind() == types.BoolKind && !isNullable(t)
}

func isNullable(t *types.Type) bool {
	return t.Kind() != types.DynKind && t.IsAssignableType(types.NullType)
}

func notBoolFault(t *types.Type) Fault {
	const summary = "Expression is not true or false"
	switch {
	case t.Kind() == types.BoolKind:
		return whereFault(summary, "The field may be absent. Compare it, as in event.readOnly == true.")
	case t.Kind() == types.DynKind:
		return whereFault(summary, `Its type depends on the record. Compare it, as in event.additionalEventData.MFAUsed == "Yes".`)
	default:
		return whereFault(summary, fmt.Sprintf(`Its type is %s. Compare it, as in event.eventName == "ConsoleLogin".`, t.TypeName()))
	}
}

// syntaxFault reports the first of the parser's issues: what follows it is mostly
// the parser's attempt to go on.
func syntaxFault(source string, issues []*cel.Error) Fault {
	first := slices.MinFunc(issues, func(a, b *cel.Error) int {
		return cmp.Compare(issueOffset(source, a), issueOffset(source, b))
	})
	return whereFaultAt(source, issueOffset(source, first), "Syntax error in the expression", plainWords(first.Message))
}

// typeFaults translates what the type checker found, but for the expressions that
// have a better worded fault already.
func typeFaults(source string, issues []*cel.Error, reported map[int64]bool) []Fault {
	var faults []Fault
	for _, issue := range issues {
		if !reported[issue.ExprID] {
			faults = append(faults, whereFaultAt(source, issueOffset(source, issue), "Invalid expression", plainWords(issue.Message)))
		}
	}
	return faults
}

// plainWords rewords CEL's messages for people who do not know its insides. Only
// what is shown depends on it.
func plainWords(message string) string {
	message = strings.TrimPrefix(message, "Syntax error: ")
	// The parser goes on with all the tokens it knows, which helps nobody.
	message, _, _ = strings.Cut(message, " expecting ")
	message = strings.NewReplacer(
		"mismatched input '<EOF>'", "it ends too early",
		"'<EOF>'", "the end",
		"wrapper(", "nullable(",
	).Replace(message)
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + message[1:] + "."
}

func inOrder(faults []Fault) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Start, b.Start) })
	return faults
}
