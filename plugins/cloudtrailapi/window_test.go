package cloudtrailapi

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSplitIDs holds the IDs, which ledgers keep: others would read everything again.
func TestSplitIDs(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	s := stream{account: accountID, region: seoul, category: categoryManagement}
	for i, want := range []string{
		"111122223333/ap-northeast-2/management/20261123T1000Z/1h/24h",
		"111122223333/ap-northeast-2/management/20261123T1000Z/1h/6h",
		"111122223333/ap-northeast-2/management/20261123T1000Z/1h/1h",
		"111122223333/ap-northeast-2/management/20261123T1000Z/15m/15m",
		"111122223333/ap-northeast-2/management/20261123T1000Z/5m/1m",
	} {
		got := s.split(window{at, i})
		if got.ID != want || !strings.HasSuffix(want, "Z/"+got.Pass) {
			t.Errorf("split of pass %d = %+v, want ID %q and its pass", i, got, want)
		}
	}
	s.category, s.lookup = categoryInsight, "ResourceName=a/b=c"
	want := "111122223333/ap-northeast-2/insight/20261123T1005Z/5m/1m/ResourceName=a/b=c"
	w := window{at.Add(5 * time.Minute), 4}
	if got := s.id(w); got != want {
		t.Errorf("ID with a lookup = %q, want %q", got, want)
	}
	gotStream, gotWindow, err := parseID(want)
	if diff := cmp.Diff([]any{s, w}, []any{gotStream, gotWindow}, cmp.AllowUnexported(stream{}, window{})); diff != "" || err != nil {
		t.Errorf("parseID, error %v (-want +got):\n%s", err, diff)
	}
	if got, want := s.split(w).Time, at.Add(10*time.Minute-time.Second); !got.Equal(want) {
		t.Errorf("time of the split = %v, want its last second, %v", got, want)
	}
}

func TestWindowsLieSideBySideEachUnderTheLatestPassThatIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := today().Add(time.Duration(rapid.Int64Range(0, int64(100*24*time.Hour)).Draw(t, "now")))
		back := time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour
		from := now.Add(-back).Truncate(time.Hour)
		var all []window
		for hour := from; hour.Before(now); hour = hour.Add(time.Hour) {
			all = cover(all, now, hour, final)
		}
		at := from
		for _, w := range all {
			p := passes[w.pass]
			if !w.start.Equal(at) {
				t.Fatalf("window %v %s begins %v after the one before ended", w.start, p.name, w.start.Sub(at))
			}
			at = w.end()
			if now.Before(w.due()) {
				t.Errorf("window %v %s is listed before it is due", w.start, p.name)
			}
			for later, q := range passes[:w.pass] {
				if wider := (window{w.start.Truncate(q.width), later}); !now.Before(wider.due()) {
					t.Errorf("window %v %s is listed, though pass %s over it is due", w.start, p.name, q.name)
				}
			}
			s := stream{account: accountID, region: seoul, category: categoryManagement}
			if st, back, err := parseID(s.id(w)); err != nil || st != s || back != w {
				t.Errorf("parseID(%q) = %v, %v, %v, want what it was made of", s.id(w), st, back, err)
			}
		}
		if left := now.Sub(at); left >= 6*time.Minute {
			t.Errorf("the last %v are in no window, want less than 6m0s", left)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("111122223333/ap-northeast-2/insight/20261123T1005Z/5m/1m/ResourceName=a/b=c")
	f.Add("111122223333/us-east-1/management/20261123T1000Z/1h/24h")
	f.Fuzz(func(t *testing.T, id string) {
		s, w, err := parseID(id)
		if err == nil && s.id(w) != id {
			t.Errorf("parseID(%q) gave the parts of %q", id, s.id(w))
		}
	})
}
