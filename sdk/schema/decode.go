package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Decode fills into, a pointer to a settings struct, from the JSON object in data.
// It is strict: unknown names, wrong types, missing settings and values that break a
// tag's rule are errors, all of them reported. Absent attributes get their default;
// null stands for absent. No error quotes a sensitive value.
func Decode(data []byte, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("settings are decoded into a %T, not a pointer to a struct", into)
	}
	s, err := structOf(v.Elem().Type(), nil)
	if err != nil {
		return err
	}
	return errors.Join(s.decode("", data, v.Elem())...)
}

// decode fills v, a struct of type s. path leads to it, with a trailing dot.
func (s structure) decode(path string, data []byte, v reflect.Value) []error {
	given, err := object(data)
	if err != nil {
		return []error{fmt.Errorf("settings%s: %w", at(path), err)}
	}
	var errs []error
	found := map[string]bool{}
	for _, f := range s.fields {
		name := f.name()
		raw, present := given[name]
		delete(given, name)
		if string(raw) == "null" {
			present = false
		}
		found[name] = present
		v := v.Field(f.index)
		switch {
		case f.attr != nil:
			errs = append(errs, f.decodeAttribute(path+name, raw, present, v)...)
		case present:
			errs = append(errs, f.decodeBlock(path+name, raw, v)...)
		case f.block.Required:
			errs = append(errs, fmt.Errorf("settings: block %q is missing", path+name))
		case v.Kind() == reflect.Struct:
			errs = append(errs, f.body.decode(path+name+".", []byte("{}"), v)...)
		}
	}
	for _, violation := range s.block.CheckOneOf(func(name string) bool { return found[name] }) {
		errs = append(errs, fmt.Errorf("settings%s: %s", at(path), violation.Detail))
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		errs = append(errs, fmt.Errorf("settings: %q is not a setting", path+name))
	}
	return errs
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " in " + strconv.Quote(path[:len(path)-1])
}

func (f field) name() string {
	if f.attr != nil {
		return f.attr.Name
	}
	return f.block.Name
}

func object(data []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil || m == nil {
		return nil, errors.New("not a JSON object")
	}
	return m, nil
}

func (f field) decodeAttribute(path string, raw json.RawMessage, present bool, v reflect.Value) []error {
	if !present {
		if f.attr.Required {
			return []error{fmt.Errorf("settings: %q is missing", path)}
		}
		if raw = f.attr.Default; raw == nil {
			return nil
		}
	}
	if found := f.attr.Check(raw); len(found) > 0 {
		errs := make([]error, len(found))
		for i, violation := range found {
			errs[i] = fmt.Errorf("settings: %s: %s", path+violation.Step, violation.Detail)
		}
		return errs
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		// The text of err could quote the value. Only an int on a 32-bit machine gets here.
		return []error{fmt.Errorf("settings: %s: the value does not fit a %s", path, v.Type())}
	}
	return nil
}

func (f field) decodeBlock(path string, raw json.RawMessage, v reflect.Value) []error {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return f.body.decode(path+".", raw, v.Elem())
	case reflect.Slice:
		return f.decodeList(path, raw, v)
	case reflect.Map:
		return f.decodeMap(path, raw, v)
	default:
		return f.body.decode(path+".", raw, v)
	}
}

func (f field) decodeList(path string, raw json.RawMessage, v reflect.Value) []error {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return []error{fmt.Errorf("settings in %q: not a JSON array", path)}
	}
	if len(elements) == 0 && f.block.Required {
		return []error{fmt.Errorf("settings: block %q is missing", path)}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	var errs []error
	for i, e := range elements {
		errs = append(errs, f.body.decode(fmt.Sprintf("%s[%d].", path, i), e, v.Index(i))...)
	}
	return errs
}

func (f field) decodeMap(path string, raw json.RawMessage, v reflect.Value) []error {
	elements, err := object(raw)
	if err != nil {
		return []error{fmt.Errorf("settings in %q: %w", path, err)}
	}
	if len(elements) == 0 && f.block.Required {
		return []error{fmt.Errorf("settings: block %q is missing", path)}
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(elements)))
	var errs []error
	for _, label := range slices.Sorted(maps.Keys(elements)) {
		e := reflect.New(v.Type().Elem()).Elem()
		errs = append(errs, f.body.decode(fmt.Sprintf("%s[%q].", path, label), elements[label], e)...)
		v.SetMapIndex(reflect.ValueOf(label).Convert(v.Type().Key()), e)
	}
	return errs
}
