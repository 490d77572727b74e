package filter

import (
	"slices"

	"cel.dev/cel-go/common/ast"
)

// A selection is what is wanted of a JSON value: of an object the named members,
// or everything if there are none.
type selection struct {
	members []member // a few: to look through them takes less time than a map
}

type member struct {
	name   string
	wanted *selection
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
		member := s.of(name)
		if member == nil {
			member = &selection{}
			s.set(name, member)
		} else if member.members == nil {
			return // all of it is wanted already
		}
		s = member
	}
	s.set(path[len(path)-1], &selection{})
}

func (s *selection) set(name string, wanted *selection) {
	s.members = slices.DeleteFunc(s.members, func(m member) bool { return m.name == name })
	s.members = append(s.members, member{name, wanted})
}

// of returns what is wanted of the member of that name, if it was named.
func (s *selection) of(name string) *selection {
	for i := range s.members {
		if s.members[i].name == name {
			return s.members[i].wanted
		}
	}
	return nil
}

// member returns what is wanted of a member, or nil.
func (s *selection) member(name []byte) *selection {
	if s.members == nil {
		return s
	}
	return s.of(string(name))
}
