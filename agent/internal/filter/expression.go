package filter

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// variable is the one name an expression starts from.
const variable = "event"

// What an expression may cost. One unit is about the work of a comparison, so that
// maxCost bounds an event at some tens of milliseconds, and no sensible filter
// comes near it: only loops within loops over long lists do.
const (
	maxCost         = 1_000_000
	maxRegexProgram = 2_000 // instructions
)

// An expression is a compiled where. It is safe for concurrent use.
type expression struct {
	program cel.Program
	normal  string // the source in one layout, without comments
	records sync.Pool
}

// compileExpression returns the expression of source, or what is wrong with it
// from left to right.
func compileExpression(source string) (*expression, []Fault) {
	env, err := newEnv()
	if err != nil {
		return nil, []Fault{whereFault("Expressions are not available", err.Error())}
	}
	tree, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil, []Fault{syntaxFault(source, issues.Errors())}
	}
	names := checkNames(source, tree.NativeRep())
	checked, issues := env.Check(tree)
	faults := append(names.faults, typeFaults(source, issues.Errors(), names.reported)...)
	if len(faults) > 0 {
		return nil, inOrder(faults)
	}
	if !isBool(checked.OutputType()) {
		return nil, []Fault{notBoolFault(checked.OutputType())}
	}
	return newExpression(env, checked)
}

func newExpression(env *cel.Env, checked *cel.Ast) (*expression, []Fault) {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops(checked.NativeRep().Expr()) {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, []Fault{whereFault("Invalid expression", plainWords(err.Error()))}
	}
	normal, err := cel.AstToString(checked)
	if err != nil {
		return nil, []Fault{whereFault("Invalid expression", plainWords(err.Error()))}
	}
	wanted := selected(checked.NativeRep().Expr())
	return &expression{
		program: program,
		normal:  normal,
		records: sync.Pool{New: func() any { return &record{wanted: wanted} }},
	}, nil
}

// loops reports whether a part of expr may be evaluated more than once, as by exists() and
// all(). A limit of cost stops an evaluation between its steps: where each part has one, it
// would stop nothing, and to keep count takes most of the time of a short expression.
func loops(expr ast.Expr) (found bool) {
	ast.PreOrderVisit(expr, ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.ComprehensionKind
	}))
	return found
}

func newEnv() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return cel.NewEnv(
		cel.CustomTypeAdapter(registry),
		cel.CustomTypeProvider(newRecordTypes(registry)),
		cel.Variable(variable, cel.ObjectType(recordType)),
		ext.Strings(),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), // JSON has one kind of number
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		cel.EnableMacroCallTracking(), // without it AstToString cannot write has() and exists()
	)
}

// eval reports whether the expression is true for e. An error says that it has no
// value.
func (x *expression) eval(e *sdk.Event) (bool, error) {
	r := x.records.Get().(*record)
	r.reset(e)
	out, _, err := x.program.Eval(r)
	if r.err != nil {
		err = r.err // has() cannot fail, so the value may rest on a record that was not read
	}
	r.reset(nil)
	x.records.Put(r)
	if err != nil {
		return false, err
	}
	keep, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("its value is of type %s, not bool", out.Type().TypeName())
	}
	return bool(keep), nil
}
