package cloudtrailapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// TestRealRecordsAreTheSameEventsAsInFiles reads the records of a real trail both ways.
func TestRealRecordsAreTheSameEventsAsInFiles(t *testing.T) {
	objects := cloudtrailtest.RealTrail(t)
	want := make(map[string]sdk.Event)
	srv := lookuptest.New(lookuptest.Options{})
	at := today() // when the records were made the service had none
	var all []lookuptest.Event
	for _, body := range objects {
		err := cloudtrail.Read(bytes.NewReader(body), accountID, cloudtrail.Limits{}, func(page []sdk.Event) error {
			for _, e := range cloudtrailtest.Kept(page) {
				want[e.ID] = e
				all = append(all, lookuptest.Event{ID: strconv.Itoa(len(all)), Time: at, Record: string(e.Raw)})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	srv.Add(seoul, all...)
	afterTwoDays(t, func(t *testing.T) {
		events, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, at))
		if err != nil || len(events) != cloudtrailtest.RealTrailRecords {
			t.Fatalf("Fetch = %d events, %v, want %d", len(events), err, cloudtrailtest.RealTrailRecords)
		}
		got := make(map[string]sdk.Event)
		for _, e := range events {
			got[e.ID] = e
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(equalJSON)); diff != "" || len(got) != cloudtrailtest.RealTrailDistinct {
			t.Errorf("%d different events, want %d (-want +got):\n%s", len(got), cloudtrailtest.RealTrailDistinct, diff)
		}
	})
}

// equalJSON compares records as jsonb does, in case copies differ in their text.
func equalJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

// TestOddRecordsComeThroughAsTheyAre reads records of many origins, with all their
// quirks, each byte for byte.
func TestOddRecordsComeThroughAsTheyAre(t *testing.T) {
	origins := cloudtrailtest.Records(t)
	afterTwoDays(t, func(t *testing.T) {
		for origin, records := range origins {
			srv := lookuptest.New(lookuptest.Options{})
			var all []lookuptest.Event
			for i, text := range records {
				all = append(all, lookuptest.Event{ID: strconv.Itoa(i), Time: today(), Record: text})
			}
			srv.Add(seoul, all...)
			events, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, today()))
			var got []string
			for _, e := range events {
				got = append(got, string(e.Raw))
			}
			var want []string
			for _, text := range records {
				want = append(want, strings.TrimSpace(text))
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: records, error %v (-want +got):\n%s", origin, err, diff)
			}
		}
	})
}
