package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const acct = "AWSLogs/111122223333/"

func TestLocate(t *testing.T) {
	for prefix, want := range map[string]struct {
		site   site
		stream string
	}{
		"":                                     {site: outside},
		"logs/":                                {site: outside},
		"AWSLogs":                              {site: outside},
		"AWSLogs/":                             {site: above},
		"a/b/AWSLogs/":                         {site: above},
		"AWSLogs/o-abcdef1234/":                {site: above},
		"AWSLogs/1111":                         {site: above},
		acct:                                   {site: above},
		acct + "CloudTrail":                    {site: above},
		acct + "CloudTrail/":                   {site: above},
		acct + "CloudTrail/us-":                {site: above},
		acct + "CloudTrail-Insight/":           {site: above},
		acct + "CloudTrail-Aggregated/":        {site: above},
		acct + "CloudTrail-Digest/":            {site: barren},
		acct + "Config/":                       {site: barren},
		acct + "CloudTrail/us-east-1/":         {inStream, acct + "CloudTrail/us-east-1/"},
		acct + "CloudTrail/us-east-1/2026/11/": {inStream, acct + "CloudTrail/us-east-1/"},
		acct + "CloudTrail/us-east-1/20":       {inStream, acct + "CloudTrail/us-east-1/"},
		"o-a1/AWSLogs/o-a1/111122223333/CloudTrail/us-gov-east-1/x": {inStream, "o-a1/AWSLogs/o-a1/111122223333/CloudTrail/us-gov-east-1/"},
		"AWSLogs/tenant/CloudTrail/cn-north-1/":                     {inStream, "AWSLogs/tenant/CloudTrail/cn-north-1/"},
		"AWSLogs/tenant/":                                           {site: outside},
		"AWSLogs/tenant/photos/":                                    {site: outside},
		acct + "CloudTrail/2026/":                                   {site: outside},
	} {
		if site, b := locate(prefix); site != want.site || b.stream != want.stream {
			t.Errorf("locate(%q) = %v, %q, want %v, %q", prefix, site, b.stream, want.site, want.stream)
		}
	}
}

func TestAListingOfAStreamBeginsAtTheHourOrTheDay(t *testing.T) {
	b := branch{stream: acct + "CloudTrail-Insight/us-east-1/"}
	synctest.Test(t, func(t *testing.T) { // now is midnight of 2000-01-01
		for back, want := range map[time.Duration]string{
			0:                   "1999/12/31/111122223333_CloudTrail-Insight_us-east-1_19991231T23",
			6 * time.Hour:       "1999/12/31/111122223333_CloudTrail-Insight_us-east-1_19991231T17",
			3 * 24 * time.Hour:  "1999/12/28/",
			35 * 24 * time.Hour: "1999/11/26/",
		} {
			if got := b.startAfter(time.Now().Add(-back)); got != b.stream+want {
				t.Errorf("start after for %v = %q, want %q", back, got, b.stream+want)
			}
		}
		if got := b.startAfter(time.Time{}); got != "" {
			t.Errorf("start after for everything = %q, want none", got)
		}
		if got := (branch{prefix: "copies/"}).startAfter(time.Now()); got != "" {
			t.Errorf("start after in no order = %q, want none", got)
		}
	})
}

func TestLeap(t *testing.T) {
	since, until := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	const stream = acct + "CloudTrail/us-east-1/"
	for key, want := range map[string]string{
		acct + "Config/us-east-1/2026/5/1/x.json.gz":              acct + "Config0",
		acct + "CloudTrail-Digest/us-east-1/2026/05/01/x.json.gz": acct + "CloudTrail-Digest0",
		stream + "2026/05/01/x.json.gz":                           "",
		stream + "2026/03/08/x.json.gz":                           "",
		stream + "2026/03/07/x.json.gz":                           stream + "2026/03/08/",
		stream + "2019/03/07/x.json.gz":                           stream + "2026/03/08/",
		stream + "2026/06/12/x.json.gz":                           "",
		stream + "2026/06/13/x.json.gz":                           stream + ":",
		stream + "copied/x.json.gz":                               "",
		"copies/2019/01/01/x.json.gz":                             "",
		"copies/CloudTrail-Digest/x.json.gz":                      "",
	} {
		if got := leap(key, sdk.TimeRange{Since: since, Until: until}); got != want {
			t.Errorf("leap(%q) = %q, want %q", key, got, want)
		}
	}
	if got := leap(stream+"2019/03/07/x.json.gz", sdk.TimeRange{}); got != "" {
		t.Errorf("leap in an open range = %q, want none", got)
	}
}

