package config_test

import (
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 30, 0, 0, time.FixedZone("KST", 9*3600))
	tests := []struct {
		text        string
		start, stop string // as the beginning and the end of a range
	}{
		{"2026-11-01", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"},
		{"2026-12-31", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"2026-11-01 13:00", "2026-11-01T13:00:00Z", "2026-11-01T13:00:00Z"},
		{" 2026-11-01 13:00:30 ", "2026-11-01T13:00:30Z", "2026-11-01T13:00:30Z"},
		{"2026-11-01T13:00", "2026-11-01T13:00:00Z", "2026-11-01T13:00:00Z"},
		{"2026-11-01T13:00:30", "2026-11-01T13:00:30Z", "2026-11-01T13:00:30Z"},
		{"2026-11-01T13:00:30Z", "2026-11-01T13:00:30Z", "2026-11-01T13:00:30Z"},
		{"2026-11-01T13:00:30+09:00", "2026-11-01T04:00:30Z", "2026-11-01T04:00:30Z"},
		{"24h", "2026-11-22T03:30:00Z", "2026-11-22T03:30:00Z"},
		{"90d", "2026-08-25T03:30:00Z", "2026-08-25T03:30:00Z"},
		{"0s", "2026-11-23T03:30:00Z", "2026-11-23T03:30:00Z"},
	}
	for _, tc := range tests {
		for end, want := range map[bool]string{false: tc.start, true: tc.stop} {
			got, err := config.ParseTime(tc.text, now, end)
			if err != nil || got.Format(time.RFC3339) != want || got.Location() != time.UTC {
				t.Errorf("ParseTime(%q, end %v) = %v, %v, want %s", tc.text, end, got, err, want)
			}
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "yesterday", "2026", "300", "1.5", "2026-13-01", "2026-02-30", "2026-11-01 25:00", "-24h", "01.11.2026", "d",
	} {
		if got, err := config.ParseTime(text, time.Now(), false); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", text, got)
		}
	}
}
