package cloudtrailapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// first answers the first n lookups with an error code.
func first(n int, code string) func(lookuptest.Request) string {
	return func(lookuptest.Request) string {
		if n--; n < 0 {
			return ""
		}
		return code
	}
}

func plain(err error) bool {
	return err != nil && !sdk.IsDenied(err) && !sdk.IsInvalid(err) && !sdk.IsGone(err)
}

func TestWhatPassesIsWaitedOut(t *testing.T) {
	for _, code := range []string{"ThrottlingException", "InternalFailure", "ServiceUnavailable"} {
		afterTwoDays(t, func(t *testing.T) {
			srv := lookuptest.New(lookuptest.Options{})
			srv.Add(seoul, record("a", today()))
			src := source(t, srv, Settings{})
			srv.Refuse(first(maxAttempts-1, code))
			got, err := fetch(t, src, splitID(seoul, today()))
			if diff := cmp.Diff([]string{"a"}, ids(got)); diff != "" || err != nil {
				t.Errorf("%s: events, error %v (-want +got):\n%s", code, err, diff)
			}
			// The SDK would have sent more of them.
			if n := len(srv.Requests()); n != maxAttempts || srv.Busiest() > 2 {
				t.Errorf("%s: requests = %d, %d of them in a second; want %d and 2 at most", code, n, srv.Busiest(), maxAttempts)
			}

			srv.Refuse(first(maxAttempts, code))
			if _, err := fetch(t, src, splitID(seoul, today())); !plain(err) || !strings.Contains(err.Error(), code) {
				t.Errorf("%s, again and again: Fetch = %v, want an error to try again after", code, err)
			}
		})
	}
}

func TestThrottlingSlowsDown(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		src := source(t, srv, Settings{})
		srv.Refuse(first(maxAttempts, "ThrottlingException"))
		_, _ = fetch(t, src, splitID(seoul, today())) // [TestWhatPassesIsWaitedOut] looks at the error
		requests := srv.Requests()
		if took := requests[len(requests)-1].Time.Sub(requests[0].Time); took < 10*time.Second {
			t.Errorf("%d throttled requests came in %v, want ever longer rests between them", len(requests), took)
		}
	})
}

// network breaks a number of requests on their way.
type network struct {
	lookuptest.Client
	broken int
	fault  func(*http.Request) error
}

func (n *network) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "LookupEvents") {
		if n.broken--; n.broken >= 0 {
			return nil, n.fault(r)
		}
	}
	return n.Client.Do(r)
}

func TestABrokenNetworkIsWaitedOut(t *testing.T) {
	for name, fault := range map[string]func(*http.Request) error{
		"reset":  func(*http.Request) error { return syscall.ECONNRESET },
		"silent": func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() },
	} {
		afterTwoDays(t, func(t *testing.T) {
			srv := lookuptest.New(lookuptest.Options{})
			srv.Add(seoul, record("a", today()))
			src := sourceOver(t, &network{lookuptest.Client{Service: srv}, 3, fault}, Settings{}, t.TempDir())
			got, err := fetch(t, src, splitID(seoul, today()))
			if diff := cmp.Diff([]string{"a"}, ids(got)); diff != "" || err != nil {
				t.Errorf("%s: events, error %v (-want +got):\n%s", name, err, diff)
			}
		})
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		srv.Refuse(func(lookuptest.Request) string { return "ThrottlingException" })
		src := source(t, srv, Settings{})
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(stop) })
		err := src.Fetch(ctx, sdk.Split{ID: splitID(seoul, today())}, func([]sdk.Event) error { return nil })
		if !errors.Is(err, stop) {
			t.Errorf("Fetch = %v, want the cause of the end", err)
		}
	})
}

func TestAnErrorOfTheCallerEndsTheFetch(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		srv.Add(seoul, record("a", today()), lookuptest.Event{ID: "b", Time: today()})
		src := source(t, srv, Settings{})
		full := errors.New("full")
		if err := src.Fetch(t.Context(), sdk.Split{ID: splitID(seoul, today())}, func([]sdk.Event) error { return full }); !errors.Is(err, full) || sdk.IsInvalid(err) {
			t.Errorf("Fetch = %v, want the caller's error", err)
		}
	})
}

