package filter

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// patterns is the elements of one list. Exact values are looked up; only those
// with wildcards are tried one by one.
type patterns struct {
	exact map[string]struct{}
	globs []string // sorted
}

func compilePatterns(elements []string) patterns {
	p := patterns{exact: make(map[string]struct{}, len(elements))}
	for _, element := range elements {
		if strings.ContainsAny(element, "*?") {
			p.globs = append(p.globs, normalGlob(element))
		}
	}
	slices.Sort(p.globs)
	p.globs = slices.Compact(p.globs)
	for _, element := range elements {
		if !strings.ContainsAny(element, "*?") && !p.matchGlobs(element) {
			p.exact[element] = struct{}{}
		}
	}
	return p
}

// normalGlob writes each run of wildcards in one way: first the ?, then one *.
func normalGlob(glob string) string {
	var b strings.Builder
	star := false
	for _, r := range glob {
		switch {
		case r == '*':
			star = true
			continue
		case star && r != '?':
			b.WriteByte('*')
			star = false
		}
		b.WriteRune(r)
	}
	if star {
		b.WriteByte('*')
	}
	return b.String()
}

// match reports whether value is given and matches an element.
func (p *patterns) match(value string) bool {
	if value == "" {
		return false
	}
	if _, ok := p.exact[value]; ok {
		return true
	}
	return p.matchGlobs(value)
}

func (p *patterns) matchGlobs(value string) bool {
	for _, glob := range p.globs {
		if matchGlob(glob, value) {
			return true
		}
	}
	return false
}

// normal lists the elements in an order that does not depend on the user's.
func (p *patterns) normal() []string {
	return slices.Concat(p.globs, slices.Sorted(maps.Keys(p.exact)))
}

// matchGlob reports whether all of value matches glob. Only the last * is ever
// tried again, so the time is at most the product of the two lengths.
func matchGlob(glob, value string) bool {
	afterStar, retry := -1, 0 // where to go on in glob and value after a mismatch
	g, v := 0, 0
	for v < len(value) {
		_, width := utf8.DecodeRuneInString(value[v:])
		switch {
		case g < len(glob) && glob[g] == '*':
			g++
			afterStar, retry = g, v
		case g < len(glob) && glob[g] == '?':
			g++
			v += width
		case g < len(glob) && glob[g] == value[v]:
			g++
			v++
		case afterStar >= 0:
			_, width := utf8.DecodeRuneInString(value[retry:])
			retry += width
			g, v = afterStar, retry
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
