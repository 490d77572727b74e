package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestWhatAddsUpHasNoFindings(t *testing.T) {
	s := newSite(t)
	s.done(t, reading{split: "plain", stored: 3})
	s.done(t, reading{split: "empty"})
	s.done(t, reading{split: "mixed", stored: 2, duplicate: 1, filtered: 4, quarantined: 2})
	s.done(t, reading{split: "odd\uFFFDname", stored: 1})
	s.source[3].ID = "odd\x00name"

	t.Run("an invalid split in quarantine", func(t *testing.T) {
		s.done(t, reading{split: "invalid", status: "invalid", quarantined: 1})
	})
	t.Run("a gone split that is not listed any more", func(t *testing.T) {
		s.record(t, reading{split: "gone", status: "gone", repeated: 0})
	})
	t.Run("a split cut short before it went away", func(t *testing.T) {
		s.record(t, reading{split: "cut", status: "gone", repeated: 0})
		s.store(t, testGroup, "cut", 2)
	})
	t.Run("a split read again whole", func(t *testing.T) {
		s.store(t, testGroup, "again", 3)
		s.record(t, reading{split: "again", stored: 0, duplicate: 4, repeated: 3})
	})
	t.Run("an entry from before repeated was counted", func(t *testing.T) {
		s.store(t, testGroup, "large", 9)
		s.record(t, reading{split: "large", stored: 5, duplicate: 5})
	})
	t.Run("a filter that was widened", func(t *testing.T) {
		s.record(t, reading{split: "widened", filter: "narrow", stored: 2, filtered: 4, repeated: 0})
		s.record(t, reading{split: "widened", stored: 4, duplicate: 2, repeated: 2})
		s.store(t, testGroup, "widened", 6)
	})
	t.Run("two filters that each left something out", func(t *testing.T) {
		s.record(t, reading{split: "parts", filter: "narrow", stored: 2, filtered: 8, repeated: 0})
		s.record(t, reading{split: "parts", stored: 2, duplicate: 1, repeated: 1, filtered: 7})
		s.store(t, testGroup, "parts", 4)
	})
	t.Run("two pipelines of one group", func(t *testing.T) {
		s.record(t, reading{split: "shared", stored: 3, repeated: 0})
		s.record(t, reading{split: "shared", pipeline: "second", duplicate: 3, repeated: 3})
		s.store(t, testGroup, "shared", 3)
	})
	t.Run("another group's rows and entries", func(t *testing.T) {
		s.store(t, otherGroup, "plain", 7)
		s.record(t, reading{group: otherGroup, split: "wrong", stored: 100})
	})

	report := s.audit(t)
	if report.Found != 0 {
		t.Errorf("findings: %+v", report.Findings)
	}
	want := []Listing{{Pipeline: "audit", Source: "s3", Group: testGroup, Listed: 5, Done: 4, Invalid: 1}}
	if diff := cmp.Diff(want, report.Listings); diff != "" {
		t.Errorf("listings (-want +got):\n%s", diff)
	}
	wantGroups := []Group{{ID: testGroup, Rows: 33, Accounts: []Account{
		{Pipeline: "audit", Source: "s3", Splits: 14, Invalid: 1, Gone: 2, Read: 63, Stored: 24, Duplicate: 13, Filtered: 23, Quarantined: 3},
		{Pipeline: "second", Source: "s3", Splits: 1, Read: 3, Duplicate: 3},
	}}}
	if diff := cmp.Diff(wantGroups, report.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestWhatDoesNotAddUpIsFound(t *testing.T) {
	deleteRow := `with c as (delete from cloudtrail where event_id = (select min(event_id::text)::uuid from cloudtrail where origin = 'a') returning event_id)
		select * from c`
	tests := []struct {
		name  string
		spoil func(t *testing.T, s *site)
		want  []string // kind split: detail
	}{
		{
			name: "a deleted row",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, deleteRow)
				s.exec(t, `delete from events e where not exists (select from cloudtrail c where c.event_id = e.id)`)
			},
			want: []string{"rows a: 3 rows, but the ledger counts 4"},
		},
		{
			name:  "a deleted record",
			spoil: func(t *testing.T, s *site) { s.exec(t, deleteRow) },
			want:  []string{"rows a: 3 rows, but the ledger counts 4", "record : 1 rows of events have no record in cloudtrail"},
		},
		{
			name: "a deleted row of a split that was read again",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `update ledger set stored = 0, duplicate = stored + duplicate, repeated = stored where split = 'a'`)
				s.exec(t, deleteRow)
				s.exec(t, `delete from events e where not exists (select from cloudtrail c where c.event_id = e.id)`)
			},
			want: []string{"rows a: 3 rows, but the ledger counts 4"},
		},
		{
			name:  "a ledger entry without rows",
			spoil: func(t *testing.T, s *site) { s.record(t, reading{split: "made up", stored: 2, repeated: 0}) },
			want:  []string{"rows made up: 0 rows, but the ledger counts 2"},
		},
		{
			name:  "an object never read",
			spoil: func(_ *testing.T, s *site) { s.source = append(s.source, sdk.Split{ID: "new", Time: testTime}) },
			want:  []string{"missing new: listed, but the ledger has no entry: it was never read to its end"},
		},
		{
			name:  "a lost ledger entry",
			spoil: func(t *testing.T, s *site) { s.exec(t, `delete from ledger where split = 'a'`) },
			want: []string{
				"missing a: listed, but the ledger has no entry: it was never read to its end",
				"unfinished a: 4 rows, but the ledger has no entry: the split was not read to its end",
			},
		},
		{
			name: "more stored than there is",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `update ledger set stored = stored + 1, read = read + 1 where split = 'a'`)
			},
			want: []string{"rows a: 4 rows, but the ledger counts 5"},
		},
		{
			name: "less stored than there is",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `update ledger set stored = stored - 1, read = read - 1 where split = 'a'`)
			},
			want: []string{"rows a: 4 rows, but the ledger counts 3"},
		},
		{
			name: "stored counted as duplicate",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `update ledger set stored = stored - 1, duplicate = duplicate + 1 where split = 'a'`)
			},
			want: []string{"rows a: 4 rows, but the ledger counts 3"},
		},
		{
			name: "stored counted as filtered",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `update ledger set stored = stored - 1, filtered = filtered + 1 where split = 'a'`)
			},
			want: []string{"rows a: 4 rows, but the ledger counts 3"},
		},
		{
			name: "counts that do not sum up",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `alter table ledger drop constraint ledger_counts_check`)
				s.exec(t, `update ledger set read = read + 1 where split = 'b'`)
			},
			want: []string{"counts b: the entry does not add up: 4 read, but 1 stored, 0 duplicate, 0 filtered, 2 quarantined"},
		},
		{
			name: "too few rows for an entry from before repeated was counted",
			spoil: func(t *testing.T, s *site) {
				s.record(t, reading{split: "large", stored: 5, duplicate: 2})
				s.store(t, testGroup, "large", 4)
			},
			want: []string{"rows large: 4 rows, but the ledger counts at least 5"},
		},
		{
			name: "too many rows for an entry from before repeated was counted",
			spoil: func(t *testing.T, s *site) {
				s.record(t, reading{split: "large", stored: 5, duplicate: 2})
				s.store(t, testGroup, "large", 8)
			},
			want: []string{"rows large: 8 rows, but the ledger counts at most 7"},
		},
		{
			name: "an entry deleted from the quarantine",
			spoil: func(t *testing.T, s *site) {
				s.exec(t, `delete from quarantine where id = (select id from quarantine limit 1)`)
			},
			want: []string{"quarantined b: 1 entries in the quarantine, but the ledger counts 2"},
		},
		{
			name:  "an entry that the ledger does not count",
			spoil: func(t *testing.T, s *site) { s.quarantine(t, reading{split: "a"}) },
			want:  []string{"quarantined a: 1 entries in the quarantine, but the ledger counts 0"},
		},
		{
			name: "a split read under another filter only",
			spoil: func(t *testing.T, s *site) {
				s.done(t, reading{split: "part", filter: "by hand", stored: 1, filtered: 9})
			},
			want: []string{"refiltered part: read only under another filter, which left events out; the next run reads it again"},
		},
		{
			name: "a split that came back",
			spoil: func(t *testing.T, s *site) {
				s.done(t, reading{split: "back", status: "gone"})
				s.exec(t, `update ledger set reason = 'NoSuchKey' where split = 'back'`)
			},
			want: []string{"gone back: listed, but it was gone when it was to be read; the next run tries it again: NoSuchKey"},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			s.done(t, reading{split: "a", stored: 4})
			s.done(t, reading{split: "b", stored: 1, quarantined: 2})
			tc.spoil(t, s)
			report := s.audit(t)
			if diff := cmp.Diff(tc.want, lines(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if report.Found != len(tc.want) {
				t.Errorf("found = %d, want %d", report.Found, len(tc.want))
			}
		})
	}
}

