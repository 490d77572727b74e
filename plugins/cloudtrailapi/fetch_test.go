package cloudtrailapi

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// afterTwoDays runs a test in a time of its own, two days after [today].
func afterTwoDays(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	bareEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(today().Add(48 * time.Hour)))
		f(t)
	})
}

func TestFetchReadsAWindowToItsEndWhateverItsPages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, page := range map[string]func() (int, bool){
		"full pages":               nil,
		"short and empty pages":    func() (int, bool) { return random.IntN(51), random.IntN(2) == 0 },
		"empty pages for the most": func() (int, bool) { return max(0, random.IntN(20)-15), random.IntN(2) == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			afterTwoDays(t, func(t *testing.T) {
				srv := lookuptest.New(lookuptest.Options{Page: page})
				events := happening("e", today(), 123)
				for i := range events[:110] { // more in one second than a page can hold
					events[i] = record(events[i].ID, today().Add(10*time.Minute))
				}
				srv.Add(seoul, events...)
				got, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, today()))
				if diff := cmp.Diff(idsOf(events), ids(got)); diff != "" || err != nil {
					t.Errorf("events, error %v (-want +got):\n%s", err, diff)
				}
				if n := srv.Busiest(); n > 2 {
					t.Errorf("requests in one second = %d, want 2 at most", n)
				}
			})
		})
	}
}

func TestFetchReadsBothEndsOfAWindow(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		hour := today().Add(5 * time.Hour)
		for id, at := range map[string]time.Time{
			"before": hour.Add(-time.Second), "first": hour, "last": hour.Add(time.Hour - time.Second),
			"next": hour.Add(time.Hour), "after": hour.Add(time.Hour + time.Second),
		} {
			srv.Add(seoul, record(id, at))
		}
		got, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, hour))
		// The windows share the second between them, for both ends are inclusive.
		if diff := cmp.Diff([]string{"first", "last", "next"}, ids(got)); diff != "" || err != nil {
			t.Errorf("events, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestFetchMakesEventsOfRecords(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		const text = `{"eventID":"A4D6AC84-1C3F-4FDE-9E1B-1F1F1F1F1F1F", "eventTime":"2000-01-01T00:00:07Z","eventName":"PutObject","awsRegion":"us-east-1",` +
			`"userIdentity":{"userName":"u","arn":"arn:x"},"resources":[],"readOnly":false,"n":1.0,"half":"\ud83d"}`
		srv.Add(seoul, lookuptest.Event{ID: "a4d6ac84", Time: today().Add(7 * time.Second), Username: "outer", Record: text})
		got, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, today()))
		want := []sdk.Event{{
			ID: "a4d6ac84-1c3f-4fde-9e1b-1f1f1f1f1f1f", Time: today().Add(7 * time.Second), Name: "PutObject", Region: "us-east-1",
			Account: accountID, Principal: "arn:x", ReadOnly: sdk.False, Raw: []byte(text),
		}}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("events, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestEventsWithoutARecordAreRejectedWithAllThatIsKnown(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		for _, tc := range []struct {
			name, record, reason string
			raw                  []string
		}{
			{"no record", "", "LookupEvents gave no CloudTrailEvent", []string{`"EventId":"E1"`, `"Username":"alice"`}},
			{"not JSON", `{"eventID":`, "CloudTrailEvent is not JSON", []string{`{\"eventID\":`}},
			{"two records", `{"eventID":"a"},{"eventID":"b"}`, "CloudTrailEvent is not JSON", []string{`eventID`}},
			{"the end of a file", `{}]}`, "CloudTrailEvent is not JSON", nil},
			{"nested too deep to be read", strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999), "CloudTrailEvent is not JSON", nil},
			{"nested too deep to be stored", `{"a":` + strings.Repeat("[", 9_997) + strings.Repeat("]", 9_997) + `}`, "nested deeper than the limit of 128", nil},
			{"not an object", `"x"`, "the record is a string, not an object", []string{`"x"`}},
		} {
			srv := lookuptest.New(lookuptest.Options{})
			srv.Add(seoul, record("good-1", today()), record("good-2", today().Add(9*time.Second)),
				lookuptest.Event{ID: "E1", Name: "N", Source: "S", Username: "alice", Time: today().Add(time.Second), Record: tc.record})
			got, err := fetch(t, source(t, srv, Settings{}), splitID(seoul, today()))
			if err != nil || len(got) != 3 {
				t.Errorf("%s: Fetch = %d events, %v, want 3", tc.name, len(got), err)
				continue
			}
			for _, e := range got {
				if strings.HasPrefix(e.ID, "good") {
					continue
				}
				if e.Reject != tc.reason || e.ID == "" {
					t.Errorf("%s: rejected for %q with ID %q, want %q", tc.name, e.Reject, e.ID, tc.reason)
				}
				for _, part := range tc.raw {
					if !strings.Contains(string(e.Raw), part) {
						t.Errorf("%s: raw = %s, want %s in it", tc.name, e.Raw, part)
					}
				}
			}
		}
	})
}

