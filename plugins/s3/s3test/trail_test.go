package s3test_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

func plain(t *testing.T, o s3test.Object) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(o.Body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func records(t *testing.T, o s3test.Object) []json.RawMessage {
	t.Helper()
	var file struct{ Records []json.RawMessage }
	if err := json.Unmarshal(plain(t, o), &file); err != nil {
		t.Fatalf("object %s: %v", o.Key, err)
	}
	return file.Records
}

func TestTrailIsTheSameEveryTime(t *testing.T) {
	trail := s3test.Trail{Seed: 7, Events: 900, Duplicates: 0.3, Quirks: 0.1}
	a, b := slices.Collect(trail.Objects()), slices.Collect(trail.Objects())
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("second run differs (-first +second):\n%s", diff)
	}
	trail.Seed = 8
	if c := slices.Collect(trail.Objects()); bytes.Equal(plain(t, a[0]), plain(t, c[0])) {
		t.Error("another seed gives the same records")
	}
}

func TestManifestCountsWhatTheObjectsHold(t *testing.T) {
	trail := s3test.Trail{Events: 2050, EventsPerObject: 100, Duplicates: 0.25, Quirks: 0.1}
	var m s3test.Manifest
	seen := make(map[string]string) // record to object
	read := 0
	for o := range trail.Objects() {
		m.Add(o)
		list := records(t, o)
		if len(list) != o.Records || m.PerKey[o.Key] != o.Records {
			t.Errorf("object %s holds %d records, says %d", o.Key, len(list), o.Records)
		}
		for _, r := range list {
			if seen[string(r)] == o.Key {
				t.Errorf("object %s holds a record twice", o.Key)
			}
			seen[string(r)] = o.Key
		}
		read += len(list)
	}
	got := []int{m.Objects, m.Records, m.Distinct}
	want := []int{21, read, len(seen)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects, records, distinct (-want +got):\n%s", diff)
	}
	if share := 1 - float64(m.Distinct)/float64(m.Records); share < 0.15 || share > 0.35 {
		t.Errorf("share of copies = %.2f, want about a quarter", share)
	}
}

func TestTrailSpreadsOverStreamsAndDays(t *testing.T) {
	trail := s3test.Trail{
		Days: 3, Prefix: "logs/", Accounts: []string{"111122223333", "444455556666"},
		Regions: []string{"us-east-1", "eu-west-1"}, Events: 6000, EventsPerObject: 100,
	}
	layout := regexp.MustCompile(`^logs/AWSLogs/(\d{12})/CloudTrail/([a-z0-9-]+)/2026/11/0(\d)/\d{12}_CloudTrail_[a-z0-9-]+_202611\d\dT\d{4}Z_[A-Za-z0-9]{16}\.json\.gz$`)
	keys, accounts, regions, days := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	var last time.Time
	for o := range trail.Objects() {
		parts := layout.FindStringSubmatch(o.Key)
		if parts == nil {
			t.Fatalf("key %q does not have CloudTrail's layout", o.Key)
		}
		keys[o.Key], accounts[parts[1]], regions[parts[2]], days[parts[3]] = true, true, true, true
		if o.Time.Before(last) {
			t.Errorf("label %v after %v", o.Time, last)
		}
		last = o.Time
	}
	got := []int{len(keys), len(accounts), len(regions), len(days)}
	if diff := cmp.Diff([]int{60, 2, 2, 3}, got); diff != "" {
		t.Errorf("keys, accounts, Regions, days (-want +got):\n%s", diff)
	}
}

func TestRecordsHaveTheSizeAskedFor(t *testing.T) {
	for _, want := range []int{1500, 4000} {
		var m s3test.Manifest
		size := 0
		for o := range (s3test.Trail{Events: 1000, EventBytes: want}).Objects() {
			m.Add(o)
			size += len(plain(t, o))
		}
		if got := size / m.Records; got < want*85/100 || got > want*115/100 {
			t.Errorf("average record = %d bytes, want about %d", got, want)
		}
	}
}

func TestQuirksMakeRecordsWithoutAnID(t *testing.T) {
	without := 0
	for o := range (s3test.Trail{Events: 1000, Quirks: 0.5}).Objects() {
		for _, r := range records(t, o) {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(r, &fields); err != nil {
				t.Fatal(err)
			}
			if fields["eventID"] == nil {
				without++
			}
		}
	}
	if without < 30 || without > 120 {
		t.Errorf("records without eventID = %d of 1,000, want about 62", without)
	}
}