func lines(r Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s: %s", f.Kind, f.Split, f.Detail))
	}
	return out
}

func TestWhatWasDiscardedStaysAccountedForAndWhatWasRetriedMustBeRead(t *testing.T) {
	const release = `with q as (delete from quarantine where split = $1 returning *)
		insert into released (id, kind, group_id, pipeline, source, split, reason, recorded_at, action)
		select id, kind, group_id, pipeline, source, split, reason, recorded_at, $2 from q`
	s := newSite(t)
	s.done(t, reading{split: "discarded", quarantined: 2})
	s.done(t, reading{split: "retried", quarantined: 1})
	s.exec(t, release, "discarded", "discard")
	s.exec(t, release, "retried", "retry")
	s.exec(t, `delete from ledger where split = 'retried'`)

	got := s.audit(t)
	if got.Found != 2 || got.Findings[0].Kind != Missing || got.Findings[1].Kind != Retried || !strings.Contains(got.Findings[1].Detail, "by "+s.db.Owner.User) {
		t.Errorf("after retry: %q", lines(got))
	}

	// Read again, the record is fine now.
	s.record(t, reading{split: "retried", stored: 1, repeated: 0})
	s.store(t, testGroup, "retried", 1)
	// Discarded, then read again: the older discard does not count for this reading.
	s.exec(t, `update released set released_at = '2020-01-01' where split = 'discarded'`)
	s.exec(t, `update ledger set quarantined = 0, stored = 2 where split = 'discarded'`)
	s.store(t, testGroup, "discarded", 2)
	if got := s.audit(t); got.Found != 0 {
		t.Errorf("after the splits were read again: %q", lines(got))
	}
}

