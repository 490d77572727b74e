package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

const pluginDescribeText = `
agent plugin describe PATH starts the program and shows its settings, with
types, defaults and documentation. It need not be pinned: you run it as
yourself. A built-in is named by its type.
`

func (p *Program) pluginDescribe(args []string) int {
	f := p.flags("plugin describe", pluginDescribeText)
	asJSON := f.Bool("json", false, "print the description as JSON")
	asDoc := f.Bool("doc", false, "print a page of documentation in Markdown")
	var name string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if name == "" && f.NArg() == 1 {
		name = f.Arg(0)
	} else if f.NArg() > 0 || name == "" || (*asJSON && *asDoc) {
		p.failf("usage: agent plugin describe PATH|TYPE [-json|-doc]")
		return exitUsage
	}
	d, err := p.catalog(slog.New(slog.DiscardHandler)).Inspect(name)
	if err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	switch {
	case *asJSON:
		err = writeJSON(p.Stdout, d)
	case *asDoc:
		err = writeDoc(p.Stdout, d)
	default:
		err = writeText(p.Stdout, d)
	}
	if err != nil {
		p.failf("print description: %v", err)
		return exitFailed
	}
	return exitOK
}

func writeJSON(w io.Writer, d catalog.Description) error {
	out, err := json.MarshalIndent(struct {
		Kind       string       `json:"kind"`
		Type       string       `json:"type"`
		Version    string       `json:"version"`
		SDKVersion string       `json:"sdk_version"`
		Features   []string     `json:"features"` // that its SDK knows
		Settings   schema.Block `json:"settings"`
	}{d.Kind, d.Type, d.Version, d.SDKVersion, d.Features, d.Settings}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}

// writeText is what a person at a terminal reads.
func writeText(w io.Writer, d catalog.Description) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q, version %s, built with sdk %s\n", d.Kind, d.Type, d.Version, d.SDKVersion)
	if d.Settings.Doc != "" {
		fmt.Fprintf(&b, "%s\n", d.Settings.Doc)
	}
	b.WriteByte('\n')
	textBlock(&b, "  ", d.Settings)
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

func textBlock(b *strings.Builder, indent string, block schema.Block) {
	if len(block.Attributes)+len(block.Blocks) == 0 {
		fmt.Fprintf(b, "%sno settings\n", indent)
	}
	for _, a := range block.Attributes {
		fmt.Fprintf(b, "%s%s  (%s)\n", indent, a.Name, strings.Join(traits(block, a), ", "))
		if a.Doc != "" {
			fmt.Fprintf(b, "%s    %s\n", indent, a.Doc)
		}
	}
	for _, n := range block.Blocks {
		fmt.Fprintf(b, "%s%s  (%s)\n", indent, header(n), nesting(block, n))
		if n.Doc != "" {
			fmt.Fprintf(b, "%s    %s\n", indent, n.Doc)
		}
		textBlock(b, indent+"  ", n.Block)
		fmt.Fprintf(b, "%s}\n", indent)
	}
}

// writeDoc is a page for the plugin's own documentation.
func writeDoc(w io.Writer, d catalog.Description) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s \"%s\"\n\n", d.Kind, d.Type)
	if d.Settings.Doc != "" {
		fmt.Fprintf(&b, "%s\n\n", d.Settings.Doc)
	}
	docBlock(&b, "##", "Settings", d.Settings)
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

func docBlock(b *strings.Builder, level, title string, block schema.Block) {
	fmt.Fprintf(b, "%s %s\n\n", level, title)
	for _, a := range block.Attributes {
		fmt.Fprintf(b, "- `%s` (%s). %s\n", a.Name, strings.Join(traits(block, a), ", "), a.Doc)
	}
	if len(block.Attributes) > 0 {
		b.WriteByte('\n')
	}
	for _, n := range block.Blocks {
		docBlock(b, level+"#", fmt.Sprintf("`%s }`, %s", header(n)+" …", nesting(block, n)), n.Block)
	}
}

func header(n schema.BlockType) string {
	if n.Nesting == schema.Map {
		return n.Name + ` "NAME" {`
	}
	return n.Name + " {"
}

func nesting(block schema.Block, n schema.BlockType) string {
	words := map[schema.Nesting]string{schema.Single: "block", schema.List: "block, may be repeated", schema.Map: "block, may be repeated"}
	if n.Required {
		return words[n.Nesting] + ", required"
	}
	if n.OneOf != "" {
		return words[n.Nesting] + ", " + alternative(block, n.Name)
	}
	return words[n.Nesting]
}

// alternative tells a setting's rule that exactly one of several must be given.
func alternative(block schema.Block, name string) string {
	return "exactly one of " + strings.Join(block.Alternatives(name), ", ") + " is required"
}

// traits say in words what a setting takes.
func traits(block schema.Block, a schema.Attribute) []string {
	out := []string{string(a.Type)}
	switch {
	case a.Required:
		out = append(out, "required")
	case a.OneOf != "":
		out = append(out, alternative(block, a.Name))
	case a.Default != nil:
		out = append(out, "default "+inWords(a.Type, a.Default))
	}
	if len(a.Enum) > 0 {
		out = append(out, "one of "+strings.Join(a.Enum, ", "))
	}
	if a.Min != nil {
		out = append(out, "at least "+bound(a.Type, *a.Min))
	}
	if a.Max != nil {
		out = append(out, "at most "+bound(a.Type, *a.Max))
	}
	if a.Pattern != "" {
		out = append(out, "matches "+a.Pattern)
	}
	if a.Sensitive {
		out = append(out, "sensitive")
	}
	return out
}

// inWords writes a default as a user would.
func inWords(typ schema.Type, raw json.RawMessage) string {
	var n int64
	if typ != schema.Duration && typ != schema.Size || json.Unmarshal(raw, &n) != nil {
		return string(raw)
	}
	return bound(typ, float64(n))
}

// printable keeps what a plugin says of itself from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func bound(typ schema.Type, n float64) string {
	switch typ {
	case schema.Duration:
		return `"` + schema.FormatDuration(time.Duration(n)) + `"`
	case schema.Size:
		return `"` + schema.FormatSize(int64(n)) + `"`
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
