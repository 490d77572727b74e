package s3

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// faulty answers requests of one operation with fault, while that returns true.
func faulty(op s3test.Operation, fault s3test.Hook) s3test.Hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return s3test.OperationOf(r) == op && fault(w, r)
	}
}

// large stores one object of some hundred kilobytes and returns what Fetch makes
// of it undisturbed, and its size.
func large(t *testing.T, srv *s3test.Server, src *Source) (sdk.Split, []sdk.Event) {
	t.Helper()
	if _, err := srv.Load(bucket, s3test.Trail{Events: 2000, EventsPerObject: 2000}.Objects()); err != nil {
		t.Fatal(err)
	}
	split := only(t, src)
	events, err := fetch(t, src, split)
	if err != nil {
		t.Fatal(err)
	}
	return split, events
}

func TestABrokenBodyIsReadOnFromWhereItBroke(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	split, want := large(t, srv, src)
	for _, step := range []int64{100 << 10, 70_001} {
		before := srv.Requests(s3test.GetObject)
		srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
			srv.AnswerCut(w, r, step)
			return true
		}))
		got, err := fetch(t, src, split)
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" || err != nil {
			t.Errorf("events of a body cut every %d bytes, error %v (-want +got):\n%s", step, err, diff)
		}
		if n, most := int64(srv.Requests(s3test.GetObject)-before), split.Bytes/step+1; n != most {
			t.Errorf("requests = %d, want %d", n, most)
		}
	}
}

func TestABodyCutAnywhereIsReadOn(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	put(t, srv, "x.json.gz", zip(two))
	split := only(t, src)
	for at := range split.Bytes {
		var broken atomic.Bool
		srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
			if broken.Swap(true) {
				return false
			}
			srv.AnswerCut(w, r, at)
			return true
		}))
		if events, err := fetch(t, src, split); err != nil || len(events) != 2 {
			t.Errorf("Fetch of a body cut at %d = %d events, %v, want 2", at, len(events), err)
		}
	}
}

func TestABodyThatKeepsBreakingIsNotInvalid(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	split, _ := large(t, srv, src)
	before := srv.Requests(s3test.GetObject)
	srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
		srv.AnswerCut(w, r, 1000)
		return true
	}))
	_, err := fetch(t, src, split)
	if err == nil || sdk.IsInvalid(err) || sdk.IsGone(err) || sdk.IsDenied(err) || !strings.Contains(err.Error(), "broke 6 times") {
		t.Errorf("Fetch = %v, want an error to try again after", err)
	}
	if n := srv.Requests(s3test.GetObject) - before; n != 6 {
		t.Errorf("requests = %d, want 6", n)
	}
}

// The error then wraps io.EOF, which is not the end of the object: it made whole objects
// invalid, as empty or truncated files.
func TestAServerThatHangsUpIsNoEndOfTheObject(t *testing.T) {
	for _, first := range []int64{0, 1000} {
		srv := serve(t)
		src := source(t, srv, Settings{})
		split, _ := large(t, srv, src)
		var begun atomic.Bool
		srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
			if first > 0 && !begun.Swap(true) {
				srv.AnswerCut(w, r, first)
				return true
			}
			panic(http.ErrAbortHandler) // net/http's way to hang up
		}))
		_, err := fetch(t, src, split)
		if err == nil || sdk.IsInvalid(err) || sdk.IsGone(err) || sdk.IsDenied(err) {
			t.Errorf("after %d bytes: Fetch = %v, want an error to try again after", first, err)
		}
	}
}

// Credentials end when they end, in the middle of a body or of a listing as well. Nothing
// counts as read or as listed then, and with new ones everything is there.
func TestCredentialsThatExpireHalfWayCostNothing(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	split, want := large(t, srv, src)
	var begun atomic.Bool
	srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
		if !begun.Swap(true) {
			srv.AnswerCut(w, r, 100<<10)
		} else {
			s3test.Fail(w, r, http.StatusBadRequest, "ExpiredToken")
		}
		return true
	}))
	if _, err := fetch(t, src, split); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "ExpiredToken") {
		t.Errorf("Fetch = %v, want that the credentials are refused", err)
	}
	srv.SetHook(nil)
	got, err := fetch(t, src, split)
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" || err != nil {
		t.Errorf("with new credentials: error %v (-want +got):\n%s", err, diff)
	}

	if _, err := srv.Load(bucket, s3test.Trail{Events: 2500, EventsPerObject: 1}.Objects()); err != nil {
		t.Fatal(err)
	}
	srv.SetHook(faulty(s3test.ListObjectsV2, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("continuation-token") == "" {
			return false
		}
		s3test.Fail(w, r, http.StatusBadRequest, "ExpiredToken")
		return true
	}))
	if _, err := discover(t, src, sdk.TimeRange{}); !sdk.IsDenied(err) {
		t.Errorf("Discover = %v, want that the credentials are refused", err)
	}
	srv.SetHook(nil)
	if splits, err := discover(t, src, sdk.TimeRange{}); err != nil || len(splits) != 2501 {
		t.Errorf("Discover with new credentials = %d splits, %v, want 2501", len(splits), err)
	}
}

