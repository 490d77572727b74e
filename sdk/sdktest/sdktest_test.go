package sdktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

// This test binary is also the plugins that it checks; the first argument chooses.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "lines":
			plugin.ServeSink("lines", "1.0.0", openLines)
		case "one":
			plugin.ServeSource("one", "1.0.0", openOne)
		case "discard":
			plugin.ServeSink("discard", "1.0.0", openDiscard)
		}
	}
	os.Exit(m.Run())
}

type linesSettings struct {
	Path  string        `agent:"path" desc:"File to append to."`
	Token string        `agent:"token" desc:"Not used." optional:"true" sensitive:"true"`
	Wait  time.Duration `agent:"wait" desc:"Not used." optional:"true"`
	Rules []linesRule   `agent:"rule,block" desc:"Not used."`
	Inner *linesRule    `agent:"inner,block" desc:"Not used."`
}

type linesRule struct {
	Name string `agent:"name" desc:"Not used."`
}

// lines stores one record a line; records that span lines, or are no JSON, it refuses.
type lines struct{ file *os.File }

func openLines(_ context.Context, s linesSettings) (sdk.Sink, error) {
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return lines{f}, err
}

func (l lines) Write(_ context.Context, b sdk.Batch) (r sdk.Result, err error) {
	// A line break first: a line that a kill cut off must not swallow the next one.
	text := []byte("\n")
	for i, e := range b.Events {
		var record map[string]any
		if json.Unmarshal(e.Raw, &record) != nil {
			r.Rejected = append(r.Rejected, sdk.Reject{Index: i, Reason: "not a JSON object"})
			continue
		}
		line, err := json.Marshal(record)
		if err != nil {
			return r, err
		}
		text = append(append(text, line...), '\n')
	}
	if _, err := l.file.Write(text); err != nil {
		return r, err
	}
	return r, l.file.Sync()
}

// one is a source of one split with one event.
type one struct{}

func openOne(context.Context, struct{}) (sdk.Source, error) { return one{}, nil }

func (one) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	return found([]sdk.Split{{ID: "only"}})
}

func (one) Fetch(_ context.Context, s sdk.Split, emit func([]sdk.Event) error) error {
	if s.ID != "only" {
		return sdk.Gone(os.ErrNotExist)
	}
	return emit([]sdk.Event{{ID: "1", Name: "n", Raw: []byte(`{"eventID":"1","eventName":"n"}`)}})
}

type discard struct{}

func openDiscard(context.Context, struct{}) (sdk.Sink, error) { return discard{}, nil }

func (discard) Write(context.Context, sdk.Batch) (sdk.Result, error) { return sdk.Result{}, nil }
func (discard) Parallel() int                                        { return 2 }

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// unhurried keeps processes from sleeping for a second before they end, as they do
// under the race detector.
const unhurried = "GORACE=atexit_sleep_ms=0"

func TestASinkPasses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	sdktest.Sink(t, sdktest.Options{
		Program: self(t), Args: []string{"lines"}, Env: []string{unhurried},
		Settings: linesSettings{Path: path, Token: "hunter2hunter2"},
		Stored:   func(context.Context) ([]string, error) { return storedIn(path) },
	})
}

// storedIn skips the lines that a kill cut off.
func storedIn(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range bytes.Lines(text) {
		var record struct{ EventID string }
		if json.Unmarshal(line, &record) == nil {
			ids = append(ids, record.EventID)
		}
	}
	return ids, nil
}

func TestASourcePasses(t *testing.T) {
	t.Parallel()
	sdktest.Source(t, sdktest.Options{Program: self(t), Args: []string{"one"}, Env: []string{unhurried}, Events: 1})
}

func TestIDsAreThoseOfWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if ids, err := sdktest.IDs(path); err != nil || ids != nil {
		t.Errorf("of a missing file: %v, %v", ids, err)
	}
	for _, tc := range []struct {
		text string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{`{"eventID":"a"}` + "\n" + `{"eventID":"b"}` + "\n" + `{"even`, []string{"a", "b"}, true},
		{"[1]\n{}\n", []string{"", ""}, true},
		{`{"eventID":"a"}{"eventID":"b"}` + "\n", nil, false},
		{"{\n}\n", nil, false},
	} {
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		ids, err := sdktest.IDs(path)
		if diff := cmp.Diff(tc.want, ids); (err == nil) != tc.ok || (tc.ok && diff != "") {
			t.Errorf("IDs of %q = %v, %v, want %v", tc.text, ids, err, tc.want)
		}
	}
}

func TestGeneratedEventsAreCloudTrailRecordsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range append(sdktest.Events(1000), sdktest.Events(1000)...) {
		var record map[string]any
		if err := json.Unmarshal(e.Raw, &record); err != nil {
			t.Fatal(err)
		}
		if seen[e.ID] || record["eventID"] != e.ID || record["eventName"] != e.Name || record["eventTime"] != e.Time.Format(time.RFC3339) {
			t.Fatalf("event %s twice, or other than its record %s", e.ID, e.Raw)
		}
		seen[e.ID] = true
		if len(e.Raw) < 1400 || len(e.Raw) > 1800 {
			t.Fatalf("a record of %d bytes", len(e.Raw))
		}
	}
}
