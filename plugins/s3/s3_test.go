package s3

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const bucket = "trail"

// serve starts a server, and keeps the configuration of whoever runs the tests out
// of them.
func serve(t testing.TB) *s3test.Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	bareEnvironment(t)
	srv, err := s3test.Start(s3test.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := srv.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	return srv
}

func bareEnvironment(t testing.TB) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"HTTP_PROXY": "", "http_proxy": "",
	} {
		t.Setenv(name, value)
	}
}

// quick is a pace without pauses.
func quick() pace {
	p := defaultPace()
	p.maxBackoff = time.Millisecond
	return p
}

func source(t testing.TB, srv *s3test.Server, s Settings) *Source {
	t.Helper()
	if s.Bucket == "" {
		s.Bucket = bucket
	}
	s.Endpoint, s.ForcePathStyle = srv.URL, true
	src, err := open(t.Context(), s, quick())
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func put(t testing.TB, srv *s3test.Server, key string, body []byte) {
	t.Helper()
	if err := srv.Put(bucket, key, body); err != nil {
		t.Fatal(err)
	}
}

func discover(t *testing.T, src *Source, r sdk.TimeRange) ([]sdk.Split, error) {
	t.Helper()
	var splits []sdk.Split
	err := src.Discover(t.Context(), r, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	return splits, err
}

// only is the split of the single object in the bucket.
func only(t *testing.T, src *Source) sdk.Split {
	t.Helper()
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(splits) != 1 {
		t.Fatalf("Discover = %v, %v, want one split", splits, err)
	}
	return splits[0]
}

func fetch(t *testing.T, src *Source, s sdk.Split) ([]sdk.Event, error) {
	t.Helper()
	var events []sdk.Event
	err := src.Fetch(t.Context(), s, func(page []sdk.Event) error {
		events = append(events, cloudtrailtest.Kept(page)...)
		return nil
	})
	return events, err
}

// keys are the sorted keys of splits.
func keys(splits []sdk.Split) []string {
	var keys []string
	for _, s := range splits {
		id := strings.TrimPrefix(s.ID, bucket+"/")
		keys = append(keys, id[:strings.LastIndexByte(id, '@')])
	}
	slices.Sort(keys)
	return keys
}

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

const two = `{"Records":[{"eventID":"a"},{"eventID":"b"}]}`

func TestDiscoverListsLogsUnderThePrefixes(t *testing.T) {
	const (
		acct    = "AWSLogs/111122223333/"
		log     = acct + "CloudTrail/us-east-1/2026/11/01/a.json.gz"
		korea   = acct + "CloudTrail/ap-northeast-2/2026/11/01/b.json.gz"
		insight = acct + "CloudTrail-Insight/us-east-1/2026/11/01/c.json.gz"
		network = acct + "CloudTrail-NetworkActivity/us-east-1/2026/11/01/d.json.gz"
		digest  = acct + "CloudTrail-Digest/us-east-1/2026/11/01/e.json.gz"
		plain   = "copies/at@home/f.json"
	)
	srv := serve(t)
	for _, key := range []string{
		log, korea, insight, network, digest, plain, acct, acct + "CloudTrail/", "copies/notes.txt",
		acct + "Config/us-east-1/2026/11/1/ConfigHistory/g.json.gz", acct + "vpcflowlogs/us-east-1/2026/11/01/h.log.gz",
	} {
		put(t, srv, key, zip(two))
	}
	for _, tc := range []struct {
		name     string
		settings Settings
		want     []string
	}{
		{"no prefix", Settings{}, []string{insight, network, korea, log, plain}},
		{"a Region", Settings{Prefix: acct + "CloudTrail/us-east-1/"}, []string{log}},
		{"a prefix without a slash", Settings{Prefix: acct + "CloudTrail"}, []string{insight, network, korea, log}},
		{"several prefixes", Settings{Prefixes: []string{"copies/", acct + "CloudTrail-Insight/"}}, []string{insight, plain}},
		{"prefixes that overlap", Settings{Prefixes: []string{acct + "CloudTrail/us-east-1/", acct + "CloudTrail/", acct + "CloudTrail/"}}, []string{korea, log}},
		{"digests", Settings{Prefix: acct + "CloudTrail-Digest/"}, nil},
		{"nothing there", Settings{Prefix: "nothing/"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			splits, err := discover(t, source(t, srv, tc.settings), sdk.TimeRange{})
			if diff := cmp.Diff(tc.want, keys(splits)); diff != "" || err != nil {
				t.Errorf("keys, error %v (-want +got):\n%s", err, diff)
			}
		})
	}
	if n := srv.Requests(s3test.GetObject); n != 0 {
		t.Errorf("GetObject requests while listing = %d, want none", n)
	}
}

func TestDiscoverListsManyPages(t *testing.T) {
	srv := serve(t)
	const count = 2300
	for i := range count {
		put(t, srv, fmt.Sprintf("k%04d.json", i), []byte(two))
	}
	splits, err := discover(t, source(t, srv, Settings{}), sdk.TimeRange{})
	if err != nil || len(slices.Compact(keys(splits))) != count {
		t.Errorf("Discover = %d splits, %v, want %d", len(splits), err, count)
	}
	if n := srv.Requests(s3test.ListObjectsV2); n != 3 {
		t.Errorf("requests = %d, want 3", n)
	}
}

func TestDiscoverStopsWhenTheAgentDoes(t *testing.T) {
	srv := serve(t)
	put(t, srv, "k.json", []byte(two))
	stop := errors.New("stopping")
	err := source(t, srv, Settings{}).Discover(t.Context(), sdk.TimeRange{}, func([]sdk.Split) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("Discover = %v, want %v", err, stop)
	}
}

func TestDiscoverGoesByTheLabelElseTheDayElseTheTimeOfUpload(t *testing.T) {
	srv := serve(t)
	const folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2021/07/28/"
	label := folder + "111122223333_CloudTrail_us-east-1_20210727T2355Z_AbCdEfGh12345678.json.gz"
	put(t, srv, label, zip(two))
	put(t, srv, folder+"x.json.gz", zip(two))
	put(t, srv, "y.json.gz", zip(two))
	src := source(t, srv, Settings{})
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil || len(splits) != 3 {
		t.Fatalf("Discover = %v, %v, want three splits", splits, err)
	}
	midnight := time.Date(2021, 7, 28, 0, 0, 0, 0, time.UTC)
	if got := splits[0]; !got.Time.Equal(midnight.Add(-5*time.Minute)) || got.Bytes != int64(len(zip(two))) {
		t.Errorf("split with a label = %+v, want the label's time", got)
	}
	if got := splits[1]; !got.Time.Equal(midnight) {
		t.Errorf("split in a day folder = %+v, want the day", got)
	}
	if got := splits[2]; got.Time.Year() < 2026 {
		t.Errorf("split without any = %+v, want the time of upload", got)
	}
	splits, err = discover(t, src, sdk.TimeRange{Until: midnight})
	if diff := cmp.Diff([]string{label}, keys(splits)); diff != "" || err != nil {
		t.Errorf("keys until midnight, error %v (-want +got):\n%s", err, diff)
	}
}

func TestSplitSurvivesKeysWithOddCharacters(t *testing.T) {
	src := &Source{settings: Settings{Bucket: bucket}}
	for key, encoded := range map[string]string{
		"a@b/c@d.json":          "a%40b/c%40d.json",
		"a b+c/é.json":          "a+b%2Bc/%C3%A9.json",
		"ctrl\x01/x.json":       "ctrl%01/x.json",
		"plain/percent%41.json": "plain/percent%2541.json",
	} {
		o := types.Object{Key: aws.String(encoded), ETag: aws.String(`"0123-2"`)}
		split, ok := src.split(o, types.EncodingTypeUrl, sdk.TimeRange{})
		got, etag, err := src.parseID(split.ID)
		if !ok || err != nil || got != key || etag != "0123-2" {
			t.Errorf("split of %q names %q version %q, %v, want %q", encoded, got, etag, err, key)
		}
	}
}

func TestFetchReadsAnObjectInAnyForm(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	for name, store := range map[string]func(key string) error{
		"gzip":          func(key string) error { return srv.Put(bucket, key, zip(two)) },
		"JSON as it is": func(key string) error { return srv.Put(bucket, key, []byte(two)) },
		"gzip that is its encoding, too": func(key string) error {
			return srv.PutWithHeader(bucket, key, zip(two), map[string]string{"Content-Encoding": "gzip"})
		},
		"gzip encoding of no gzip": func(key string) error {
			return srv.PutWithHeader(bucket, key, []byte(two), map[string]string{"Content-Encoding": "gzip"})
		},
	} {
		const key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/at@home.json.gz"
		if err := store(key); err != nil {
			t.Fatal(err)
		}
		events, err := fetch(t, src, only(t, src))
		if err != nil || len(events) != 2 || events[1].ID != "b" || events[0].Account != "111122223333" {
			t.Errorf("Fetch of %s = %+v, %v, want two events of the key's account", name, events, err)
		}
		if err := srv.Delete(bucket, key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFetchRefusesBadObjects(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	for name, tc := range map[string]struct {
		body []byte
		want string
	}{
		"bad gzip":       {[]byte("\x1f\x8bxxxxxxxxxxxxxxxxxxx"), "bad gzip"},
		"truncated gzip": {zip(two)[:40], "truncated: the gzip stream ends too early"},
		"not JSON":       {zip("hello"), "not JSON"},
		"no Records":     {zip("{}"), "no Records"},
		"no bytes":       {nil, "the file is empty"},
	} {
		put(t, srv, "x.json.gz", tc.body)
		if _, err := fetch(t, src, only(t, src)); !sdk.IsInvalid(err) || !strings.Contains(err.Error(), "s3://trail/x.json.gz: "+tc.want) {
			t.Errorf("Fetch of %s = %v, want an invalid error about %q", name, err, tc.want)
		}
	}
}

func TestFetchOfAnEmptyListOfRecordsIsFine(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	put(t, srv, "x.json.gz", zip(`{"Records":[]}`))
	if events, err := fetch(t, src, only(t, src)); err != nil || len(events) != 0 {
		t.Errorf("Fetch = %v, %v, want no events", events, err)
	}
}

func TestFetchRefusesAnIDThatIsNone(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	for _, id := range []string{"", "trail", "trail/k.json", "trail/k.json@", "trail/@e", "other/k.json@e", "../trail/k.json@e"} {
		if _, err := fetch(t, src, sdk.Split{ID: id}); !sdk.IsInvalid(err) {
			t.Errorf("Fetch of %q = %v, want an invalid error", id, err)
		}
	}
	if n := srv.Requests(s3test.GetObject); n != 0 {
		t.Errorf("requests = %d, want none", n)
	}
}

func TestGeneratedTrailFetchedConcurrently(t *testing.T) {
	srv := serve(t)
	m, err := srv.Load(bucket, s3test.Trail{Events: 3000, Duplicates: 0.2, Quirks: 0.05}.Objects())
	if err != nil {
		t.Fatal(err)
	}
	checkCounts(t, source(t, srv, Settings{}), [3]int{m.Objects, m.Records, m.Distinct})
}

func TestRealTrail(t *testing.T) {
	objects := cloudtrailtest.RealTrail(t)
	srv := serve(t)
	for key, body := range objects {
		put(t, srv, key, body)
	}
	checkCounts(t, source(t, srv, Settings{Prefix: "AWSLogs/"}),
		[3]int{cloudtrailtest.RealTrailObjects, cloudtrailtest.RealTrailRecords, cloudtrailtest.RealTrailDistinct})
}

func checkCounts(t *testing.T, src *Source, want [3]int) {
	t.Helper()
	splits, err := discover(t, src, sdk.TimeRange{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	count, ids := 0, make(map[string]bool)
	for part := range slices.Chunk(splits, 1+len(splits)/8) {
		wg.Go(func() {
			for _, s := range part {
				events, err := fetch(t, src, s)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				count += len(events)
				for _, e := range events {
					ids[e.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := [3]int{len(splits), count, len(ids)}; got != want {
		t.Errorf("objects, events, distinct IDs = %v, want %v", got, want)
	}
}