// recent is a range that is listed stream by stream.
func recent() sdk.TimeRange { return sdk.TimeRange{Since: time.Now().Add(-6 * time.Hour)} }

func TestLayoutsAreFoundFromAnyPrefixAboveThem(t *testing.T) {
	srv := serve(t)
	now := time.Now().UTC()
	single, org := key("111122223333", "us-east-1", now, "a"), strings.Replace(key("444455556666", "eu-west-1", now, "b"), "AWSLogs/", "AWSLogs/o-abcdef1234/", 1)
	tower, front := "o-abcdef1234/"+org, "logs/trail/"+key("777788889999", "cn-north-1", now, "c")
	insight := strings.ReplaceAll(single, "_CloudTrail_", "_CloudTrail-Insight_")
	insight = strings.ReplaceAll(insight, "/CloudTrail/", "/CloudTrail-Insight/")
	network := strings.ReplaceAll(strings.ReplaceAll(single, "_CloudTrail_", "_CloudTrail-NetworkActivity_"), "/CloudTrail/", "/CloudTrail-NetworkActivity/")
	aggregated := strings.ReplaceAll(strings.ReplaceAll(single, "_CloudTrail_", "_CloudTrail-Aggregated_"), "/CloudTrail/", "/CloudTrail-Aggregated/")
	digest := strings.ReplaceAll(strings.ReplaceAll(single, "_CloudTrail_", "_CloudTrail-Digest_"), "/CloudTrail/", "/CloudTrail-Digest/")
	const copied, loose = "copies/x/x.json.gz", "loose.json"
	for _, k := range []string{single, org, tower, front, insight, network, aggregated, digest, copied, loose, acct + "Config/us-east-1/2026/11/1/g.json.gz", acct, "copies/x/"} {
		put(t, srv, k, zip(two))
	}
	for _, tc := range []struct {
		name     string
		settings Settings
		want     []string
	}{
		{"no prefix", Settings{}, []string{single, org, tower, front, insight, network, aggregated, copied, loose}},
		{"the logs", Settings{Prefix: "AWSLogs/"}, []string{single, org, insight, network, aggregated}},
		{"an account", Settings{Prefix: acct}, []string{single, insight, network, aggregated}},
		{"an organization", Settings{Prefix: "AWSLogs/o-abcdef1234/"}, []string{org}},
		{"what is in front", Settings{Prefix: "logs/"}, []string{front}},
		{"a half name", Settings{Prefix: "o-abc"}, []string{tower}},
		{"a half account", Settings{Prefix: "AWSLogs/1111"}, []string{single, insight, network, aggregated}},
		{"a category", Settings{Prefix: acct + "CloudTrail/"}, []string{single}},
		{"a half category", Settings{Prefix: acct + "CloudTrail"}, []string{single, insight, network, aggregated}},
		{"a stream", Settings{Prefix: acct + "CloudTrail/us-east-1/"}, []string{single}},
		{"a day", Settings{Prefix: acct + "CloudTrail/us-east-1/" + now.Format("2006/01/02/")}, []string{single}},
		{"another day", Settings{Prefix: acct + "CloudTrail/us-east-1/2020/01/01/"}, nil},
		{"digests", Settings{Prefix: acct + "CloudTrail-Digest/"}, nil},
		{"something else", Settings{Prefix: "copies/"}, []string{copied}},
		{"several", Settings{Prefixes: []string{"copies/", "logs/"}}, []string{copied, front}},
		{"nothing", Settings{Prefix: "nothing/"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			slices.Sort(tc.want)
			src := source(t, srv, tc.settings)
			for _, r := range []sdk.TimeRange{recent(), {}} {
				splits, err := discover(t, src, r)
				if diff := cmp.Diff(tc.want, keys(splits)); diff != "" || err != nil {
					t.Errorf("keys of %v, error %v (-want +got):\n%s", r, err, diff)
				}
			}
		})
	}
	if n := srv.Requests(s3test.GetObject); n != 0 {
		t.Errorf("GetObject requests while listing = %d, want none", n)
	}
}

