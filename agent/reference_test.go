package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md anew")

const referencePage = "docs/configuration.md"

// The tables of the reference are made of the schemas that the agent checks files by.
func TestTheConfigurationReferenceIsWhatTheSchemasSay(t *testing.T) {
	src, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := config.Reference()
	for _, b := range builtins() {
		blocks[fmt.Sprintf("%s %q", b.Kind(), b.Type())] = b.Schema()
	}
	written := make(map[string]bool)
	marked := regexp.MustCompile("(?s)(<!-- settings of (.*?) -->\n).*?(<!-- end -->)")
	want := marked.ReplaceAllStringFunc(string(src), func(found string) string {
		m := marked.FindStringSubmatch(found)
		b, known := blocks[m[2]]
		if !known {
			t.Errorf("%s: there is no block %s", referencePage, m[2])
		}
		written[m[2]] = true
		return m[1] + "\n" + tables(b, "") + m[3]
	})
	for name := range blocks {
		if !written[name] {
			t.Errorf("%s has no table of %s", referencePage, name)
		}
	}
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(src)); diff != "" {
		t.Errorf("%s differs from the schemas; run make generate (-want +got):\n%s", referencePage, diff)
	}
}

// tables are the table of a block and of the blocks in it.
func tables(b schema.Block, title string) string {
	var out strings.Builder
	out.WriteString(title)
	if len(b.Attributes) > 0 {
		out.WriteString("| attribute | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, a := range b.Attributes {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", a.Name, a.Type, defaultOf(b, a), cell(meaning(a)))
	}
	if len(b.Attributes) > 0 {
		out.WriteString("\n")
	}
	for _, n := range b.Blocks {
		title := fmt.Sprintf("`%s { }` inside: %s\n\n", n.Name, n.Doc)
		if n.Required {
			title = fmt.Sprintf("`%s { }` inside, required: %s\n\n", n.Name, n.Doc)
		}
		out.WriteString(tables(n.Block, title))
	}
	return out.String()
}

func defaultOf(b schema.Block, a schema.Attribute) string {
	switch {
	case a.Required:
		return "required"
	case a.OneOf != "":
		return "one of " + strings.Join(b.Alternatives(a.Name), ", ")
	case a.Default == nil:
		return ""
	}
	return "`" + asWritten(a.Type, a.Default) + "`"
}

func meaning(a schema.Attribute) string {
	text := a.Doc
	if len(a.Enum) > 0 {
		text += " One of " + strings.Join(a.Enum, ", ") + "."
	}
	switch {
	case a.Min != nil && a.Max != nil:
		text += fmt.Sprintf(" From %s to %s.", boundOf(a.Type, *a.Min), boundOf(a.Type, *a.Max))
	case a.Min != nil && *a.Min != 0:
		text += fmt.Sprintf(" At least %s.", boundOf(a.Type, *a.Min))
	}
	if a.Sensitive {
		text += " Secret: never printed."
	}
	return text
}

func boundOf(typ schema.Type, n float64) string {
	return asWritten(typ, json.RawMessage(strconv.FormatFloat(n, 'f', -1, 64)))
}

// asWritten is a value in the form in which users write it.
func asWritten(typ schema.Type, raw json.RawMessage) string {
	var n int64
	if json.Unmarshal(raw, &n) == nil {
		switch typ {
		case schema.Duration:
			return schema.FormatDuration(time.Duration(n))
		case schema.Size:
			return schema.FormatSize(n)
		}
	}
	return strings.Trim(string(raw), `"`)
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
