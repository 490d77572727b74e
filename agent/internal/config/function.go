package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// An origin marks a value that comes from outside of the file, by the call it came
// through.
type origin struct {
	function, name string
	missing        bool   // nothing is set; the value is unknown
	path           string // of the file it was read from
}

func (o origin) String() string { return fmt.Sprintf("%s(%q)", o.function, o.name) }

// value is a string that is known to come from o.
func (o origin) value(s string) cty.Value { return cty.StringVal(s).Mark(o) }

// unset stands for a value that is not there.
func (o origin) unset() cty.Value {
	o.missing = true
	return cty.UnknownVal(cty.String).Mark(o)
}

// originsOf returns the origins among marks, in a stable order.
func originsOf(marks cty.ValueMarks) []origin {
	var origins []origin
	for mark := range marks {
		if o, ok := mark.(origin); ok {
			origins = append(origins, o)
		}
	}
	slices.SortFunc(origins, func(a, b origin) int { return cmp.Compare(a.String(), b.String()) })
	return origins
}

// comesFrom tells the reader of a message which variable to look at.
func comesFrom(origins []origin) string {
	if len(origins) == 0 {
		return ""
	}
	calls := make([]string, len(origins))
	for i, o := range origins {
		calls[i] = o.String()
	}
	return " The value comes from " + strings.Join(calls, " and ") + "."
}

// functions are what an expression may call.
func (d *decoder) functions() map[string]function.Function {
	return map[string]function.Function{
		"env":        d.envFunction(),
		"file":       d.textFunction("path", d.readFile),
		"credential": d.textFunction("name", d.readCredential),
	}
}

// envFunction is env(name[, default]). A variable that is set to nothing is set.
func (d *decoder) envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String, AllowMarked: true}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and one default")
			}
			name, marks := d.argument(args[0])
			o := origin{function: "env", name: name}
			value, set := d.options.Env(o.name)
			switch {
			case set && !utf8.ValidString(value):
				return cty.NilVal, function.NewArgErrorf(0, "the value of %s is not UTF-8", o.name)
			case set:
				return o.value(value).WithMarks(marks), nil
			case len(args) == 2:
				return args[1].WithMarks(marks), nil
			}
			return o.unset().WithMarks(marks), nil
		},
	})
}

// argument is the text that a function is called with. What came from a function itself may
// be a secret in the wrong place, as in file(env("PASSWORD")): no message quotes it.
func (d *decoder) argument(v cty.Value) (string, cty.ValueMarks) {
	v, marks := v.Unmark()
	text := v.AsString()
	if len(marks) > 0 && text != "" {
		d.secrets = append(d.secrets, text)
	}
	return text, marks
}

// textFunction is a function of one string.
func (d *decoder) textFunction(param string, read func(string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name, marks := d.argument(args[0])
			value, err := read(name)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return value.WithMarks(marks), nil
		},
	})
}

// readFile is file(path): the text of a file as it is. A relative path starts from the
// folder of agent.hcl.
func (d *decoder) readFile(path string) (cty.Value, error) {
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(filepath.Dir(d.name), full)
	}
	text, err := readText(full)
	if err != nil {
		return cty.NilVal, err
	}
	return origin{function: "file", name: path, path: full}.value(text), nil
}

// readCredential is credential(name): what systemd placed in $CREDENTIALS_DIRECTORY
// (systemd.exec(5), LoadCredential=), less one newline at the end.
func (d *decoder) readCredential(name string) (cty.Value, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return cty.NilVal, errors.New("a credential is named without a path")
	}
	o := origin{function: "credential", name: name}
	if d.options.CredentialsDir == "" {
		return o.unset(), nil
	}
	o.path = filepath.Join(d.options.CredentialsDir, name)
	text, err := readText(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return o.unset(), nil
	}
	if err != nil {
		return cty.NilVal, err
	}
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return o.unset(), nil // what the packaged unit provides where there is no file
	}
	d.secrets = append(d.secrets, text)
	return o.value(text), nil
}

// maxText bounds what file() and credential() read; systemd's own bound on all
// credentials of a unit is 1 MiB.
const maxText = 1 << 20

func readText(path string) (_ string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxText:
		return "", fmt.Errorf("%s is larger than 1 MiB", path)
	case !utf8.Valid(text):
		return "", fmt.Errorf("%s is not UTF-8 text", path)
	}
	return string(text), nil
}

// missing says what to do about a variable or credential that is not set.
func (d *decoder) missing(o origin) (summary, detail string) {
	switch {
	case o.function == "env":
		return "Variable not set", fmt.Sprintf(
			"The environment variable %s is not set. Set it, or write a default: env(%q, \"…\").", o.name, o.name)
	case d.options.CredentialsDir == "":
		return "Credential not found", fmt.Sprintf(
			"There is no $CREDENTIALS_DIRECTORY. systemd provides it to a unit with LoadCredential=%s:FILE.", o.name)
	}
	return "Credential not found", fmt.Sprintf(
		"There is no %s in %s, or it is empty. The unit needs LoadCredential=%s:FILE, and the file a line of text.", o.name, d.options.CredentialsDir, o.name)
}