func TestAnObjectOverwrittenWhileItIsReadIsGone(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	split, _ := large(t, srv, src)
	key := keys([]sdk.Split{split})[0]
	var broken atomic.Bool
	srv.SetHook(faulty(s3test.GetObject, func(w http.ResponseWriter, r *http.Request) bool {
		if broken.Swap(true) {
			return false
		}
		defer put(t, srv, key, zip(two))
		srv.AnswerCut(w, r, 100_000)
		return true
	}))
	if _, err := fetch(t, src, split); !sdk.IsGone(err) || !strings.Contains(err.Error(), "overwritten after it was listed") {
		t.Errorf("Fetch = %v, want it gone", err)
	}
}

func TestAnObjectThatIsNotWhatWasListedIsGone(t *testing.T) {
	ignoreIfMatch := func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("If-Match")
		return false
	}
	for name, hook := range map[string]s3test.Hook{"If-Match is heeded": nil, "If-Match is ignored": ignoreIfMatch} {
		t.Run("overwritten, "+name, func(t *testing.T) {
			srv := serve(t)
			src := source(t, srv, Settings{})
			put(t, srv, "x.json.gz", zip(two))
			split := only(t, src)
			put(t, srv, "x.json.gz", zip(`{"Records":[]}`))
			srv.SetHook(hook)
			if _, err := fetch(t, src, split); !sdk.IsGone(err) || !strings.Contains(err.Error(), "overwritten after it was listed") {
				t.Errorf("Fetch = %v, want it gone", err)
			}
			if changed := only(t, src); changed.ID == split.ID {
				t.Errorf("the new version has the ID of the old one, %s", split.ID)
			}
		})
	}
	t.Run("deleted", func(t *testing.T) {
		srv := serve(t)
		src := source(t, srv, Settings{})
		put(t, srv, "x.json.gz", zip(two))
		split := only(t, src)
		if err := srv.Delete(bucket, "x.json.gz"); err != nil {
			t.Fatal(err)
		}
		if _, err := fetch(t, src, split); !sdk.IsGone(err) || !strings.Contains(err.Error(), "deleted after it was listed") {
			t.Errorf("Fetch = %v, want it gone", err)
		}
	})
}

func TestBusyAnswersAreTriedAgain(t *testing.T) {
	srv := serve(t)
	put(t, srv, "x.json.gz", zip(two))
	var n atomic.Int32
	srv.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1)%4 == 0 {
			return false
		}
		s3test.Fail(w, r, http.StatusServiceUnavailable, "SlowDown")
		return true
	})
	src := source(t, srv, Settings{})
	if events, err := fetch(t, src, only(t, src)); err != nil || len(events) != 2 {
		t.Errorf("Fetch = %v, %v, want two events", events, err)
	}
}

func TestErrorsOfTheServiceSayWhatToDo(t *testing.T) {
	const list, get = s3test.ListObjectsV2, s3test.GetObject
	class := map[string]func(error) bool{
		"denied": sdk.IsDenied, "gone": sdk.IsGone,
		"retried": func(err error) bool { return !sdk.IsDenied(err) && !sdk.IsGone(err) && !sdk.IsInvalid(err) },
	}
	for _, tc := range []struct {
		op     s3test.Operation
		status int
		code   string
		class  string
		want   string
	}{
		{list, 404, "NoSuchBucket", "denied", `there is no bucket "trail"`},
		{get, 404, "NoSuchBucket", "denied", `there is no bucket "trail"`},
		{get, 404, "NoSuchKey", "gone", "deleted"},
		{get, 412, "PreconditionFailed", "gone", "overwritten"},
		{list, 403, "AccessDenied", "denied", `allow s3:ListBucket on bucket "trail"`},
		{get, 403, "AccessDenied", "denied", `allow s3:GetObject, and kms:Decrypt`},
		{get, 403, "SomethingForbidden", "denied", "allow s3:GetObject"},
		{get, 400, "KMS.DisabledException", "denied", "KMS key"},
		{get, 403, "InvalidObjectState", "denied", "restore it"},
		{list, 403, "InvalidAccessKeyId", "denied", "refuses the credentials"},
		{list, 403, "SignatureDoesNotMatch", "denied", "refuses the credentials"},
		{get, 400, "ExpiredToken", "denied", "refuses the credentials"},
		{list, 403, "RequestTimeTooSkewed", "denied", "clock"},
		{list, 301, "PermanentRedirect", "denied", `write region = "eu-west-1"`},
		{list, 400, "AuthorizationHeaderMalformed", "denied", `write region = "eu-west-1"`},
		{list, 503, "SlowDown", "retried", "SlowDown"},
		{get, 503, "SlowDown", "retried", "SlowDown"},
		{get, 500, "InternalError", "retried", "InternalError"},
		{get, 400, "SomethingNew", "retried", "SomethingNew"},
	} {
		t.Run(string(tc.op)+" "+tc.code, func(t *testing.T) {
			srv := serve(t)
			put(t, srv, "x.json.gz", zip(two))
			src := source(t, srv, Settings{})
			split := only(t, src)
			srv.SetHook(faulty(tc.op, func(w http.ResponseWriter, r *http.Request) bool {
				if tc.status < 402 {
					w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
				}
				s3test.Fail(w, r, tc.status, tc.code)
				return true
			}))
			_, err := fetch(t, src, split)
			if tc.op == list {
				_, err = discover(t, src, sdk.TimeRange{})
			}
			if err == nil || !class[tc.class](err) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "s3://trail/") {
				t.Errorf("error = %v, want it %s and to say %q", err, tc.class, tc.want)
			}
		})
	}
}

