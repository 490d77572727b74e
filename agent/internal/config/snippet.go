package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/width"
)

// A snippet is the source line of a diagnostic and the line of carets below it. It
// is empty where there is no line to show.
type snippet struct {
	text, indent, caret string
}

// A listing is the file as far as it may be shown. A value is shown only if it is known
// to be harmless: a misspelt `pasword` or a syntax error must not reveal what an
// intact file would not.
type listing struct {
	src    []byte
	lines  []int // offset of each line
	hidden []hidden
}

// A span is a range of bytes.
type span struct{ start, end int }

// What is hidden is shown as instead, which is nothing for a comment.
type hidden struct {
	span
	instead string
}

// newListing hides every value outside of public, which are ranges of src.
func newListing(src []byte, name string, public []hcl.Range) *listing {
	l := &listing{src: src, lines: []int{0}}
	for i, c := range src {
		if c == '\n' {
			l.lines = append(l.lines, i+1)
		}
	}
	shown := make([]span, len(public))
	for i, r := range public {
		shown[i] = span{r.Start.Byte, r.End.Byte}
	}
	values := hclValues
	if strings.HasSuffix(name, ".json") {
		values = jsonValues
	}
	for _, v := range values(src, name) {
		if !slices.ContainsFunc(shown, v.within) {
			l.hidden = append(l.hidden, v)
		}
	}
	return l
}

// hclValues finds what may be values in src, comments included, because those may hold
// old ones.
func hclValues(src []byte, name string) []hidden {
	// The lexer gets on with broken files; what is wrong has been reported already.
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	var values []hidden
	for i, t := range tokens {
		at := span{t.Range.Start.Byte, t.Range.End.Byte}
		switch {
		case t.Type == hclsyntax.TokenComment:
			values = append(values, hidden{span: at})
		case mayBeValue(t) && !isStructure(tokens, i):
			values = append(values, hidden{span: at, instead: blank})
		}
	}
	return values
}

// jsonToken is a string with the colon that makes it a name, or a word or number.
var jsonToken = regexp.MustCompile(`"((?:[^"\\\n]|\\.)*)"?([ \t\r\n]*:)?|[^\s"{}\[\],:]+`)

// jsonValues is hclValues for JSON.
func jsonValues(src []byte, _ string) []hidden {
	var values []hidden
	for _, at := range jsonToken.FindAllSubmatchIndex(src, -1) {
		word, text, colon := span{at[0], at[1]}, span{at[2], at[3]}, at[4]
		switch {
		case colon >= 0 || isKeyword(src[word.start:word.end]):
		case text.start >= 0:
			values = append(values, hidden{text, blank})
		default:
			values = append(values, hidden{word, blank})
		}
	}
	return values
}

func isKeyword(word []byte) bool {
	return slices.Contains([]string{"true", "false", "null"}, string(word))
}

func (s span) within(outer span) bool { return outer.start <= s.start && s.end <= outer.end }

// mayBeValue reports whether t can hold a part of a value.
func mayBeValue(t hclsyntax.Token) bool {
	switch t.Type {
	case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit,
		hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8:
		return true
	case hclsyntax.TokenIdent:
		return !isKeyword(t.Bytes)
	}
	return false
}

// isStructure reports whether token i is a name rather than a value: of an attribute,
// a block, a label, a function, or what a function is to look up.
func isStructure(tokens hclsyntax.Tokens, i int) bool {
	switch next := typeAt(tokens, i+1); {
	case tokens[i].Type == hclsyntax.TokenIdent && next == hclsyntax.TokenOParen:
		return isFunction(tokens[i])
	case tokens[i].Type == hclsyntax.TokenIdent && next == hclsyntax.TokenEqual:
		return startsLine(tokens, i)
	case typeAt(tokens, i-1) == hclsyntax.TokenOQuote && next == hclsyntax.TokenCQuote &&
		typeAt(tokens, i-2) == hclsyntax.TokenOParen && i >= 3 && isFunction(tokens[i-3]):
		return true
	}
	return isHeader(tokens, i)
}

func isFunction(t hclsyntax.Token) bool {
	return slices.Contains([]string{"env", "file", "credential"}, string(t.Bytes))
}

