package host_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// first builds the plugin of the first SDK from its frozen source.
func first(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "first")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/first").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func TestAPluginOfTheFirstSDKStillWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the go tool to build the plugin")
	}
	program := first(t)
	begin := func(kind string) *host.Process {
		p, err := host.Start(host.Command{Path: program, Args: []string{program, kind}, Dir: t.TempDir()}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		d, err := p.Describe(t.Context())
		if err != nil || d.Kind != kind || d.Type != "first" || d.Version != "1.0.0" || d.SDKVersion != "v1.0.0" {
			t.Errorf("described as %+v, %v", d, err)
		}
		if len(d.Settings.Attributes) != 1 || !d.Settings.Attributes[0].Required {
			t.Errorf("settings %+v", d.Settings)
		}
		if o, err := p.Open(t.Context(), []byte(`{"path":"x"}`), nil); err != nil || o.Parallel != 3 || o.Ledger || o.Settles {
			t.Errorf("opened as %+v, %v", o, err)
		}
		return p
	}

	sink := begin("sink")
	faults, err := sink.Validate(t.Context(), []byte(`{"path":""}`))
	if d := cmp.Diff([]sdk.Fault{{Path: "path", Summary: "Empty", Detail: "Write a path."}}, faults); err != nil || d != "" {
		t.Errorf("faults: %v %s", err, d)
	}
	res, err := sink.Sink().Write(t.Context(), sdk.Batch{Events: []sdk.Event{{ID: "1"}, {ID: "2", Name: "bad"}, {ID: "3"}}})
	want := sdk.Result{Rejected: []sdk.Reject{{Index: 1, Reason: "it is bad"}}, New: []bool{true, false, true}}
	if d := cmp.Diff(want, res); err != nil || d != "" {
		t.Errorf("result: %v %s", err, d)
	}

	source := begin("source")
	at := time.UnixMicro(1_700_000_000_000_000).UTC()
	if err := source.Source().Discover(t.Context(), sdk.TimeRange{}, func(splits []sdk.Split) error {
		if d := cmp.Diff([]sdk.Split{{ID: "a", Time: at, Bytes: 42}}, splits); d != "" {
			t.Errorf("splits: %s", d)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := source.Source().Fetch(t.Context(), sdk.Split{ID: "a"}, func(events []sdk.Event) error {
		if d := cmp.Diff([]sdk.Event{{ID: "id", Time: at, Name: "ConsoleLogin", ReadOnly: sdk.True, Raw: []byte(`{"a":1}`)}}, events); d != "" {
			t.Errorf("events: %s", d)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := source.Source().Fetch(t.Context(), sdk.Split{ID: "b"}, func([]sdk.Event) error { return nil }); !sdk.IsGone(err) {
		t.Errorf("a split that is gone: %v", err)
	}
	for _, p := range []*host.Process{sink, source} {
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