func TestTheRangeLimitsWhatIsListedAndSparesWhatIsUnderWay(t *testing.T) {
	s := newSite(t)
	s.source = fakeSource{{ID: "old", Time: testTime.Add(-time.Hour)}, {ID: "inside", Time: testTime}, {ID: "new", Time: testTime.Add(time.Hour)}, {ID: "timeless"}}
	s.store(t, testGroup, "under way", 1)
	s.exec(t, `update events set created_at = $1`, testTime.Add(time.Minute))

	o := s.options()
	o.Range = sdk.TimeRange{Since: testTime.Add(-24 * time.Hour), Until: testTime.Add(time.Minute)}
	o.Sources[0].Since = testTime
	want := []string{
		"missing inside: listed, but the ledger has no entry: it was never read to its end",
		"missing timeless: listed, but the ledger has no entry: it was never read to its end",
	}
	if diff := cmp.Diff(want, lines(mustRun(t, o))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	o.Range.Until = testTime.Add(2 * time.Minute)
	want = append(want, "unfinished under way: 1 rows, but the ledger has no entry: the split was not read to its end")
	if diff := cmp.Diff(want, lines(mustRun(t, o))); diff != "" {
		t.Errorf("findings, a minute later (-want +got):\n%s", diff)
	}
}

func TestSourceBlocksOfOneTypeShareALineAndGroupsHaveTheirOwn(t *testing.T) {
	s := newSite(t)
	s.done(t, reading{split: "a", stored: 1})
	s.record(t, reading{group: otherGroup, split: "b", repeated: 0})
	o := s.options()
	o.Sources[0].Groups = []uuid.UUID{testGroup, otherGroup}
	o.Sources = append(o.Sources, o.Sources[0])
	o.Sources[1].Plugin = fakeSource{{ID: "b"}}
	want := []Listing{
		{Pipeline: "audit", Source: "s3", Group: testGroup, Listed: 2, Done: 1, Missing: 1},
		{Pipeline: "audit", Source: "s3", Group: otherGroup, Listed: 2, Done: 1, Missing: 1},
	}
	report := mustRun(t, o)
	if diff := cmp.Diff(want, report.Listings); diff != "" {
		t.Errorf("listings (-want +got):\n%s", diff)
	}
	if len(report.Groups) != 2 || report.Groups[0].Rows != 1 || report.Groups[1].Rows != 0 {
		t.Errorf("groups = %+v, want one row in the first of two", report.Groups)
	}
}

func TestFindingsBeyondTheLimitAreCounted(t *testing.T) {
	s := newSite(t)
	for i := range 2500 {
		s.source = append(s.source, sdk.Split{ID: fmt.Sprint(i)})
	}
	o := s.options()
	o.Limit = 3
	if report := mustRun(t, o); report.Found != 2500 || len(report.Findings) != 3 {
		t.Errorf("found %d, %d of them in the report; want 2500, 3", report.Found, len(report.Findings))
	}
}

func TestWhyAnAuditFails(t *testing.T) {
	s := newSite(t)
	s.source = fakeSource{{ID: "a"}}
	for _, tc := range []struct {
		name   string
		change func(o *Options)
		want   []string
	}{
		{"a connection string that is none", func(o *Options) { o.DSN = "postgres://canary:canary@%zz" }, []string{"not valid"}},
		{"the sink's own user", func(o *Options) { o.DSN = s.db.DSN(s.db.Writer) }, []string{"permission denied", "inu_reader"}},
		{"a database without tables", func(o *Options) { o.DSN = strings.Replace(s.db.SuperuserDSN(), s.db.Name, "postgres", 1) }, []string{"agent migrate"}},
		{"a source that cannot be listed", func(o *Options) { o.Sources[0].Plugin = brokenSource{} }, []string{"list source s3 of pipeline audit", "access denied"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := s.options()
			tc.change(&o)
			_, err := Run(t.Context(), o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("error %q quotes the connection string", err)
			}
		})
	}
}

type brokenSource struct{}

func (brokenSource) Discover(context.Context, sdk.TimeRange, func([]sdk.Split) error) error {
	return errors.New("access denied")
}