func TestADayOfAStreamIsFoundByTheLongerListings(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		b := organization(1, 1, now)
		stream := "AWSLogs/000000000001/CloudTrail/xx-test-0/"
		odd := []string{
			stream + now.Add(-time.Hour).Format("2006/01/02/") + "0.json.gz",                                                  // sorts before the hour
			stream + now.Add(-time.Hour).Format("2006/01/02/") + "000000000000_CloudTrail_xx-test-0_19991231T2300Z_x.json.gz", // so does this
			stream + "copied/x.json.gz", // in no day
			"AWSLogs/000000000001/CloudTrail/y.json.gz",
			"z.json.gz",
		}
		b.put(odd...)
		missing := func(back time.Duration) []string {
			splits, err := discover(t, b.source(t, Settings{}), sdk.TimeRange{Since: now.Add(-back)})
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(slices.Clone(odd), func(k string) bool { return slices.Contains(keys(splits), k) })
		}
		if got := missing(72 * time.Hour); len(got) > 0 {
			t.Errorf("a listing of three days misses %q", got)
		}
		if diff := cmp.Diff(odd[:2], missing(6*time.Hour)); diff != "" {
			t.Errorf("a listing of six hours misses (-want +got):\n%s", diff)
		}
	})
}

func TestAnOpenListingFindsKeysAnywhere(t *testing.T) {
	credentialed(t)
	b := organization(1, 2, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	odd := []string{
		acct + "CloudTrail/us-east-1/0/x.json.gz", acct + "CloudTrail/us-east-1/zz/x.json", acct + "x.json.gz", "0.json", "zz/0.json",
		acct + "CloudTrail/2026/11/01/x.json.gz",
	}
	b.put(odd...)
	for i := range 50 { // more than one page of what is leapt over
		b.put(acct+fmt.Sprintf("Config/us-east-1/2026/11/1/%d.json.gz", i), acct+fmt.Sprintf("CloudTrail-Digest/us-east-1/2026/11/01/%d.json.gz", i))
	}
	b.page = 7
	splits, err := discover(t, b.source(t, Settings{}), sdk.TimeRange{})
	if err != nil || len(splits) != 2*48+len(odd) {
		t.Errorf("Discover = %d splits, %v, want %d", len(splits), err, 2*48+len(odd))
	}
	if n, most := b.count(), (len(splits)+7)/7+2+4; n > most {
		t.Errorf("requests = %d, want at most %d: the rest of other folders is leapt over", n, most)
	}
}

func TestARangeLongAgoCostsNoMoreThanItHolds(t *testing.T) {
	credentialed(t)
	b := &simBucket{}
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var all []string
	for d := range 2000 {
		for i := range 10 {
			all = append(all, key("111122223333", "us-east-1", start.AddDate(0, 0, d), fmt.Sprint(i)))
		}
	}
	b.put(all...)
	day := start.AddDate(0, 0, 1000)
	splits, err := discover(t, b.source(t, Settings{}), sdk.TimeRange{Since: day, Until: day.AddDate(0, 0, 2)})
	if err != nil || len(splits) != 20 {
		t.Errorf("Discover = %d splits, %v, want 20", len(splits), err)
	}
	if n := b.count(); n > 3 {
		t.Errorf("requests = %d, want 3 of 20", n)
	}
}

func TestNewAccountsAndRegionsAreFoundWithinAnHour(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(2, 2, time.Now())
		src := b.source(t, Settings{})
		if _, err := discover(t, src, recent()); err != nil {
			t.Fatal(err)
		}
		added := []string{
			key("000000000001", "xx-new-1", time.Now(), "n"), key("999988887777", "us-east-1", time.Now(), "n"),
			strings.ReplaceAll(key("000000000002", "xx-test-1", time.Now(), "n"), "CloudTrail", "CloudTrail-Insight"),
		}
		b.put(added...)
		<-time.After(time.Hour)
		splits, err := discover(t, src, recent())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range added {
			if !slices.Contains(keys(splits), k) {
				t.Errorf("%s was not found", k)
			}
		}
	})
}

func TestAStreamIsNeverForgotten(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(1, 2, time.Now())
		src := b.source(t, Settings{})
		if _, err := discover(t, src, recent()); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		b.keys = nil
		b.mu.Unlock()
		<-time.After(2 * time.Hour)
		if _, err := discover(t, src, recent()); err != nil {
			t.Fatal(err)
		}
		b.put(key("000000000001", "xx-test-1", time.Now(), "n"))
		b.count()
		if splits, err := discover(t, src, recent()); err != nil || len(splits) == 0 {
			t.Errorf("Discover = %v, %v, want the new object", splits, err)
		}
	})
}

