package config

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// Severity says whether a configuration with this diagnostic can run.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// A Diagnostic is a fault in the user's file, written for the user. It never holds
// the value of a sensitive setting. Its JSON is what `agent validate -json` prints.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`          // what is wrong, in a few words
	Detail   string   `json:"detail,omitempty"` // more of it, or what to do; whole sentences
	File     string   `json:"file"`
	// Lines and columns count from 1, columns in characters as a reader sees them; the
	// end is exclusive. All are 0 where the fault is not about one place.
	StartLine int `json:"start_line,omitempty"`
	StartCol  int `json:"start_column,omitempty"`
	EndLine   int `json:"end_line,omitempty"`
	EndCol    int `json:"end_column,omitempty"`

	snippet snippet
}

// String is the diagnostic in one line, without its source.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.position())
	b.WriteString(": ")
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Summary)
	if d.Detail != "" {
		b.WriteString("; ")
		b.WriteString(d.Detail)
	}
	return b.String()
}

func (d Diagnostic) position() string {
	switch d.StartLine {
	case 0:
		return d.File
	case d.EndLine:
		return fmt.Sprintf("%s:%d,%d-%d", d.File, d.StartLine, d.StartCol, d.EndCol)
	}
	return fmt.Sprintf("%s:%d,%d-%d,%d", d.File, d.StartLine, d.StartCol, d.EndLine, d.EndCol)
}

// Diagnostics are sorted by file, line, column and summary. They are no error value:
// ask HasErrors.
type Diagnostics []Diagnostic

// HasErrors reports whether one of d is more than a warning.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(d Diagnostic) bool { return d.Severity == Error })
}

const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	reset  = "\x1b[0m"
)

// Print writes each diagnostic as
//
//	agent.hcl:LINE,COL-COL: summary; detail
//	  LINE | the source
//	       |     ^^^^^^
//
// Errors of w are ignored: there is nowhere else to report to.
func (d Diagnostics) Print(w io.Writer, color bool) {
	var b bytes.Buffer
	for _, diag := range d {
		paint := red
		if diag.Severity == Warning {
			paint = yellow
		}
		if color {
			b.WriteString(paint + diag.String() + reset + "\n")
		} else {
			b.WriteString(diag.String() + "\n")
		}
		if diag.snippet.text == "" {
			continue
		}
		number := strconv.Itoa(diag.StartLine)
		fmt.Fprintf(&b, "  %s | %s\n", number, diag.snippet.text)
		caret := diag.snippet.caret
		if color {
			caret = paint + caret + reset
		}
		fmt.Fprintf(&b, "  %*s | %s%s\n", len(number), "", diag.snippet.indent, caret)
	}
	_, _ = w.Write(b.Bytes())
}

func compare(a, b Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.StartLine, b.StartLine),
		cmp.Compare(a.StartCol, b.StartCol),
		cmp.Compare(a.Summary, b.Summary),
		cmp.Compare(a.Detail, b.Detail),
		cmp.Compare(a.EndLine, b.EndLine),
		cmp.Compare(a.EndCol, b.EndCol),
	)
}

// diagnostics is all that was found so far, sorted, without secrets.
func (d *decoder) diagnostics() Diagnostics {
	listing := newListing(d.src, d.name, d.public)
	var found Diagnostics
	for _, diag := range d.diags {
		found = append(found, d.diagnostic(diag, listing))
	}
	slices.SortStableFunc(found, compare)
	return slices.CompactFunc(found, func(a, b Diagnostic) bool { return compare(a, b) == 0 })
}

func (d *decoder) diagnostic(from *hcl.Diagnostic, l *listing) Diagnostic {
	to := Diagnostic{Severity: Error, File: d.name}
	if from.Severity == hcl.DiagWarning {
		to.Severity = Warning
	}
	secrets := d.secrets
	if at := from.Subject; at != nil && at.Start.Line > 0 {
		to.StartLine, to.StartCol = at.Start.Line, at.Start.Column
		to.EndLine, to.EndCol = at.End.Line, at.End.Column
		to.snippet = l.snippet(*at)
		secrets = append(slices.Clip(secrets), l.hiddenIn(at.Start.Line)...)
	}
	to.Summary = plain.Text(capital(scrub(oneLine(from.Summary), secrets)))
	to.Detail = plain.Text(capital(scrub(oneLine(from.Detail), secrets)))
	return to
}

func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}

// oneLine keeps a message from looking like several.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

const blank = "********"

// scrub blanks secrets in text. Short ones are likely to be a part of ordinary words,
// so they are only looked for in quotes.
func scrub(text string, secrets []string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, s := range secrets {
		if s = oneLine(s); s == "" {
			continue
		}
		text = strings.ReplaceAll(text, strconv.Quote(s), strconv.Quote(blank))
		if len(s) >= 6 {
			text = strings.ReplaceAll(text, s, blank)
		}
	}
	return text
}
