package cloudtrailapi

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// names are what tells the splits of one stream apart.
func names(splits []sdk.Split) []string {
	var names []string
	for _, s := range splits {
		names = append(names, strings.TrimPrefix(s.ID, accountID+"/"+seoul+"/"+categoryManagement+"/"))
	}
	return names
}

func inSeoul() Settings { return Settings{Regions: []string{seoul}} }

func TestDiscoverListsRecentWindowsFirstThenTheHistoryFromItsOldest(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		<-time.After(2*time.Hour + 37*time.Minute) // 2000-01-03T02:37Z
		src := source(t, lookuptest.New(lookuptest.Options{}), inSeoul())
		splits, err := discover(t, src, sdk.TimeRange{})
		if err != nil {
			t.Fatal(err)
		}
		got := names(splits)
		want := []string{
			"20000103T0230Z/5m/1m", "20000103T0225Z/5m/1m", "20000103T0220Z/5m/1m", "20000103T0215Z/5m/1m",
			"20000103T0200Z/15m/15m", "20000103T0145Z/15m/15m", "20000103T0130Z/15m/15m", "20000103T0115Z/15m/15m", "20000103T0100Z/15m/15m",
			"20000103T0000Z/1h/1h", "20000102T2300Z/1h/1h", "20000102T2200Z/1h/1h", "20000102T2100Z/1h/1h", "20000102T2000Z/1h/1h",
			"20000102T1900Z/1h/6h",
		}
		if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
			t.Errorf("first splits (-want +got):\n%s", diff)
		}
		if i := slices.Index(got, "19991005T0200Z/1h/24h"); i < 0 || strings.Contains(strings.Join(got[i:], " "), "/6h") {
			t.Errorf("the oldest window is at %d, want it after all recent ones", i)
		}
		if last := got[len(got)-1]; last != "20000102T0100Z/1h/24h" {
			t.Errorf("last split = %s, want the newest final pass", last)
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(got)))); n != len(got) {
			t.Errorf("%d splits are %d different ones", len(got), n)
		}
		if n := len(got); n != 4+5+5+18+90*24-24 {
			t.Errorf("splits = %d, want %d", n, 4+5+5+18+90*24-24)
		}
	})
}

func TestDiscoverListsWhatLiesInTheRange(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		src := source(t, lookuptest.New(lookuptest.Options{}), inSeoul())
		day := today()
		for _, tc := range []struct {
			name  string
			r     sdk.TimeRange
			n     int
			first string
		}{
			{"whole hours", sdk.TimeRange{Since: day, Until: day.Add(3 * time.Hour)}, 3, "20000101T0000Z/1h/24h"},
			{"the hour that it begins in", sdk.TimeRange{Since: day.Add(30 * time.Minute), Until: day.Add(2 * time.Hour)}, 2, "20000101T0000Z/1h/24h"},
			{"the last quarter", sdk.TimeRange{Since: day.Add(47*time.Hour + 45*time.Minute)}, 2, "20000102T2350Z/5m/1m"},
			{"the history's edge", sdk.TimeRange{Since: day.Add(48*time.Hour - history), Until: day.Add(50*time.Hour - history)}, 2, "19991005T0000Z/1h/24h"},
			{"the gap before it", sdk.TimeRange{Since: day.Add(-200 * 24 * time.Hour), Until: day.Add(50*time.Hour - history)}, 3, "19991004T2300Z/1h/24h"},
			{"half of the hour before it", sdk.TimeRange{Since: day.Add(47*time.Hour + 30*time.Minute - history), Until: day.Add(50*time.Hour - history)}, 3, "19991004T2300Z/1h/24h"},
			{"long before it", sdk.TimeRange{Since: day.Add(-200 * 24 * time.Hour), Until: day.Add(-100 * 24 * time.Hour)}, 0, ""},
		} {
			splits, err := discover(t, src, tc.r)
			first := append(names(splits), "")[0]
			if err != nil || len(splits) != tc.n || first != tc.first {
				t.Errorf("%s: %d splits from %q on, %v; want %d from %q on", tc.name, len(splits), first, err, tc.n, tc.first)
			}
		}
	})
}

func TestDiscoverEndsWhenItsCallerHasEnough(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		src := source(t, lookuptest.New(lookuptest.Options{}), inSeoul())
		enough := errors.New("enough")
		if err := src.Discover(t.Context(), sdk.TimeRange{}, func([]sdk.Split) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("Discover = %v, want the caller's error", err)
		}
	})
}

func TestRegionsTakeTurns(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		src := source(t, lookuptest.New(lookuptest.Options{}), Settings{Regions: []string{seoul, virginia}})
		splits, err := discover(t, src, sdk.TimeRange{Since: today(), Until: today().Add(2 * time.Hour)})
		var got []string
		for _, s := range splits {
			got = append(got, strings.Split(s.ID, "/")[1])
		}
		if diff := cmp.Diff([]string{seoul, virginia, seoul, virginia}, got); diff != "" || err != nil {
			t.Errorf("Regions in order, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestEnabledRegionsAreDiscoveredOnceAnHour(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{Regions: []string{seoul, virginia}})
		src := source(t, srv, Settings{})
		at := sdk.TimeRange{Since: today(), Until: today().Add(time.Hour)}
		for _, want := range [][]string{{seoul, virginia}, {seoul, virginia}, {"af-south-1", seoul, virginia}} {
			splits, err := discover(t, src, at)
			if diff := cmp.Diff(want, regionsOf(splits)); diff != "" || err != nil {
				t.Errorf("Regions, error %v (-want +got):\n%s", err, diff)
			}
			srv.SetRegions("af-south-1", seoul, virginia)
			<-time.After(31 * time.Minute)
		}
		srv.SetRegions()
		<-time.After(time.Hour)
		splits, err := discover(t, src, at)
		if n := len(regionsOf(splits)); n != 3 || err == nil || !strings.Contains(err.Error(), "list the enabled Regions") {
			t.Errorf("Discover = splits of %d Regions, %v; want those known before, and why they were not listed", n, err)
		}
	})
}
