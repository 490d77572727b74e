package filter

import "cel.dev/cel-go/common/ast"

// A selection is what is wanted of a JSON value: of an object the named members,
// or everything if there are none.
type selection struct {
	members map[string]*selection
}

// selected returns what expr reads of the variable event, which it only ever uses
// with a field behind it.
func selected(expr ast.Expr) *selection {
	wanted := &selection{}
	inner := map[int64]bool{} // the event.a of an event.a.b
	ast.PreOrderVisit(expr, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind {
			return
		}
		inner[e.AsSelect().Operand().ID()] = true
		if path, ok := fieldPath(e); ok && !inner[e.ID()] {
			wanted.add(path)
		}
	}))
	return wanted
}

// fieldPath returns the names behind event in an expression like event.a.b.
func fieldPath(e ast.Expr) ([]string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return nil, e.AsIdent() == variable
	case ast.SelectKind:
		path, ok := fieldPath(e.AsSelect().Operand())
		return append(path, e.AsSelect().FieldName()), ok
	default:
		return nil, false
	}
}

// add wants all of the value at path.
func (s *selection) add(path []string) {
	for _, name := range path[:len(path)-1] {
		member, ok := s.members[name]
		if ok && member.members == nil {
			return // all of it is wanted already
		}
		if !ok {
			member = &selection{}
			s.set(name, member)
		}
		s = member
	}
	s.set(path[len(path)-1], &selection{})
}

func (s *selection) set(name string, member *selection) {
	if s.members == nil {
		s.members = map[string]*selection{}
	}
	s.members[name] = member
}

// member returns what is wanted of a member, or nil.
func (s *selection) member(name []byte) *selection {
	if s.members == nil {
		return s
	}
	return s.members[string(name)]
}