// isHeader reports whether token i belongs to `type "label" {`.
func isHeader(tokens hclsyntax.Tokens, i int) bool {
	part := func(t hclsyntax.TokenType) bool {
		return t == hclsyntax.TokenIdent || t == hclsyntax.TokenQuotedLit ||
			t == hclsyntax.TokenOQuote || t == hclsyntax.TokenCQuote
	}
	first, last := i, i
	for part(typeAt(tokens, first-1)) {
		first--
	}
	for part(typeAt(tokens, last+1)) {
		last++
	}
	return tokens[first].Type == hclsyntax.TokenIdent && startsLine(tokens, first) &&
		typeAt(tokens, last+1) == hclsyntax.TokenOBrace
}

func startsLine(tokens hclsyntax.Tokens, i int) bool {
	switch typeAt(tokens, i-1) {
	case hclsyntax.TokenNil, hclsyntax.TokenNewline, hclsyntax.TokenOBrace, hclsyntax.TokenComment,
		hclsyntax.TokenCHeredoc:
		return true
	}
	return false
}

func typeAt(tokens hclsyntax.Tokens, i int) hclsyntax.TokenType {
	if i < 0 || i >= len(tokens) {
		return hclsyntax.TokenNil
	}
	return tokens[i].Type
}

// line is the bytes of a line, without its end.
func (l *listing) line(number int) (_ span, ok bool) {
	if number < 1 || number > len(l.lines) {
		return span{}, false
	}
	s := span{l.lines[number-1], len(l.src)}
	if number < len(l.lines) {
		s.end = l.lines[number] - 1
	}
	if s.end > s.start && l.src[s.end-1] == '\r' {
		s.end--
	}
	return s, true
}

// hiddenIn returns the texts that a snippet of the line does not show.
func (l *listing) hiddenIn(number int) []string {
	line, _ := l.line(number)
	var texts []string
	for _, h := range l.hidden {
		if h.start < line.end && line.start < h.end {
			texts = append(texts, string(l.src[max(h.start, line.start):min(h.end, line.end)]))
		}
	}
	return texts
}

const maxShown = 1000 // bytes of a line

// snippet shows the first line of r.
func (l *listing) snippet(r hcl.Range) snippet {
	line, ok := l.line(r.Start.Line)
	if !ok {
		return snippet{}
	}
	start := min(max(r.Start.Byte, line.start), line.end)
	end := min(max(r.End.Byte, start), line.end)
	if r.End.Line > r.Start.Line {
		end = line.end
	}
	before := l.show(span{line.start, start})
	under := l.show(span{start, end})
	after := l.show(span{end, line.end})
	text := strings.TrimRight(before+under+after, " \t")
	if text == "" || len(text) > maxShown {
		return snippet{} // in a line of thousands of characters carets help nobody
	}
	return snippet{
		text:   text,
		indent: strings.Map(toSpace, expand(before)),
		caret:  strings.Repeat("^", max(1, len([]rune(expand(under))))),
	}
}

// show is a part of a line with what is hidden blanked, and fit for a terminal.
func (l *listing) show(s span) string {
	var b strings.Builder
	at := s.start
	for _, h := range l.hidden {
		if h.end <= at || h.start >= s.end {
			continue
		}
		b.Write(l.src[at:max(at, h.start)])
		// What is cut by the caret's start or end is blanked once, in the part it starts in.
		if h.start >= s.start || s.start == l.lineStart(s.start) {
			b.WriteString(h.instead)
		}
		at = min(h.end, s.end)
	}
	b.Write(l.src[at:max(at, s.end)])
	return strings.Map(printable, b.String())
}

func (l *listing) lineStart(offset int) int {
	return bytes.LastIndexByte(l.src[:offset], '\n') + 1
}

func printable(r rune) rune {
	if r != '\t' && unicode.IsControl(r) {
		return '·'
	}
	return r
}

// expand gives each character as many runes as it takes columns on a terminal.
func expand(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		b.WriteRune(r)
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// toSpace keeps tabs, so that the carets stay below what they point at.
func toSpace(r rune) rune {
	if r == '\t' {
		return r
	}
	return ' '
}
