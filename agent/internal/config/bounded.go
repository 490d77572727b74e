package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parsers recurse, and a program that is out of stack cannot say why. No file that a
// person or a template wrote comes near these bounds.
const (
	maxSource    = 1 << 20 // bytes of a configuration or an environment file
	maxNesting   = 100     // brackets and templates within each other
	maxOperators = 10_000  // in the whole file: a chain of them nests as well
	maxTemplate  = 64 << 10
)

// readBounded reads a configuration or environment file. A pipe or device is only read
// where the path says so, as /dev/stdin and the shell's <(…) do: another one would block,
// or never end.
func readBounded(path string) (_ []byte, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory, not a file", path)
	case !info.Mode().IsRegular() && !isOpenFile(path):
		return nil, fmt.Errorf("%s is %s, not a file", path, kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	src, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	switch {
	case err != nil:
		return nil, err
	case len(src) > maxSource:
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return src, nil
}

// isOpenFile reports whether path names a file that is open already.
func isOpenFile(path string) bool {
	path = filepath.Clean(path)
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

func kindOf(m os.FileMode) string {
	switch {
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// tooDeep is where a file in HCL nests deeper than the parser bears.
func tooDeep(src []byte, name string) (hcl.Range, bool) {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos) // the parser reports what is wrong
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenTemplateControl:
			depth++
			operators++
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
			hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenQuestion,
			hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
			hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot:
			operators++
		}
		if depth > maxNesting || operators > maxOperators {
			return t.Range, true
		}
	}
	return hcl.Range{}, false
}

// tooDeepJSON is the same for a file in JSON. Its strings are templates where they say
// so, and those are parsed when they are evaluated.
func tooDeepJSON(src []byte, name string) (hcl.Range, bool) {
	depth, start, inString := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			if inString && i-start > maxTemplate && strings.ContainsAny(string(src[start:i]), "$%") {
				return byteRange(src, name, start), true
			}
			start, inString = i, !inString
		case inString:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if depth > maxNesting {
			return byteRange(src, name, i), true
		}
	}
	return hcl.Range{}, false
}

// byteRange is the range of one byte.
func byteRange(src []byte, name string, at int) hcl.Range {
	before := string(src[:at])
	pos := hcl.Pos{Byte: at, Line: 1 + strings.Count(before, "\n"), Column: at - strings.LastIndexByte(before, '\n')}
	end := pos
	end.Byte++
	end.Column++
	return hcl.Range{Filename: name, Start: pos, End: end}
}
