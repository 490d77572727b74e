package rdsdirect

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var testGroup = uuid.MustParse("3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11")

// Stored rows carry these ids: a change here makes every event of every user new.
func TestRowIDIsFrozen(t *testing.T) {
	tests := []struct {
		name, group, key string
		time, want       string
	}{
		{name: "a GUID", group: testGroup.String(), key: "0c7d6a1e-6f0b-4f3a-9d57-2f6b6c1a9e01", time: "2021-07-29T23:03:20Z", want: "017af482-06c0-8af8-926b-613679341a27"},
		{name: "another group", group: "00000000-0000-0000-0000-000000000000", key: "0c7d6a1e-6f0b-4f3a-9d57-2f6b6c1a9e01", time: "2021-07-29T23:03:20Z", want: "017af482-06c0-889e-88cf-324a27f12c59"},
		{name: "a hash", group: testGroup.String(), key: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08:1", time: "2014-03-06T21:22:54Z", want: "01449947-0bb0-8bac-b6bf-8fa211239270"},
		{name: "text of any kind", group: testGroup.String(), key: "이벤트 \x00 \xff", time: "2026-11-23T00:00:00.999Z", want: "01a205b3-d3e7-8b5e-b441-4e04cf347c9f"},
		{name: "no time", group: testGroup.String(), key: "0c7d6a1e-6f0b-4f3a-9d57-2f6b6c1a9e01", time: "0001-01-01T00:00:00Z", want: "00000000-0000-8af8-926b-613679341a27"},
		{name: "the empty key", group: testGroup.String(), key: "", time: "1970-01-01T00:00:00.001Z", want: "00000000-0001-8ded-a5aa-587dea4b0edb"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tc.time)
			if err != nil {
				t.Fatal(err)
			}
			if got := rowID(uuid.MustParse(tc.group), tc.key, rowTime(at)).String(); got != tc.want {
				t.Errorf("id = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRowIDIsAUUIDv8ThatBeginsWithTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "group"))
		key := rapid.String().Draw(t, "key")
		early := time.UnixMilli(rapid.Int64Range(0, maxRowTime-2).Draw(t, "early"))
		late := time.UnixMilli(rapid.Int64Range(early.UnixMilli()+1, maxRowTime-1).Draw(t, "late"))

		id := rowID(group, key, early)
		if id.Version() != 8 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%s has version %d and variant %s, want 8 and %s", id, id.Version(), id.Variant(), uuid.RFC4122)
		}
		if again := rowID(group, key, early); again != id {
			t.Errorf("id = %s, then %s", id, again)
		}
		other := rowID(group, rapid.String().Draw(t, "other"), late)
		if bytes.Compare(id[:], other[:]) >= 0 {
			t.Errorf("id %s of %s does not come before %s of %s", id, early, other, late)
		}
	})
}

func TestRowTime(t *testing.T) {
	epoch := time.Unix(0, 0).UTC()
	tests := []struct {
		name     string
		in, want time.Time
	}{
		{name: "whole seconds stay", in: time.Date(2021, 7, 29, 23, 3, 20, 0, time.UTC), want: time.Date(2021, 7, 29, 23, 3, 20, 0, time.UTC)},
		{name: "below the millisecond is cut", in: time.Date(2021, 7, 29, 23, 3, 20, 1_999_999, time.UTC), want: time.Date(2021, 7, 29, 23, 3, 20, 1_000_000, time.UTC)},
		{name: "another zone is the same time", in: time.Date(2021, 7, 30, 8, 3, 20, 0, time.FixedZone("KST", 9*3600)), want: time.Date(2021, 7, 29, 23, 3, 20, 0, time.UTC)},
		{name: "no time is 1970", in: time.Time{}, want: epoch},
		{name: "before 1970 is 1970", in: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), want: epoch},
		{name: "beyond 48 bits is 1970", in: time.UnixMilli(maxRowTime), want: epoch},
		{name: "the last of 48 bits stays", in: time.UnixMilli(maxRowTime - 1), want: time.UnixMilli(maxRowTime - 1).UTC()},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := rowTime(tc.in); got != tc.want {
				t.Errorf("rowTime(%s) = %s, want %s", tc.in, got, tc.want)
			}
		})
	}
}
