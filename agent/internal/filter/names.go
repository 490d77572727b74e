package filter

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
)

// barredFunctions make a string as long as the product of two others, in one step
// that no cost limit can stop. A filter has no use for them.
func barredFunctions() []string { return []string{"format", "join", "replace"} }

// A nameCheck reports what the type checker words badly or cannot see: unknown
// fields, the variable event without a field or a field without event, and barred
// functions.
type nameCheck struct {
	source string
	info   *ast.SourceInfo
	known  []string

	behindEvent   map[int64]bool // expressions that are the event of an event.field
	loopVariables map[string]bool

	faults   []Fault
	reported map[int64]bool // expressions that have a fault
}

func checkNames(source string, tree *ast.AST) *nameCheck {
	c := &nameCheck{
		source:        source,
		info:          tree.SourceInfo(),
		behindEvent:   map[int64]bool{},
		loopVariables: map[string]bool{},
		reported:      map[int64]bool{},
	}
	for _, f := range knownFields() {
		c.known = append(c.known, f.name)
	}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(c.visit))
	return c
}

func (c *nameCheck) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		c.visitSelect(e)
	case ast.IdentKind:
		c.visitName(e)
	case ast.ComprehensionKind:
		c.visitLoop(e)
	case ast.CallKind:
		if name := e.AsCall().FunctionName(); slices.Contains(barredFunctions(), name) {
			c.report(e, c.offset(e), fmt.Sprintf("Function %q is not available", name),
				"The text it makes could be too long. Compare with contains, startsWith, endsWith or matches.")
		}
	}
}

func (c *nameCheck) visitSelect(e ast.Expr) {
	operand, name := e.AsSelect().Operand(), e.AsSelect().FieldName()
	if operand.Kind() != ast.IdentKind || operand.AsIdent() != variable {
		return
	}
	c.behindEvent[operand.ID()] = true
	if slices.Contains(c.known, name) {
		return
	}
	detail := "A record has the top-level fields of CloudTrail's record versions 1.0 to 1.11."
	if near, ok := nearest(name, c.known); ok {
		detail = fmt.Sprintf("Did you mean %q?", near)
	}
	c.report(e, behind(c.source, c.offset(operand)), fmt.Sprintf("No CloudTrail field %q", name), detail)
}

func (c *nameCheck) visitName(e ast.Expr) {
	name := e.AsIdent()
	if name == variable && !c.behindEvent[e.ID()] {
		c.report(e, c.offset(e), "Record used as a value", "Name one of its fields, as in event.eventName.")
	}
	if slices.Contains(c.known, name) && !c.loopVariables[name] {
		c.report(e, c.offset(e), fmt.Sprintf("Unknown name %q", name), fmt.Sprintf(`Did you mean "event.%s"?`, name))
	}
}

func (c *nameCheck) visitLoop(e ast.Expr) {
	loop := e.AsComprehension()
	for _, name := range []string{loop.IterVar(), loop.IterVar2()} {
		c.loopVariables[name] = true
		if name == variable {
			c.report(e, c.offset(e), "Loop variable hides the record", `Choose another name than "event".`)
		}
	}
}

func (c *nameCheck) offset(e ast.Expr) int {
	start := c.info.GetStartLocation(e.ID())
	return byteOffset(c.source, start.Line(), start.Column())
}

func (c *nameCheck) report(e ast.Expr, offset int, summary, detail string) {
	c.reported[e.ID()] = true
	c.faults = append(c.faults, whereFaultAt(c.source, offset, summary, detail))
}
