package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration as users write it: Go's notation ("5m", "1h30m"),
// whole days ("90d"), or a bare number of seconds ("300").
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		return scaled(s, seconds, time.Second)
	}
	if days, found := strings.CutSuffix(s, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 31); err == nil {
			return scaled(s, float64(n), 24*time.Hour)
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration such as "30s", "5m", "24h" or "90d"`, s)
	}
	return d, nil
}

func scaled(s string, n float64, unit time.Duration) (time.Duration, error) {
	ns := math.Round(n * float64(unit))
	if math.IsNaN(ns) || math.Abs(ns) >= math.MaxInt64 {
		return 0, fmt.Errorf("the duration %q is too long", s)
	}
	return time.Duration(ns), nil
}

// FormatDuration writes d as a user would: "5m" rather than Go's "5m0s".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// unit is a power of 1024 or 1000. The order is that of parsing: "MiB" before "B".
type unit struct {
	suffix string
	bytes  int64
}

func sizeUnits() []unit {
	return []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"KB", 1e3},
		{"B", 1},
	}
}

// ParseSize reads a number of bytes as users write it: "4096", "64KiB", "32MiB",
// "1.5GiB", or in powers of 1000 "10MB".
func ParseSize(s string) (int64, error) {
	text, scale := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits() {
		if number, found := strings.CutSuffix(text, u.suffix); found {
			text, scale = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf(`%q is not a size such as 4096, "64KiB" or "32MiB"`, s)
	}
	bytes := n * float64(scale)
	if bytes != math.Trunc(bytes) {
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	if math.Abs(bytes) >= math.MaxInt64 {
		return 0, fmt.Errorf("the size %q is too large", s)
	}
	return int64(bytes), nil
}

// FormatSize writes n with the largest binary unit that divides it: "32MiB".
func FormatSize(n int64) string {
	for _, u := range sizeUnits()[:4] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// parseDefault turns the text of a default tag into the value on the wire. Of texts it
// takes both forms, "5m" and 5m, since the one is right in agent.hcl and the other
// better to read within a tag.
func parseDefault(typ Type, text string) (json.RawMessage, error) {
	if unquoted, err := strconv.Unquote(text); err == nil && strings.HasPrefix(text, `"`) {
		if typ == String || typ == Duration || typ == Size {
			text = unquoted
		}
	}
	switch typ {
	case String:
		return json.Marshal(text)
	case Duration:
		d, err := ParseDuration(text)
		return json.RawMessage(strconv.FormatInt(int64(d), 10)), err
	case Size:
		n, err := ParseSize(text)
		return json.RawMessage(strconv.FormatInt(n, 10)), err
	}
	raw := json.RawMessage(text)
	if !json.Valid(raw) || !fits(typ, raw) {
		return nil, fmt.Errorf("%q is not %s", text, typ.wanted())
	}
	return raw, nil
}

// fits reports whether raw, a JSON value, is one of typ as it is on the wire.
func fits(typ Type, raw json.RawMessage) bool {
	switch typ {
	case String:
		return isOf[string](raw)
	case Bool:
		return isOf[bool](raw)
	case Int, Duration, Size:
		return isOf[int64](raw)
	case Number:
		return isOf[float64](raw)
	case ListOfString:
		var list []any
		return json.Unmarshal(raw, &list) == nil && list != nil && allText(slices.Values(list))
	case MapOfString:
		var m map[string]any
		return json.Unmarshal(raw, &m) == nil && m != nil && allText(maps.Values(m))
	}
	return false
}

func isOf[T any](raw json.RawMessage) bool {
	var v T
	return string(raw) != "null" && json.Unmarshal(raw, &v) == nil
}

func allText(elements iter.Seq[any]) bool {
	for e := range elements {
		if _, ok := e.(string); !ok {
			return false
		}
	}
	return true
}

func parseBound(typ Type, text string) (float64, error) {
	switch typ {
	case Duration:
		d, err := ParseDuration(text)
		return float64(d), err
	case Size:
		n, err := ParseSize(text)
		return float64(n), err
	case Int, Number, ListOfString, MapOfString:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", text)
		}
		return v, nil
	}
	return 0, errors.New("a bound has no meaning for a " + string(typ))
}
