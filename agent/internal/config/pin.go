package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Pin returns the text of a file with checksums written into its plugin blocks, by their
// types. A type without a block gets one at the end of the file. Everything else stays
// as it is, byte for byte.
func Pin(file string, src []byte, sums map[string]string) ([]byte, error) {
	if strings.HasSuffix(file, ".json") {
		return nil, errors.New("checksums can be written into files in HCL's own syntax only, not into JSON")
	}
	parsed, diags := hclsyntax.ParseConfig(src, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("parse %s: %w", file, diags)
	}
	p := &pinner{src: src, end: "\n"}
	if bytes.Contains(src, []byte("\r\n")) {
		p.end = "\r\n"
	}
	missing := maps.Clone(sums)
	for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "plugin" || len(block.Labels) != 1 {
			continue
		}
		sum, wanted := missing[block.Labels[0]]
		if !wanted {
			continue
		}
		delete(missing, block.Labels[0])
		if err := p.block(block, sum); err != nil {
			return nil, err
		}
	}
	out := p.apply()
	for _, typ := range slices.Sorted(maps.Keys(missing)) {
		out = p.appendBlock(out, typ, missing[typ])
	}
	return out, pinned(file, out, sums)
}

// An edit replaces a part of the text.
type edit struct {
	from, to int
	text     string
}

type pinner struct {
	src   []byte
	end   string // of a line
	edits []edit
}

// block writes a checksum into one block: in the place of the one it has, else below
// its path, else at its start.
func (p *pinner) block(block *hclsyntax.Block, sum string) error {
	if old := block.Body.Attributes["sha256"]; old != nil {
		value, diags := old.Expr.Value(nil)
		if diags.HasErrors() || value.Type() != cty.String {
			return fmt.Errorf("line %d: the sha256 of plugin %q is computed; write a text there, or remove it", old.SrcRange.Start.Line, block.Labels[0])
		}
		at := old.Expr.Range()
		p.replace(at.Start.Byte, at.End.Byte, quoted(sum))
		return nil
	}
	open, closing := block.OpenBraceRange, block.CloseBraceRange
	if open.Start.Line == closing.Start.Line {
		// A block in one line has room for one attribute.
		inner := strings.TrimSpace(string(p.src[open.End.Byte:closing.Start.Byte]))
		text := p.end
		if inner != "" {
			text += "  " + inner + p.end
		}
		p.replace(open.End.Byte, closing.Start.Byte, text+"  sha256 = "+quoted(sum)+p.end)
		return nil
	}
	after, indent := open.End.Byte, "  "
	if path := block.Body.Attributes["path"]; path != nil {
		after = path.SrcRange.End.Byte
		indent = p.indentAt(path.SrcRange.Start.Byte)
	}
	after = p.nextLine(after)
	p.replace(after, after, indent+"sha256 = "+quoted(sum)+p.end)
	return nil
}

func (p *pinner) replace(from, to int, text string) {
	p.edits = append(p.edits, edit{from, to, text})
}

// nextLine is where the line after the one at an offset starts.
func (p *pinner) nextLine(at int) int {
	if at > 0 && p.src[at-1] == '\n' {
		return at // a heredoc ends with its line
	}
	return at + bytes.IndexByte(p.src[at:], '\n') + 1
}

// indentAt is the blank text before an offset in its line.
func (p *pinner) indentAt(at int) string {
	line := p.src[bytes.LastIndexByte(p.src[:at], '\n')+1 : at]
	if len(bytes.TrimLeft(line, " \t")) > 0 {
		return "  "
	}
	return string(line)
}

// apply makes the edits, the last in the text first.
func (p *pinner) apply() []byte {
	out := slices.Clone(p.src)
	slices.SortFunc(p.edits, func(a, b edit) int { return b.from - a.from })
	for _, e := range p.edits {
		out = slices.Concat(out[:e.from], []byte(e.text), out[e.to:])
	}
	return out
}

func (p *pinner) appendBlock(out []byte, typ, sum string) []byte {
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, p.end...)
	}
	lines := []string{"", "plugin " + quoted(typ) + " {", "  sha256 = " + quoted(sum), "}", ""}
	return append(out, strings.Join(lines, p.end)...)
}

func quoted(s string) string { return `"` + s + `"` }

// pinned checks that a text says what it was meant to say.
func pinned(file string, src []byte, sums map[string]string) error {
	programs, diags := ReadPrograms(file, src, Options{})
	found := map[string]string{}
	for _, p := range programs.Plugins {
		found[p.Type] = p.SHA256
	}
	for _, typ := range slices.Sorted(maps.Keys(sums)) {
		if found[typ] != sums[typ] {
			return fmt.Errorf("the checksum of plugin %q could not be written: %v", typ, diags)
		}
	}
	return nil
}