func TestADeniedPrefixDoesNotHideTheOthers(t *testing.T) {
	srv := serve(t)
	put(t, srv, "a/x.json.gz", zip(two))
	put(t, srv, "b/x.json.gz", zip(two))
	srv.SetHook(faulty(s3test.ListObjectsV2, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("prefix") != "a/" {
			return false
		}
		s3test.Fail(w, r, http.StatusForbidden, "AccessDenied")
		return true
	}))
	splits, err := discover(t, source(t, srv, Settings{Prefixes: []string{"a/", "b/"}}), sdk.TimeRange{})
	if diff := cmp.Diff([]string{"b/x.json.gz"}, keys(splits)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "list s3://trail/a/") {
		t.Errorf("Discover = %v, want a denied error that names the prefix", err)
	}
}

func TestAMissingBucketIsDenied(t *testing.T) {
	srv := serve(t)
	_, err := discover(t, source(t, srv, Settings{Bucket: "nowhere"}), sdk.TimeRange{})
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), `there is no bucket "nowhere"`) {
		t.Errorf("Discover = %v, want a denied error that names the bucket", err)
	}
}

func TestAServerThatIsNotThereIsTriedAgain(t *testing.T) {
	srv := serve(t)
	src := source(t, srv, Settings{})
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := discover(t, src, sdk.TimeRange{}); err == nil || sdk.IsDenied(err) {
		t.Errorf("Discover = %v, want an error to try again after", err)
	}
}

func TestAListingThatDoesNotMoveOnIsAnError(t *testing.T) {
	for name, token := range map[string]string{"no token": "", "the same token": "<NextContinuationToken>t</NextContinuationToken>"} {
		srv := serve(t)
		srv.SetHook(faulty(s3test.ListObjectsV2, func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`<ListBucketResult><IsTruncated>true</IsTruncated>` + token + `</ListBucketResult>`))
			return true
		}))
		if _, err := discover(t, source(t, srv, Settings{}), sdk.TimeRange{}); err == nil {
			t.Errorf("Discover with %s = nil, want an error", name)
		}
	}
}

func TestAKeyThatCannotBeRecordedDoesNotHideTheOthers(t *testing.T) {
	srv := serve(t)
	srv.SetHook(faulty(s3test.ListObjectsV2, func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`<ListBucketResult><EncodingType>url</EncodingType>
			<Contents><Key>a%00.json</Key><ETag>"1"</ETag></Contents><Contents><Key>b+c.json</Key><ETag>"2"</ETag></Contents></ListBucketResult>`))
		return true
	}))
	splits, err := discover(t, source(t, srv, Settings{}), sdk.TimeRange{})
	if diff := cmp.Diff([]string{"b c.json"}, keys(splits)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), `a\x00.json`) {
		t.Errorf("Discover = %v, want a denied error that names the key", err)
	}
}

func TestEveryRequestNamesTheExpectedOwner(t *testing.T) {
	srv := serve(t)
	put(t, srv, "x.json.gz", zip(two))
	var owners []string
	srv.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		owners = append(owners, r.Header.Get("X-Amz-Expected-Bucket-Owner"))
		return false
	})
	src := source(t, srv, Settings{ExpectedBucketOwner: "111122223333"})
	if _, err := fetch(t, src, only(t, src)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Repeat([]string{"111122223333"}, 2), owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}
