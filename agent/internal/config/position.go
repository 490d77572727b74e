package config

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// locate finds the value that path names, as in [sdk.Fault]. Where it cannot be
// followed to its end, for instance because nothing was written, the nearest thing
// around it is returned, and exact is false.
func (s *section) locate(path string) (_ hcl.Range, exact bool) {
	steps := splitPath(path)
	for n := len(steps); n > 0; n-- {
		p, known := s.places[strings.Join(steps[:n], "")]
		if !known {
			continue
		}
		if p.expr == nil {
			return p.rng, n == len(steps)
		}
		return descend(p.expr, steps[n:])
	}
	return s.places[""].rng, path == ""
}

// splitPath cuts a path before each step: `a.b[1]["x.y"]` into `a`, `.b`, `[1]` and
// `["x.y"]`. What makes no sense stays in one piece, and will not be found.
func splitPath(path string) []string {
	var steps []string
	for path != "" {
		n := stepLength(path)
		steps = append(steps, path[:n])
		path = path[n:]
	}
	return steps
}

func stepLength(path string) int {
	if path[0] != '[' {
		if end := strings.IndexAny(path[1:], ".["); end >= 0 {
			return end + 1
		}
		return len(path)
	}
	from := 1
	if key, err := strconv.QuotedPrefix(path[1:]); err == nil {
		from += len(key)
	}
	if end := strings.IndexByte(path[from:], ']'); end >= 0 {
		return from + end + 1
	}
	return len(path)
}

// descend follows steps into a literal list or map.
func descend(expr hcl.Expression, steps []string) (_ hcl.Range, exact bool) {
	for _, step := range steps {
		next := follow(expr, step)
		if next == nil {
			return expr.Range(), false
		}
		expr = next
	}
	return expr.Range(), true
}

func follow(expr hcl.Expression, step string) hcl.Expression {
	if name, ok := strings.CutPrefix(step, "."); ok {
		return valueOf(expr, name)
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(step, "["), "]")
	if key, err := strconv.Unquote(inner); err == nil {
		return valueOf(expr, key)
	}
	if i, err := strconv.Atoi(inner); err == nil {
		return elementOf(expr, i)
	}
	return nil
}

// elementOf is the i-th element of a literal list, else nil.
func elementOf(expr hcl.Expression, i int) hcl.Expression {
	list, diags := hcl.ExprList(expr)
	if diags.HasErrors() || i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// valueOf is the value under key in a literal map, else nil.
func valueOf(expr hcl.Expression, key string) hcl.Expression {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil
	}
	for _, pair := range pairs {
		k, diags := pair.Key.Value(nil)
		if !diags.HasErrors() && k.Type() == cty.String && k.IsKnown() && !k.IsNull() && k.AsString() == key {
			return pair.Value
		}
	}
	return nil
}

// callOf is the call in expr that o stands for; all of expr where it cannot be found,
// as in JSON.
func callOf(expr hcl.Expression, o origin) hcl.Range {
	found := expr.Range()
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return found
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != o.function || len(call.Args) == 0 {
			return nil
		}
		name, diags := call.Args[0].Value(nil)
		if !diags.HasErrors() && name.Type() == cty.String && !name.IsNull() && name.AsString() == o.name {
			found = call.Range()
		}
		return nil
	})
	return found
}
