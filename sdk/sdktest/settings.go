package sdktest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// encode makes the JSON that the agent would send. A struct is read by its agent tags,
// as package schema describes; JSON and maps are taken as they are.
func encode(settings any) (json.RawMessage, error) {
	switch s := settings.(type) {
	case nil:
		return json.RawMessage("{}"), nil
	case []byte:
		return s, nil
	case json.RawMessage:
		return s, nil
	case string:
		return json.RawMessage(s), nil
	}
	v, err := plain(reflect.ValueOf(settings))
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return json.Marshal(v)
}

// plain turns structs into maps by their agent tags, all the way down.
func plain(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		return object(v)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return v.Interface(), nil
		}
		list := make([]any, v.Len())
		for i := range list {
			element, err := plain(v.Index(i))
			if err != nil {
				return nil, err
			}
			list[i] = element
		}
		return list, nil
	case reflect.Map:
		m := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			element, err := plain(v.MapIndex(k))
			if err != nil {
				return nil, err
			}
			m[k.String()] = element
		}
		return m, nil
	}
	return v.Interface(), nil
}

// object leaves out zero values, for which the schema has defaults.
func object(v reflect.Value) (map[string]any, error) {
	m := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("agent"), ",")
		switch {
		case !f.IsExported() || name == "-" || v.Field(i).IsZero():
			continue
		case name == "":
			return nil, fmt.Errorf("%s.%s has no agent tag", v.Type(), f.Name)
		}
		value, err := plain(v.Field(i))
		if err != nil {
			return nil, err
		}
		m[name] = value
	}
	return m, nil
}
