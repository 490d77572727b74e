package config

import (
	"fmt"
	"regexp"
	"strings"
)

// ReadEnvFile reads a file as systemd reads an EnvironmentFile (systemd.exec(5)): one
// NAME=value a line, single and double quotes that may span lines, backslashes, lines
// continued with a backslash, and comments that start a line with # or ;. "export "
// before a name is allowed, so that a shell can read the file too. A line that is no
// assignment is an error that gives its number and not its text.
func ReadEnvFile(path string) (map[string]string, error) {
	src, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	p := envParser{src: strings.ReplaceAll(string(src), "\r\n", "\n"), line: 1}
	vars := map[string]string{}
	for p.skipToName() {
		name, value, err := p.assignment()
		if err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
		vars[name] = value
	}
	return vars, nil
}

// An envParser stands at a byte of src.
type envParser struct {
	src  string
	at   int
	line int
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// next consumes a byte; 0 is the end. A file with NUL bytes ends at the first.
func (p *envParser) next() byte {
	if p.at >= len(p.src) {
		return 0
	}
	c := p.src[p.at]
	p.at++
	if c == '\n' {
		p.line++
	}
	return c
}

func (p *envParser) peek() byte {
	if p.at >= len(p.src) {
		return 0
	}
	return p.src[p.at]
}

// skipToName skips blanks and comments; false at the end of the file.
func (p *envParser) skipToName() bool {
	for {
		switch p.peek() {
		case 0:
			return false
		case ' ', '\t', '\n', '\r':
			p.next()
		case '#', ';':
			for c := p.next(); c != '\n' && c != 0; {
				c = p.next()
			}
		default:
			return true
		}
	}
}

func (p *envParser) assignment() (name, value string, err error) {
	line := p.line
	rest := p.src[p.at:]
	name, _, found := strings.Cut(rest, "=")
	if !found || strings.Contains(name, "\n") {
		return "", "", fmt.Errorf("%d: no NAME=value", line)
	}
	p.at += len(name) + 1
	name = strings.TrimSpace(name)
	if after, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(after, " \t") != after {
		name = strings.TrimLeft(after, " \t")
	}
	if !variableName.MatchString(name) {
		return "", "", fmt.Errorf("%d: what stands before the = is not the name of a variable", line)
	}
	value, closed := p.value()
	if !closed {
		return "", "", fmt.Errorf("%d: the quotes of %s are not closed", line, name)
	}
	return name, value, nil
}

// value consumes the rest of the assignment. Quoted parts may follow each other; a quote
// inside of a word is an ordinary character, as it is for systemd.
func (p *envParser) value() (_ string, closed bool) {
	var b strings.Builder
	for {
		switch p.peek() {
		case 0, '\n':
			p.next()
			return b.String(), true
		case ' ', '\t', '\r':
			p.next()
		case '\'', '"':
			if !p.quoted(&b, p.next()) {
				return "", false
			}
		default:
			p.word(&b)
			return b.String(), true
		}
	}
}

// quoted consumes up to the closing quote. Between double quotes a backslash escapes
// the characters that are special there, and the end of a line.
func (p *envParser) quoted(b *strings.Builder, quote byte) (closed bool) {
	for {
		c := p.next()
		switch {
		case c == 0:
			return false
		case c == quote:
			return true
		case c != '\\' || quote == '\'':
			b.WriteByte(c)
			continue
		}
		switch c = p.next(); c {
		case 0:
			return false
		case '"', '\\', '`', '$':
			b.WriteByte(c)
		case '\n':
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// word consumes up to the end of the line and drops blanks there, unless they are
// escaped.
func (p *envParser) word(b *strings.Builder) {
	var word strings.Builder
	keep := 0 // what precedes the blanks at the end
	for {
		switch c := p.next(); c {
		case 0, '\n':
			b.WriteString(word.String()[:keep])
			return
		case '\\':
			if c = p.next(); c != '\n' && c != 0 {
				word.WriteByte(c)
				keep = word.Len()
			}
		case ' ', '\t', '\r':
			word.WriteByte(c)
		default:
			word.WriteByte(c)
			keep = word.Len()
		}
	}
}
