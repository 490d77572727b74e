package s3test_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

const body = "0123456789"

func start(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	s, err := s3test.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := s.Put("b", "a/k.json", []byte(body)); err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, url string, header ...string) (status int, h http.Header, body string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, string(b), err
}

func TestServerServesWholeObjectsAndRanges(t *testing.T) {
	s := start(t, s3test.Options{})
	_, header, _, err := get(t, s.URL+"/b/a/k.json")
	if err != nil {
		t.Fatal(err)
	}
	etag := header.Get("ETag")
	for _, tc := range []struct {
		name       string
		header     []string
		wantStatus int
		want       string
	}{
		{"whole", nil, 200, body},
		{"from a byte on", []string{"Range", "bytes=4-"}, 206, "456789"},
		{"the version asked for", []string{"If-Match", etag}, 200, body},
		{"a part of the version asked for", []string{"If-Match", etag, "Range", "bytes=9-"}, 206, "9"},
		{"another version", []string{"If-Match", `"0000"`}, 412, "PreconditionFailed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, _, got, err := get(t, s.URL+"/b/a/k.json", tc.header...)
			if err != nil || status != tc.wantStatus || !strings.Contains(got, tc.want) {
				t.Errorf("answer = %d %q, %v, want %d %q", status, got, err, tc.wantStatus, tc.want)
			}
		})
	}
	if got := s.Requests(s3test.GetObject); got != 6 {
		t.Errorf("GetObject requests = %d, want 6", got)
	}
}

func TestAnswerCutPromisesTheWholeBody(t *testing.T) {
	s := start(t, s3test.Options{})
	s.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		s.AnswerCut(w, r, 4)
		return true
	})
	_, header, got, err := get(t, s.URL+"/b/a/k.json")
	if err == nil || got != body[:4] || header.Get("Content-Length") != "10" {
		t.Errorf("answer = %q, length %q, %v, want 4 bytes of 10 and an error", got, header.Get("Content-Length"), err)
	}
}

func TestHookAnswersInsteadOfTheServer(t *testing.T) {
	s := start(t, s3test.Options{Hook: func(w http.ResponseWriter, r *http.Request) bool {
		s3test.Fail(w, r, http.StatusServiceUnavailable, "SlowDown")
		return true
	}})
	status, _, got, err := get(t, s.URL+"/b?list-type=2")
	if err != nil || status != 503 || !strings.Contains(got, "<Code>SlowDown</Code>") {
		t.Errorf("answer = %d %q, %v, want 503 SlowDown", status, got, err)
	}
	s.SetHook(nil)
	status, _, got, err = get(t, s.URL+"/b?list-type=2")
	if err != nil || status != 200 || !strings.Contains(got, "<Key>a/k.json</Key>") {
		t.Errorf("answer without hook = %d %q, %v, want the listing", status, got, err)
	}
	if got := s.Requests(s3test.ListObjectsV2); got != 2 {
		t.Errorf("ListObjectsV2 requests = %d, want 2", got)
	}
}

func TestDeletedObjectIsNotFound(t *testing.T) {
	s := start(t, s3test.Options{})
	if err := s.Delete("b", "a/k.json"); err != nil {
		t.Fatal(err)
	}
	if status, _, got, err := get(t, s.URL+"/b/a/k.json"); err != nil || status != 404 || !strings.Contains(got, "NoSuchKey") {
		t.Errorf("answer = %d %q, %v, want 404 NoSuchKey", status, got, err)
	}
}

func TestAnOverwrittenObjectHasAnotherVersion(t *testing.T) {
	s := start(t, s3test.Options{})
	_, before, _, err := get(t, s.URL+"/b/a/k.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put("b", "a/k.json", []byte("other")); err != nil {
		t.Fatal(err)
	}
	_, after, got, err := get(t, s.URL+"/b/a/k.json")
	if err != nil || got != "other" || before.Get("ETag") == after.Get("ETag") {
		t.Errorf("answer = %q with ETag %s, %v, want the new body with another ETag than %s", got, after.Get("ETag"), err, before.Get("ETag"))
	}
}

func TestListingByDelimiterIsPaged(t *testing.T) {
	s := start(t, s3test.Options{})
	for _, key := range []string{"c/1", "c/2", "b.json", "d/1/2", "e.json", "a/2.json"} {
		if err := s.Put("b", key, nil); err != nil {
			t.Fatal(err)
		}
	}
	const query = "/b?list-type=2&delimiter=/&max-keys=2"
	var got []string
	pages := 0
	for next := query; next != ""; pages++ {
		_, _, text, err := get(t, s.URL+next)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			IsTruncated           bool
			NextContinuationToken string
			Contents              []struct{ Key string }
			CommonPrefixes        []struct{ Prefix string }
		}
		if err := xml.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Contents {
			got = append(got, c.Key)
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, p.Prefix)
		}
		next = ""
		if page.IsTruncated {
			next = query + "&continuation-token=" + url.QueryEscape(page.NextContinuationToken)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a/", "b.json", "c/", "d/", "e.json"}, got); diff != "" || pages != 3 {
		t.Errorf("entries in %d pages, want 3 (-want +got):\n%s", pages, diff)
	}
}