func TestEqualRecordsWithoutAnIDAreTwoEventsOnWhateverPage(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{Page: func() (int, bool) { return 1, false }})
		twin := lookuptest.Event{Time: today(), Username: "u", Record: `{"eventName":"Old"}`}
		srv.Add(seoul, twin)
		twin.ID = "2"
		srv.Add(seoul, twin)
		src := source(t, srv, Settings{})
		first, err := fetch(t, src, splitID(seoul, today()))
		if err != nil || len(first) != 2 || first[0].ID == first[1].ID {
			t.Fatalf("Fetch = %v, %v, want two events with IDs of their own", ids(first), err)
		}
		again, err := fetch(t, src, splitID(seoul, today()))
		if diff := cmp.Diff(ids(first), ids(again)); diff != "" || err != nil {
			t.Errorf("IDs when read again, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestLookupAndCategoryAreAskedFor(t *testing.T) {
	yes := true
	for _, tc := range []struct {
		name     string
		settings Settings
		want     []string
	}{
		{"everything", Settings{}, []string{"login", "other"}},
		{"insights", Settings{EventCategory: categoryInsight}, []string{"insight"}},
		{"by name", Settings{Lookup: &Lookup{EventName: "ConsoleLogin"}}, []string{"login"}},
		{"by user", Settings{Lookup: &Lookup{Username: "alice"}}, []string{"login"}},
		{"by resource", Settings{Lookup: &Lookup{ResourceName: "a/b=c"}}, []string{"other"}},
		{"by resource type", Settings{Lookup: &Lookup{ResourceType: "AWS::S3::Object"}}, []string{"other"}},
		{"by key", Settings{Lookup: &Lookup{AccessKeyID: "AKIA1"}}, []string{"login"}},
		{"by source", Settings{Lookup: &Lookup{EventSource: "s3.amazonaws.com"}}, []string{"other"}},
		{"by id", Settings{Lookup: &Lookup{EventID: "other"}}, []string{"other"}},
		{"read only", Settings{Lookup: &Lookup{ReadOnly: &yes}}, []string{"other"}},
		{"insights by name", Settings{EventCategory: categoryInsight, Lookup: &Lookup{EventName: "ConsoleLogin"}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			afterTwoDays(t, func(t *testing.T) {
				srv := lookuptest.New(lookuptest.Options{})
				at := today().Add(time.Minute)
				srv.Add(seoul,
					lookuptest.Event{ID: "login", Name: "ConsoleLogin", Username: "alice", AccessKeyID: "AKIA1", Time: at, Record: `{"eventID":"login"}`},
					lookuptest.Event{
						ID: "other", Name: "GetObject", Source: "s3.amazonaws.com", ReadOnly: true, Time: at, Record: `{"eventID":"other"}`,
						Resources: []lookuptest.Resource{{Type: "AWS::S3::Object", Name: "a/b=c"}},
					},
					lookuptest.Event{ID: "insight", Insight: true, Time: at, Record: `{"eventID":"insight"}`})
				tc.settings.Regions = []string{seoul}
				src := source(t, srv, tc.settings)
				splits, err := discover(t, src, sdk.TimeRange{Since: today(), Until: today().Add(time.Hour)})
				if err != nil || len(splits) != 1 {
					t.Fatalf("Discover = %v, %v, want one split", splits, err)
				}
				got, err := fetch(t, src, splits[0].ID)
				if diff := cmp.Diff(tc.want, ids(got)); diff != "" || err != nil {
					t.Errorf("events of %s, error %v (-want +got):\n%s", splits[0].ID, err, diff)
				}
			})
		})
	}
}

func TestAWindowThatLeftTheHistoryIsGone(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		src := source(t, srv, Settings{})
		day := today().Add(48*time.Hour - history)
		_, err := fetch(t, src, splitID(seoul, day.Add(-time.Hour)))
		if !sdk.IsGone(err) || !strings.Contains(err.Error(), "90 days, to 1999-10-05T00:00:01Z") {
			t.Errorf("Fetch of a window that ended 90 days ago = %v, want it gone, and since when", err)
		}
		if n := len(srv.Requests()); n != 0 {
			t.Errorf("requests for it = %d, want none", n)
		}
		<-time.After(30 * time.Minute)
		srv.Add(seoul, record("left", day.Add(20*time.Minute)), record("there", day.Add(40*time.Minute)))
		got, err := fetch(t, src, splitID(seoul, day))
		if diff := cmp.Diff([]string{"there"}, ids(got)); diff != "" || err != nil {
			t.Errorf("events of a window that is leaving, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestSplitsThatNameNoWindowAreInvalid(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		src := source(t, lookuptest.New(lookuptest.Options{}), Settings{})
		for _, id := range []string{
			"", "a/b", "trail/key.json.gz@etag",
			"111122223333/us-east-1/management/20000101T0000Z/1h/2h",
			"111122223333/us-east-1/management/20000101T0030Z/1h/24h",
			"111122223333/us-east-1/data/20000101T0000Z/1h/24h",
			"111122223333/us-east-1/management/20000101T0000Z/1h/24h/ConsoleLogin",
			"111122223333/us-east-1/management/20000101T0000Z/1h/24h/",
			"111122223333/us-east-1/management/yesterday/1h/24h",
		} {
			if _, err := fetch(t, src, id); !sdk.IsInvalid(err) {
				t.Errorf("Fetch of %q = %v, want it invalid", id, err)
			}
		}
	})
}
