package lookuptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const region = "us-east-1"

// page is what a lookup gave.
type page struct {
	ids  []string
	next string
	code string
}

// ask sends a lookup with the parameters given, as JSON.
func ask(t *testing.T, s *Service, region, parameters string) page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://aws.test/", strings.NewReader(parameters))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20261123/"+region+"/cloudtrail/aws4_request, SignedHeaders=host, Signature=0")
	res, err := Client{Service: s}.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Events    []struct{ EventId string }
		NextToken string
		Type      string `json:"__type"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("answer %q: %v", text, err)
	}
	if (res.StatusCode == http.StatusOK) != (out.Type == "") {
		t.Errorf("status %d with error %q", res.StatusCode, out.Type)
	}
	p := page{next: out.NextToken, code: out.Type}
	for _, e := range out.Events {
		p.ids = append(p.ids, e.EventId)
	}
	return p
}

// inTime runs a test whose time is not real.
func inTime(t *testing.T, f func(t *testing.T, now time.Time)) {
	synctest.Test(t, func(t *testing.T) { f(t, time.Now()) })
}

func TestEventsComeNewestFirstAndBothEndsAreInclusive(t *testing.T) {
	inTime(t, func(t *testing.T, now time.Time) {
		s := New(Options{})
		for i := range 5 {
			s.Add(region, Event{ID: fmt.Sprint(i), Time: now.Add(time.Duration(i-10) * time.Second)})
		}
		got := ask(t, s, region, fmt.Sprintf(`{"StartTime":%d,"EndTime":%d}`, now.Unix()-9, now.Unix()-7))
		if diff := cmp.Diff([]string{"3", "2", "1"}, got.ids); diff != "" || got.next != "" {
			t.Errorf("events, next token %q (-want +got):\n%s", got.next, diff)
		}
	})
}

func TestATokenGoesWithItsParametersAndExpires(t *testing.T) {
	inTime(t, func(t *testing.T, now time.Time) {
		s := New(Options{TokenLife: time.Minute})
		for i := range 110 {
			s.Add(region, Event{ID: fmt.Sprintf("%03d", i), Time: now})
		}
		first := ask(t, s, region, `{"EndTime":2000000000}`)
		if len(first.ids) != 50 || first.next == "" {
			t.Fatalf("first page = %+v, want 50 events and a token", first)
		}
		next := fmt.Sprintf(`,"NextToken":%q}`, first.next)
		for _, tc := range []struct {
			region, parameters string
			wait               time.Duration
			code               string
		}{
			{region, `{"EndTime":2000000000`, 0, ""},
			{region, `{"EndTime":2000000001`, 2 * time.Second, "InvalidNextTokenException"},
			{"eu-west-1", `{"EndTime":2000000000`, 0, "InvalidNextTokenException"},
			{region, `{"EndTime":2000000000`, 0, ""}, // a token may be used again
			{region, `{"EndTime":2000000000`, time.Hour, "InvalidNextTokenException"},
		} {
			<-time.After(tc.wait)
			if got := ask(t, s, tc.region, tc.parameters+next); got.code != tc.code {
				t.Errorf("%s %s after %v = error %q, want %q", tc.region, tc.parameters, tc.wait, got.code, tc.code)
			}
		}
		if got := ask(t, s, region, `{"NextToken":"made up"}`); got.code != "InvalidNextTokenException" {
			t.Errorf("a token from nowhere = error %q", got.code)
		}
	})
}

func TestEventsShowUpLateAndLeaveAfter90Days(t *testing.T) {
	inTime(t, func(t *testing.T, now time.Time) {
		s := New(Options{})
		s.Add(region, Event{ID: "late", Time: now, Visible: now.Add(15 * time.Minute)}, Event{ID: "future", Time: now.Add(200 * 24 * time.Hour)})
		for _, step := range []struct {
			wait time.Duration
			want []string
		}{{0, nil}, {15 * time.Minute, []string{"late"}}, {history - 15*time.Minute, []string{"late"}}, {time.Second, nil}} {
			<-time.After(step.wait)
			if diff := cmp.Diff(step.want, ask(t, s, region, `{}`).ids); diff != "" {
				t.Errorf("events %v after the start (-want +got):\n%s", time.Since(now), diff)
			}
		}
	})
}

func TestTheThirdRequestInASecondIsThrottled(t *testing.T) {
	inTime(t, func(t *testing.T, _ time.Time) {
		s := New(Options{})
		for i, want := range []string{"", "", "ThrottlingException"} {
			if got := ask(t, s, region, `{}`).code; got != want {
				t.Errorf("request %d = error %q, want %q", i+1, got, want)
			}
		}
		if got := ask(t, s, "eu-west-1", `{}`).code; got != "" {
			t.Errorf("request in another Region = error %q", got)
		}
		if n := s.Busiest(); n != 3 {
			t.Errorf("Busiest = %d, want 3", n)
		}
		<-time.After(time.Second)
		if got := ask(t, s, region, `{}`).code; got != "" {
			t.Errorf("request a second later = error %q", got)
		}
	})
}

func TestParametersAreChecked(t *testing.T) {
	for parameters, want := range map[string]string{
		`{"MaxResults":0}`:              "InvalidMaxResultsException",
		`{"MaxResults":51}`:             "InvalidMaxResultsException",
		`{"StartTime":2,"EndTime":1}`:   "InvalidTimeRangeException",
		`{"EventCategory":"data"}`:      "InvalidEventCategoryException",
		`{"LookupAttributes":[{},{}]}`:  "InvalidLookupAttributesException",
		`no JSON`:                       "SerializationException",
		`{"EventCategory":"insight"}`:   "",
		`{"StartTime":1,"EndTime":1.0}`: "",
	} {
		if got := ask(t, New(Options{}), region, parameters).code; got != want {
			t.Errorf("%s = error %q, want %q", parameters, got, want)
		}
	}
}

func TestPagesMayBeShortEmptyAndNotTheLast(t *testing.T) {
	inTime(t, func(t *testing.T, now time.Time) {
		sizes := []int{0, 2, 50, 50}
		s := New(Options{Page: func() (int, bool) {
			size := sizes[0]
			sizes = sizes[1:]
			return size, len(sizes) == 1
		}})
		s.Add(region, Event{ID: "a", Time: now}, Event{ID: "b", Time: now}, Event{ID: "c", Time: now})
		var got [][]string
		parameters := `{`
		for more := true; more; <-time.After(time.Second) {
			p := ask(t, s, region, parameters+`}`)
			got = append(got, p.ids)
			parameters, more = fmt.Sprintf(`{"NextToken":%q`, p.next), p.next != ""
		}
		if diff := cmp.Diff([][]string{nil, {"a", "b"}, {"c"}, nil}, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
	})
}

func TestAnUnknownOperationFails(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://aws.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := Client{Service: New(Options{})}.Do(r)
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("answer = %v, %v, want a failure", res, err)
	}
}
