package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// within is the range in the file of the bytes start to end of expr's value, a string.
// Escapes and heredocs are followed; where that is not possible it is all of expr.
func (d *decoder) within(expr hcl.Expression, start, end int) hcl.Range {
	notation := d.notation(expr)
	if start < 0 || end < start || end > len(notation) || len(notation) == 0 {
		return expr.Range()
	}
	var at span
	switch {
	case start < end:
		at = span{notation[start].start, notation[end-1].end}
	case start < len(notation):
		at = span{notation[start].start, notation[start].start}
	default:
		at = span{notation[start-1].end, notation[start-1].end}
	}
	return hcl.Range{Filename: d.name, Start: d.posAt(at.start), End: d.posAt(at.end)}
}

// posAt is the position of a byte of the file.
func (d *decoder) posAt(offset int) hcl.Pos {
	before := d.src[:offset]
	pos := hcl.Pos{Line: bytes.Count(before, []byte("\n")) + 1, Column: 1, Byte: offset}
	// The scanner knows how many bytes a column takes.
	whole := func(data []byte, _ bool) (int, []byte, error) { return len(data), data, nil }
	line := hcl.NewRangeScanner(before[bytes.LastIndexByte(before, '\n')+1:], d.name, whole)
	if line.Scan() {
		pos.Column = line.Range().End.Column
	}
	return pos
}

// notation says for each byte of expr's value what stands for it in the file; nil if that
// cannot be told.
func (d *decoder) notation(expr hcl.Expression) []span {
	if parens, ok := expr.(*hclsyntax.ParenthesesExpr); ok {
		return d.notation(parens.Expression)
	}
	template, ok := expr.(*hclsyntax.TemplateExpr)
	if !ok {
		return d.literal(expr, jsonStep)
	}
	step := heredocStep
	if d.src[template.Range().Start.Byte] == '"' {
		step = quotedStep
	}
	var all []span
	for _, part := range template.Parts {
		text, ok := d.textOf(part)
		if !ok {
			return nil
		}
		spans := slices.Repeat([]span{{part.Range().Start.Byte, part.Range().End.Byte}}, len(text))
		if _, literal := part.(*hclsyntax.LiteralValueExpr); literal && text != "" {
			spans = d.literal(part, step)
		}
		if len(spans) != len(text) {
			return nil
		}
		all = append(all, spans...)
	}
	return all
}

// literal follows the notation of a literal step by step, and makes sure that this
// gives its value.
func (d *decoder) literal(expr hcl.Expression, step func(string) (string, int)) []span {
	want, ok := d.textOf(expr)
	if !ok {
		return nil
	}
	base := expr.Range().Start.Byte
	raw := string(d.src[base:expr.Range().End.Byte])
	var text strings.Builder
	var spans []span
	for at := 0; at < len(raw); {
		piece, n := step(raw[at:])
		spans = append(spans, slices.Repeat([]span{{base + at, base + at + n}}, len(piece))...)
		text.WriteString(piece)
		at += n
	}
	return unindent(text.String(), want, spans)
}

// unindent drops the spans of indentation that text has, and want has not because it
// is the value of a heredoc with <<-. It is nil if that does not explain want.
func unindent(text, want string, spans []span) []span {
	long, short := strings.SplitAfter(text, "\n"), strings.SplitAfter(want, "\n")
	if len(long) != len(short) {
		return nil
	}
	var kept []span
	for i, line := range long {
		indent, ok := strings.CutSuffix(line, short[i])
		if !ok || strings.Trim(indent, " \t") != "" {
			return nil
		}
		kept = append(kept, spans[len(indent):len(line)]...)
		spans = spans[len(line):]
	}
	return kept
}

func (d *decoder) textOf(expr hcl.Expression) (string, bool) {
	value, diags := expr.Value(d.eval)
	value, _ = value.Unmark()
	if diags.HasErrors() || !value.IsKnown() || value.IsNull() || value.Type() != cty.String {
		return "", false
	}
	return value.AsString(), true
}

// A step is the text that the beginning of raw stands for, and how many bytes that
// beginning has, at least one.

// heredocStep follows the template syntax: only `$${` and `%%{` are special.
func heredocStep(raw string) (string, int) {
	if strings.HasPrefix(raw, "$${") || strings.HasPrefix(raw, "%%{") {
		return raw[1:3], 3
	}
	_, n := utf8.DecodeRuneInString(raw)
	return raw[:n], n
}

// quotedStep follows a quoted template, whose range is without its quotes.
func quotedStep(raw string) (string, int) {
	if raw[0] != '\\' || len(raw) < 2 {
		return heredocStep(raw)
	}
	n := 2
	switch raw[1] {
	case 'u':
		n = 6
	case 'U':
		n = 10
	}
	return unquoted(raw, n, strconv.Unquote)
}

// jsonStep follows a JSON string, quotes included.
func jsonStep(raw string) (string, int) {
	if raw[0] == '"' {
		return "", 1
	}
	if raw[0] != '\\' || len(raw) < 2 {
		_, n := utf8.DecodeRuneInString(raw)
		return raw[:n], n
	}
	n := 2
	if raw[1] == 'u' {
		n = 6
		if len(raw) >= 12 && raw[6:8] == `\u` && strings.ContainsRune("89abAB", rune(raw[3])) && raw[2]|0x20 == 'd' {
			n = 12 // a pair of surrogates
		}
	}
	return unquoted(raw, n, func(s string) (text string, err error) {
		err = json.Unmarshal([]byte(s), &text)
		return text, err
	})
}

func unquoted(raw string, n int, unquote func(string) (string, error)) (string, int) {
	n = min(n, len(raw))
	text, err := unquote(`"` + raw[:n] + `"`)
	if err != nil {
		return raw[:n], n
	}
	return text, n
}
