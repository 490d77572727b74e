package file_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/file"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// tree writes files below a new folder and returns the folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, paths ...string) sdk.Source {
	t.Helper()
	src, err := file.Open(t.Context(), file.Settings{Paths: paths})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func discover(t *testing.T, src sdk.Source, r sdk.TimeRange) ([]sdk.Split, error) {
	t.Helper()
	var splits []sdk.Split
	err := src.Discover(t.Context(), r, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	slices.SortFunc(splits, func(a, b sdk.Split) int { return strings.Compare(a.ID, b.ID) })
	return splits, err
}

func fetch(t *testing.T, src sdk.Source, s sdk.Split) ([]sdk.Event, error) {
	t.Helper()
	var events []sdk.Event
	err := src.Fetch(t.Context(), s, func(page []sdk.Event) error {
		events = append(events, cloudtrailtest.Kept(page)...)
		return nil
	})
	return events, err
}

// names are the paths of splits, relative to dir.
func names(t *testing.T, dir string, splits []sdk.Split) []string {
	t.Helper()
	var names []string
	for _, s := range splits {
		path, _, _ := strings.Cut(s.ID, "@")
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

const (
	empty = `{"Records":[]}`
	some  = `{"Records":[{"eventID":"a"},{"eventID":"b"}]}`
)

func TestDiscoverListsWhatPathsName(t *testing.T) {
	dir := tree(t, map[string]string{
		"x.json": some, "y.json.gz": empty, "notes.txt": "", "z.gz": "",
		"AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/c.json.gz":         empty,
		"AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/01/i.json.gz": empty,
		"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/01/d.json.gz":  empty,
		"sub/deep/e.json": empty,
	})
	const (
		c = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/c.json.gz"
		i = "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/01/i.json.gz"
	)
	for _, tc := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"a file", []string{"x.json"}, []string{"x.json"}},
		{"a folder and all below it", []string{"."}, []string{i, c, "sub/deep/e.json", "x.json", "y.json.gz"}},
		{"a folder with a slash", []string{"sub/"}, []string{"sub/deep/e.json"}},
		{"a pattern of files", []string{"*.json*"}, []string{"x.json", "y.json.gz"}},
		{"a pattern of folders", []string{"s*"}, []string{"sub/deep/e.json"}},
		{"a pattern that other files match, too", []string{"*"}, []string{i, c, "sub/deep/e.json", "x.json", "y.json.gz"}},
		{"a pattern that nothing matches", []string{"*.nothing"}, nil},
		{"paths that overlap", []string{"x.json", ".", "*.json", "sub"}, []string{i, c, "sub/deep/e.json", "x.json", "y.json.gz"}},
		{"a folder of digests", []string{"AWSLogs/111122223333/CloudTrail-Digest"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var paths []string
			for _, p := range tc.paths {
				paths = append(paths, dir+string(filepath.Separator)+p)
			}
			splits, err := discover(t, open(t, paths...), sdk.TimeRange{})
			if diff := cmp.Diff(tc.want, names(t, dir, splits)); diff != "" || err != nil {
				t.Errorf("files, error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestDiscoverFollowsLinksToFilesAndNamedFolders(t *testing.T) {
	dir := tree(t, map[string]string{"real/x.json": some, "folder/.keep": ""})
	for link, target := range map[string]string{
		"named": "real", "folder/file.json": "../real/x.json", "folder/loop": "..", "folder/broken.json": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	splits, err := discover(t, open(t, dir+"/named", dir+"/folder"), sdk.TimeRange{})
	want := []string{"folder/file.json", "named/x.json"}
	if diff := cmp.Diff(want, names(t, dir, splits)); diff != "" || err != nil {
		t.Errorf("files, error %v (-want +got):\n%s", err, diff)
	}
}

func TestDiscoverNamesPathsThatCannotBeRight(t *testing.T) {
	dir := tree(t, map[string]string{"x.json": some, "x.log": "", "a_CloudTrail-Digest_b_c.json.gz": ""})
	splits, err := discover(t, open(t, dir+"/missing", dir+"/x.log", dir+"/a_CloudTrail-Digest_b_c.json.gz", dir+"/x.json"), sdk.TimeRange{})
	if diff := cmp.Diff([]string{"x.json"}, names(t, dir, splits)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) {
		t.Fatalf("Discover = %v, want a denied error", err)
	}
	for _, want := range []string{dir + "/missing does not exist", dir + "/x.log is not a CloudTrail log", "Digest_b_c.json.gz is not a CloudTrail log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Discover = %v, want it to say %q", err, want)
		}
	}
}

func TestDiscoverNamesFilesThatCannotBeRecorded(t *testing.T) {
	dir := tree(t, map[string]string{"a.json": some, "b\xff.json": some})
	splits, err := discover(t, open(t, dir), sdk.TimeRange{})
	if diff := cmp.Diff([]string{"a.json"}, names(t, dir, splits)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), `b\xff.json" is not UTF-8`) {
		t.Errorf("Discover = %v, want a denied error that names the file", err)
	}
}

func TestDiscoverNamesFilesWhosePathTheLedgerCannotHold(t *testing.T) {
	deep := strings.Repeat(strings.Repeat("d", 200)+"/", 11)
	dir := tree(t, map[string]string{"a.json": some, deep + "b.json": some})
	splits, err := discover(t, open(t, dir), sdk.TimeRange{})
	if diff := cmp.Diff([]string{"a.json"}, names(t, dir, splits)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "too many for the ledger") {
		t.Errorf("Discover = %v, want a denied error that names the file", err)
	}
}

func TestDiscoverGoesByTheLabelElseByTheTimeOfChange(t *testing.T) {
	const labelled = "111122223333_CloudTrail_us-east-1_20210728T1005Z_AbCdEfGh12345678.json.gz"
	dir := tree(t, map[string]string{labelled: empty, "plain.json": empty})
	changed := time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)
	for _, name := range []string{labelled, "plain.json"} {
		if err := os.Chtimes(filepath.Join(dir, name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	src := open(t, dir)
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(splits) != 2 {
		t.Fatalf("Discover = %v, %v, want two splits", splits, err)
	}
	got := []time.Time{splits[0].Time, splits[1].Time}
	if diff := cmp.Diff([]time.Time{time.Date(2021, 7, 28, 10, 5, 0, 0, time.UTC), changed}, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	splits, err = discover(t, src, sdk.TimeRange{Since: changed.AddDate(0, -1, 0)})
	if diff := cmp.Diff([]string{"plain.json"}, names(t, dir, splits)); diff != "" || err != nil {
		t.Errorf("files since October, error %v (-want +got):\n%s", err, diff)
	}
}

func TestFetchReadsTheVersionThatWasListed(t *testing.T) {
	dir := tree(t, map[string]string{"a@b/x@1.json": some})
	src := open(t, dir)
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(splits) != 1 || splits[0].Bytes != int64(len(some)) {
		t.Fatalf("Discover = %v, %v, want one split of %d bytes", splits, err, len(some))
	}
	events, err := fetch(t, src, splits[0])
	if err != nil || len(events) != 2 || events[1].ID != "b" {
		t.Errorf("Fetch = %v, %v, want two events", events, err)
	}
	again, err := discover(t, src, sdk.TimeRange{})
	if diff := cmp.Diff(splits, again); diff != "" || err != nil {
		t.Errorf("second Discover, error %v (-first +second):\n%s", err, diff)
	}

	path := filepath.Join(dir, "a@b/x@1.json")
	write(t, path, empty)
	if _, err := fetch(t, src, splits[0]); !sdk.IsGone(err) || !strings.Contains(err.Error(), path+" has changed") {
		t.Errorf("Fetch of a changed file = %v, want it gone", err)
	}
	changed, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(changed) != 1 || changed[0].ID == splits[0].ID {
		t.Errorf("Discover of a changed file = %v, %v, want another split", changed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(t, src, changed[0]); !sdk.IsGone(err) || !strings.Contains(err.Error(), path+" does not exist") {
		t.Errorf("Fetch of a removed file = %v, want it gone", err)
	}
}

func TestFetchRefusesBadFiles(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"bad gzip":   {"\x1f\x8bxxxxxxxxxxxxxxxxxxx", "bad gzip"},
		"not JSON":   {"hello", "not JSON"},
		"no Records": {"{}", "no Records"},
		"no bytes":   {"", "the file is empty"},
	} {
		dir := tree(t, map[string]string{"x.json.gz": tc.text})
		src := open(t, dir)
		splits, err := discover(t, src, sdk.TimeRange{})
		if err != nil || len(splits) != 1 {
			t.Fatalf("%s: Discover = %v, %v, want one split", name, splits, err)
		}
		if _, err := fetch(t, src, splits[0]); !sdk.IsInvalid(err) || !strings.Contains(err.Error(), "x.json.gz: "+tc.want) {
			t.Errorf("%s: Fetch = %v, want an invalid error about %q", name, err, tc.want)
		}
	}
}

func TestFetchRefusesAnIDThatIsNone(t *testing.T) {
	for _, id := range []string{"", "@", "/x.json", "/x.json@", "/x.json@1-2", "/x.json@a-b-c", "@1-2-3"} {
		if _, err := fetch(t, open(t, t.TempDir()), sdk.Split{ID: id}); !sdk.IsInvalid(err) {
			t.Errorf("Fetch of %q = %v, want an invalid error", id, err)
		}
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	dir := tree(t, map[string]string{"x.json": some})
	src := open(t, dir)
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(splits) != 1 {
		t.Fatalf("Discover = %v, %v, want one split", splits, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := src.Fetch(ctx, splits[0], func([]sdk.Event) error { return nil }); err == nil || sdk.IsInvalid(err) || sdk.IsGone(err) {
		t.Errorf("Fetch = %v, want the context's error", err)
	}
}

func TestGeneratedTrail(t *testing.T) {
	dir := t.TempDir()
	var m s3test.Manifest
	for o := range (s3test.Trail{Events: 3000, Duplicates: 0.2, Quirks: 0.05}).Objects() {
		m.Add(o)
		write(t, filepath.Join(dir, o.Key), string(o.Body))
	}
	checkCounts(t, dir, [3]int{m.Objects, m.Records, m.Distinct})
}

func TestRealTrail(t *testing.T) {
	dir := t.TempDir()
	for key, body := range cloudtrailtest.RealTrail(t) {
		write(t, filepath.Join(dir, key), string(body))
	}
	checkCounts(t, dir, [3]int{cloudtrailtest.RealTrailObjects, cloudtrailtest.RealTrailRecords, cloudtrailtest.RealTrailDistinct})
}

func checkCounts(t *testing.T, dir string, want [3]int) {
	t.Helper()
	src := open(t, dir)
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil {
		t.Fatal(err)
	}
	count, ids := 0, make(map[string]bool)
	for _, s := range splits {
		events, err := fetch(t, src, s)
		if err != nil {
			t.Fatal(err)
		}
		count += len(events)
		for _, e := range events {
			ids[e.ID] = true
		}
	}
	if got := [3]int{len(splits), count, len(ids)}; got != want {
		t.Errorf("files, events, distinct IDs = %v, want %v", got, want)
	}
}