func TestADeniedFolderDoesNotHideTheOthers(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(2, 1, time.Now())
		b.denied = "AWSLogs/000000000001/"
		src := b.source(t, Settings{})
		splits, err := discover(t, src, recent())
		if len(splits) != 7 || !sdk.IsDenied(err) || !strings.Contains(err.Error(), "AWSLogs/000000000001/") {
			t.Errorf("Discover = %d splits, %v, want 7 and a denied error that names the folder", len(splits), err)
		}
		b.denied = "" // somebody has mended it: no need to wait for an hour
		if splits, err = discover(t, src, recent()); len(splits) != 14 || err != nil {
			t.Errorf("Discover = %d splits, %v, want 14", len(splits), err)
		}
	})
}

func TestABucketFullOfOtherFoldersIsListedWhole(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(1, 1, time.Now())
		for i := range 3 * searchBudget {
			b.put(fmt.Sprintf("0data/%04d/part/x.json", i))
		}
		splits, err := discover(t, b.source(t, Settings{}), recent())
		if want := 7 + 3*searchBudget; len(splits) != want || err != nil {
			t.Errorf("Discover = %d splits, %v, want %d", len(splits), err, want)
		}
		if n := b.count(); n > searchBudget+10 {
			t.Errorf("requests = %d, want the search to give up after %d", n, searchBudget)
		}
	})
}

func TestAFolderWithManyObjectsBesideTheStreamsIsListedWhole(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(1, 1, time.Now())
		for i := range maxLoose + 1 {
			b.put(fmt.Sprintf("%05d.json", i))
		}
		splits, err := discover(t, b.source(t, Settings{}), recent())
		if want := 7 + maxLoose + 1; len(splits) != want || err != nil {
			t.Errorf("Discover = %d splits, %v, want %d", len(splits), err, want)
		}
	})
}

func TestACopiedObjectIsFoundWhenItIsUploaded(t *testing.T) {
	credentialed(t)
	b := &simBucket{}
	b.put("copies/111122223333_CloudTrail_us-east-1_20210728T1200Z_x.json.gz")
	src := b.source(t, Settings{})
	then := time.Date(2021, 7, 28, 0, 0, 0, 0, time.UTC)
	for name, r := range map[string]sdk.TimeRange{
		"of the last hours": recent(), "of its day": {Since: then, Until: then.AddDate(0, 0, 1)}, "of everything": {},
	} {
		splits, err := discover(t, src, r)
		if err != nil || len(splits) != 1 || !r.Contains(splits[0].Time) {
			t.Errorf("a listing %s = %v, %v, want the object", name, splits, err)
		}
	}
}

func TestAnObjectChangedUnderItsKeyIsAnotherSplit(t *testing.T) {
	srv := serve(t)
	k := key("111122223333", "us-east-1", time.Now().UTC(), "x")
	src := source(t, srv, Settings{})
	put(t, srv, k, zip(two))
	before, err := discover(t, src, recent())
	if err != nil || len(before) != 1 {
		t.Fatalf("Discover = %v, %v, want one split", before, err)
	}
	put(t, srv, k, zip(`{"Records":[]}`))
	after, err := discover(t, src, recent())
	if err != nil || len(after) != 1 || after[0].ID == before[0].ID {
		t.Errorf("Discover = %v, %v, want a split that is not %s", after, err, before[0].ID)
	}
}

func TestASearchThatFailsIsNoListing(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	srv.SetHook(faulty(s3test.ListObjectsV2, func(w http.ResponseWriter, r *http.Request) bool {
		s3test.Fail(w, r, http.StatusServiceUnavailable, "SlowDown")
		return true
	}))
	if _, err := discover(t, src, recent()); err == nil || sdk.IsDenied(err) {
		t.Errorf("Discover = %v, want an error to try again after", err)
	}
	srv.SetHook(nil)
	k := key("111122223333", "us-east-1", time.Now().UTC(), "x")
	put(t, srv, k, zip(two))
	if splits, err := discover(t, src, recent()); err != nil || len(splits) != 1 {
		t.Errorf("Discover = %v, %v, want one split", splits, err)
	}
	stop := errors.New("stopping")
	err := src.Discover(t.Context(), recent(), func([]sdk.Split) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("Discover = %v, want %v", err, stop)
	}
}
