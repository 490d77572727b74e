package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// ParseTime reads a point in time as users write it: 2026-11-01, "2026-11-01 13:00" with
// or without seconds, RFC 3339, or an age such as 24h or 90d, counted back from now. Times
// without a zone are UTC, as in CloudTrail. A bare day is its midnight; with end it is
// the midnight after, so that the day is inside of a range that excludes its end.
func ParseTime(s string, now time.Time, end bool) (time.Time, error) {
	s = strings.TrimSpace(s)
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	// A number without a unit would be seconds, but is more likely a year.
	if s != "" && strings.Trim(s, "0123456789.") != "" {
		if age, err := schema.ParseDuration(s); err == nil && age >= 0 {
			return now.UTC().Add(-age), nil
		}
	}
	return time.Time{}, fmt.Errorf(
		`%q is not a time: write 2026-11-01, "2026-11-01 13:00", 2026-11-01T13:00:00+09:00, or an age such as 24h or 90d`, s)
}
