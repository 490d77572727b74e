package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

// write makes a file of EventBridge events that hold n generated records.
func write(t *testing.T, path string, n int, at time.Time) {
	t.Helper()
	var text strings.Builder
	for _, e := range sdktest.Events(n) {
		fmt.Fprintf(&text, `{"version":"0","id":"%s","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":%s}`+"\n", e.ID, e.Raw)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.jsonl", i)), 700, time.Date(2026, 11, 1, i, 0, 0, 0, time.UTC))
	}
	write(t, filepath.Join(dir, "growing.tmp"), 1, time.Now())
	sdktest.Source(t, sdktest.Options{Settings: Settings{Dir: dir}, Events: 5 * 700})
}

func fetch(t *testing.T, text string) []sdk.Event {
	t.Helper()
	var events []sdk.Event
	if err := read(t.Context(), strings.NewReader(text), func(page []sdk.Event) error {
		events = append(events, page...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestLinesBecomeEvents(t *testing.T) {
	const detail = `{ "eventID":"a", "eventTime":"2026-11-01T00:00:00Z","readOnly":false,"userIdentity":{"invokedBy":"x.amazonaws.com","accountId":"1"} }`
	events := fetch(t, "\n"+`{"detail-type":"AWS Service Event via CloudTrail","detail":`+detail+"}\r\n"+
		`{"detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"NoID"}}`)
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.ID != "a" || string(e.Raw) != detail || e.Principal != "x.amazonaws.com" || e.Account != "1" || e.ReadOnly != sdk.False || e.Time.IsZero() {
		t.Errorf("event %+v", e)
	}
	if id := events[1].ID; !strings.HasPrefix(id, "sha256:") {
		t.Errorf("a record without ID has the ID %q", id)
	}
}

func TestLinesThatAreNoEventsAreKeptWithTheirReason(t *testing.T) {
	for line, want := range map[string]string{
		`{"detail-type":"EC2 Instance State-change Notification","detail":{}}`: "is not a CloudTrail event",
		`{"detail-type":"AWS API Call via CloudTrail","detail":[]}`:            "detail is not a CloudTrail record",
		`{"detail-type":"AWS API Call via CloudTrail"}`:                        "detail is not a CloudTrail record",
		`{"detail-ty`: "not an EventBridge event",
	} {
		events := fetch(t, line)
		if len(events) != 1 || !strings.Contains(events[0].Reject, want) || string(events[0].Raw) != line || events[0].ID == "" {
			t.Errorf("%s: %+v, want it rejected because %q", line, events, want)
		}
	}
}

func TestAFileThatChangedIsGone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	write(t, path, 1, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	s, err := open(t.Context(), Settings{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var splits []sdk.Split
	if err := s.Discover(t.Context(), sdk.TimeRange{}, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(){
		func() { write(t, path, 2, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)) },
		func() { _ = os.Remove(path) },
	} {
		change()
		if err := s.Fetch(t.Context(), splits[0], func([]sdk.Event) error { return nil }); !sdk.IsGone(err) {
			t.Errorf("Fetch = %v, want it gone", err)
		}
	}
}

func TestAFolderThatIsMissingNeedsSomebodyToAct(t *testing.T) {
	s, err := open(t.Context(), Settings{Dir: filepath.Join(t.TempDir(), "no")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Discover(t.Context(), sdk.TimeRange{}, nil); !sdk.IsDenied(err) {
		t.Errorf("Discover = %v, want a denied error", err)
	}
}
