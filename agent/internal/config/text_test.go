package config

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// attributeIn parses a file that holds one attribute "where".
func attributeIn(t *testing.T, file, src string) (*decoder, hcl.Expression) {
	t.Helper()
	d := newDecoder(file, []byte(src), Options{Env: func(name string) (string, bool) {
		return strings.ToLower(name), name != "UNSET"
	}})
	parse := func() (*hcl.File, hcl.Diagnostics) {
		return hclsyntax.ParseConfig(d.src, file, hcl.InitialPos)
	}
	if strings.HasSuffix(file, ".json") {
		parse = func() (*hcl.File, hcl.Diagnostics) { return hcljson.Parse(d.src, file) }
	}
	f, diags := parse()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attrs, diags := f.Body.JustAttributes()
	if diags.HasErrors() || attrs["where"] == nil {
		t.Fatalf("no attribute in %q: %v", src, diags)
	}
	return d, attrs["where"].Expr
}

func TestPlacesInsideOfAString(t *testing.T) {
	tests := []struct {
		name, file, src string
		value           string // what the fault is about
		want            string // the bytes of src that stand for it
		line, column    int
	}{
		{"plain", "a.hcl", `where = "one two three"`, "two", "two", 1, 14},
		{"at the end", "a.hcl", `where = "one two"`, "two", "two", 1, 14},
		{"after escapes", "a.hcl", `where = "\"\\\n\t\u00e9\U0001F600 two"`, "two", "two", 1, 35},
		{"an escape", "a.hcl", `where = "one \"two\""`, `"two"`, `\"two\"`, 1, 14},
		{"after an escaped template", "a.hcl", `where = "$${a} %%{b} two"`, "two", "two", 1, 22},
		{"wide characters", "a.hcl", "where = \"감사 é two\"", "two", "two", 1, 15},
		{"parentheses", "a.hcl", `where = ("one two")`, "two", "two", 1, 15},
		{"heredoc", "a.hcl", "x = 1\nwhere = <<EOT\none\n  two\n$${x}three\nEOT\n", "three", "three", 5, 6},
		{"indented heredoc", "a.hcl", "where = <<-EOT\n    one\n      two\n    three\n  EOT\n", "two", "two", 3, 7},
		{"across lines", "a.hcl", "where = <<-EOT\n    one\n    two\n  EOT\n", "one\ntwo", "one\n    two", 2, 5},
		{"after something computed", "a.hcl", `where = "one ${env("A")} two"`, "two", "two", 1, 26},
		{"something computed", "a.hcl", `where = "one ${env("ABC")} two"`, "b", `env("ABC")`, 1, 16},
		{"computed as a whole", "a.hcl", `where = env("ABC")`, "b", `env("ABC")`, 1, 9},
		{"computed in quotes", "a.hcl", `where = "${env("ABC")}"`, "b", `"${env("ABC")}"`, 1, 9},
		{"normalised", "a.hcl", "where = \"e\u0301 two\"", "two", "\"e\u0301 two\"", 1, 9},
		{"JSON", "a.hcl.json", `{"where": "one \"\u00e9\/\ud83d\ude00 two"}`, "two", "two", 1, 39},
		{"JSON escape", "a.hcl.json", `{"where": "one \"two\""}`, `"two"`, `\"two\"`, 1, 16},
		{"JSON template", "a.hcl.json", `{"where": "one ${env(\"A\")} two"}`, "two", `"one ${env(\"A\")} two"`, 1, 11},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d, expr := attributeIn(t, tc.file, tc.src)
			text, ok := d.textOf(expr)
			start := strings.Index(text, tc.value)
			if !ok || start < 0 {
				t.Fatalf("the value is %q", text)
			}
			got := d.within(expr, start, start+len(tc.value))
			if stands := tc.src[got.Start.Byte:got.End.Byte]; stands != tc.want {
				t.Errorf("range covers %q, want %q", stands, tc.want)
			}
			if got.Start.Line != tc.line || got.Start.Column != tc.column {
				t.Errorf("range starts at %d,%d, want %d,%d", got.Start.Line, got.Start.Column, tc.line, tc.column)
			}
		})
	}
}

func TestPlacesOutsideOfAStringAreTheString(t *testing.T) {
	d, expr := attributeIn(t, "a.hcl", `where = "one"`)
	for _, at := range [][2]int{{-1, 2}, {2, 1}, {0, 4}, {7, 9}} {
		if got := d.within(expr, at[0], at[1]); got != expr.Range() {
			t.Errorf("within(%d, %d) = %v, want %v", at[0], at[1], got, expr.Range())
		}
	}
	d, expr = attributeIn(t, "a.hcl", `where = "one ${env("UNSET")}"`)
	if got := d.within(expr, 0, 1); got != expr.Range() {
		t.Errorf("with an unknown part: %v, want %v", got, expr.Range())
	}
}

func TestSplitPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                   "",
		"port":               "port",
		"retry.max":          "retry|.max",
		"rules[1].name":      "rules|[1]|.name",
		`headers["X-Key"]`:   `headers|["X-Key"]`,
		`route["a.b]\""].n`:  `route|["a.b]\""]|.n`,
		"rules[1":            "rules|[1",
		"a..b":               "a|.|.b",
		`headers["x`:         `headers|["x`,
		`a[0]["b"][1].c[22]`: `a|[0]|["b"]|[1]|.c|[22]`,
	} {
		if got := strings.Join(splitPath(path), "|"); got != want {
			t.Errorf("splitPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestCaretsStandBelowWhatTheyPointAt(t *testing.T) {
	src := "\tgroup = \"감사\" x\r\n"
	l := newListing([]byte(src), "agent.hcl", []hcl.Range{{End: hcl.Pos{Byte: len(src)}}})
	at := func(s string) hcl.Range {
		start := strings.Index(src, s)
		return hcl.Range{
			Start: hcl.Pos{Line: 1, Byte: start}, End: hcl.Pos{Line: 1, Byte: start + len(s)},
		}
	}
	text := "\tgroup = \"감사\" x"
	for s, want := range map[string]snippet{
		`"감사"`: {text, "\t        ", "^^^^^^"},
		"x":    {text, "\t               ", "^"},
	} {
		if got := l.snippet(at(s)); got != want {
			t.Errorf("snippet of %s = %q, want %q", s, got, want)
		}
	}
	for _, line := range []int{0, 2, 9} {
		if got := l.snippet(hcl.Range{Start: hcl.Pos{Line: line}}); got != (snippet{}) {
			t.Errorf("snippet of line %d = %q, want none", line, got)
		}
	}
}

func TestSnippetsHoldNoControlCharacters(t *testing.T) {
	l := newListing([]byte("a = 1 \x1b[31m\x00"), "agent.hcl", []hcl.Range{{End: hcl.Pos{Byte: 99}}})
	if got := l.snippet(hcl.Range{Start: hcl.Pos{Line: 1}}).text; strings.ContainsAny(got, "\x1b\x00") {
		t.Errorf("snippet = %q", got)
	}
}