func TestATokenThatExpiresMakesThePassBeginAgain(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{TokenLife: time.Minute})
		events := happening("e", today(), 1200)
		srv.Add(seoul, events...)
		src := source(t, srv, Settings{})
		busy := true
		for range 2 {
			var got []sdk.Event
			err := src.Fetch(t.Context(), sdk.Split{ID: splitID(seoul, today())}, func(page []sdk.Event) error {
				got = append(got, cloudtrailtest.Kept(page)...)
				if busy {
					<-time.After(2 * time.Minute) // the sink is slow
				}
				return nil
			})
			if busy && (!plain(err) || !strings.Contains(err.Error(), "InvalidNextToken")) {
				t.Errorf("Fetch = %v, want an error to try again after", err)
			}
			if !busy {
				if diff := cmp.Diff(idsOf(events), ids(got)); diff != "" || err != nil {
					t.Errorf("events of the second pass, error %v (-want +got):\n%s", err, diff)
				}
			}
			busy = false
		}
	})
}

// Ten windows that took turns would each come too late for its next page, for ever.
func TestManyWindowsAtOnceDoNotOutliveTheirTokens(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{TokenLife: 3 * time.Second})
		var splits []string
		for i := range 10 {
			start := today().Add(time.Duration(i) * time.Hour)
			srv.Add(seoul, happening(fmt.Sprint("e", i, "-"), start, 120)...)
			splits = append(splits, splitID(seoul, start))
		}
		src := source(t, srv, Settings{})
		var all sync.WaitGroup
		for _, id := range splits {
			all.Go(func() {
				n := 0
				err := src.Fetch(t.Context(), sdk.Split{ID: id}, func(page []sdk.Event) error { n += len(page); return nil })
				if err != nil || n < 120 {
					t.Errorf("%s: %d events, %v", id, n, err)
				}
			})
		}
		all.Wait()
	})
}

func TestATokenThatDoesNotMoveIsAnError(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		circle := answers(func(r *http.Request) string { return `{"Events":[],"NextToken":"round"}` })
		src := sourceOver(t, circle, Settings{}, t.TempDir())
		if _, err := fetch(t, src, splitID(seoul, today())); !plain(err) || !strings.Contains(err.Error(), "more but not where") {
			t.Errorf("Fetch = %v, want an error to try again after", err)
		}
	})
}

// answers is a client whose lookups all have the answer given.
type answers func(*http.Request) string

func (a answers) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "LookupEvents") {
		return lookuptest.Client{Service: lookuptest.New(lookuptest.Options{})}.Do(r)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(bytes.NewBufferString(a(r))),
	}, nil
}

func TestWhatSomebodyHasToMendIsDenied(t *testing.T) {
	for code, advice := range map[string]string{
		"AccessDeniedException":            "allow cloudtrail:LookupEvents",
		"ExpiredTokenException":            "renew or replace them",
		"UnrecognizedClientException":      "enable the Region",
		"InvalidSignatureException":        "set this host's clock",
		"OptInRequired":                    "leave the Region out",
		"UnsupportedOperationException":    "leave the Region out",
		"InvalidLookupAttributesException": "check event_category and lookup",
		"ValidationException":              "check event_category and lookup",
		"RequestExpired":                   "set this host's clock",
	} {
		afterTwoDays(t, func(t *testing.T) {
			srv := lookuptest.New(lookuptest.Options{})
			srv.Refuse(func(lookuptest.Request) string { return code })
			src := source(t, srv, inSeoul())
			_, fetched := fetch(t, src, splitID(seoul, today()))
			_, listed := discover(t, src, sdk.TimeRange{})
			for _, err := range []error{fetched, listed} {
				if !sdk.IsDenied(err) || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), advice) {
					t.Errorf("error after %s = %v, want it denied with the advice %q", code, err, advice)
				}
			}
		})
	}
}
