package filter

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Clause is one condition of a filter and what it says of one event.
type Clause struct {
	Attribute string // as users write it: event_names, read_only, where
	// Text is the condition, if it is a part of where: one of those that && joins.
	Text string
	// Value is what the event has in the field that a list is about; empty if nothing.
	Value string
	Holds bool
	// Err is why the condition has no value for the event, which is kept then as far as
	// where is concerned.
	Err error
}

// Explain returns every condition of the filter, in the order in which Match asks them,
// with what it says of e. Match keeps e if all of them hold or have no value. It is much
// slower than Match.
func (f *Filter) Explain(e *sdk.Event) []Clause {
	if f == nil {
		return nil
	}
	var clauses []Clause
	for i := range f.conditions {
		c := &f.conditions[i]
		clauses = append(clauses, Clause{Attribute: c.attribute, Value: c.field(e), Holds: c.holds(e)})
	}
	if f.readOnly != nil {
		value := map[sdk.Bool]string{sdk.True: "true", sdk.False: "false"}[e.ReadOnly]
		clauses = append(clauses, Clause{Attribute: "read_only", Value: value, Holds: *f.readOnly == (e.ReadOnly == sdk.True)})
	}
	if f.where == nil {
		return clauses
	}
	parts := f.where.conjuncts()
	// A part may have no value where the whole has one, since false && error is false. So
	// the whole decides.
	whole, err := f.where.eval(e)
	if len(parts) < 2 || err != nil {
		return append(clauses, Clause{Attribute: "where", Text: f.where.normal, Holds: whole, Err: err})
	}
	for _, part := range parts {
		holds, err := part.eval(e)
		clauses = append(clauses, Clause{Attribute: "where", Text: part.normal, Holds: holds || err != nil && whole, Err: err})
	}
	return clauses
}

// conjuncts are the conditions that && joins at the top of the expression; nil if they
// cannot be taken apart.
func (x *expression) conjuncts() []*expression {
	env, err := newEnv()
	if err != nil {
		return nil
	}
	tree, issues := env.Parse(x.normal)
	if issues.Err() != nil {
		return nil
	}
	var parts []*expression
	for _, e := range operands(tree.NativeRep().Expr()) {
		text, err := cel.ExprToString(e, tree.NativeRep().SourceInfo())
		if err != nil {
			return nil
		}
		part, faults := compileExpression(text)
		if len(faults) > 0 {
			return nil
		}
		parts = append(parts, part)
	}
	return parts
}

func operands(e ast.Expr) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.LogicalAnd {
		return []ast.Expr{e}
	}
	var all []ast.Expr
	for _, argument := range e.AsCall().Args() {
		all = append(all, operands(argument)...)
	}
	return all
}
