package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest/conformance"
)

// newSuite is the checks of this binary as a plugin.
func newSuite(t *testing.T, args ...string) *conformance.Suite {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	// Under the race detector a process would sleep for a second before it ends.
	o := conformance.Options{Path: "/proc/self/exe", Args: args, Env: []string{"GORACE=atexit_sleep_ms=0"}}
	if args[0] != "source" {
		o.Settings = json.RawMessage(fmt.Sprintf(`{"path":%q,"rule":[{"name":"a"},{"name":"b"}]}`, path))
		o.Stored = func(context.Context) ([]string, error) { return storedIn(path) }
		o.Slow = func(slow bool) {
			if slow {
				_ = os.WriteFile(path+".slow", nil, 0o600)
				return
			}
			_ = os.Remove(path + ".slow")
		}
	}
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := conformance.New(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// storedIn are the IDs of the whole lines of a file.
func storedIn(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		ids = append(ids, idOf(line))
	}
	return ids, nil
}

func TestPluginsThatKeepTheContractPass(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		skipped []string
	}{
		{"a sink that knows what it stored", []string{"parallel", "exact"}, []string{"keeps the ledger"}},
		{"a sink with a ledger", []string{"ledger", "exact"}, []string{"writes in parallel"}},
		{"a source", []string{"source", "good"}, []string{
			"refuses settings that lack a required attribute", "refuses settings of a wrong type", "keeps its secrets",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			skipped := map[string]bool{}
			for _, check := range newSuite(t, tc.args...).Checks() {
				err := check.Run(t.Context())
				if errors.As(err, new(conformance.Skipped)) {
					skipped[check.Name] = true
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", check.Name, err)
				}
			}
			for _, name := range tc.skipped {
				if !skipped[name] {
					t.Errorf("%q was not skipped", name)
				}
				delete(skipped, name)
			}
			delete(skipped, "describes itself without a network") // where the machine does not let a test do that
			for name := range skipped {
				t.Errorf("%q was skipped", name)
			}
		})
	}
}

func TestEachBreachIsFoundByItsCheck(t *testing.T) {
	for _, tc := range []struct{ kind, mode, check, want string }{
		{"undocumented", "", "says what it is", `setting "path" has no documentation`},
		{"undocumented", "", "says what it is", "version is empty"},
		{"sink", "tells its token", "keeps its secrets", "appears in its log"},
		{"sink", "tells its token in an error", "keeps its secrets", "appears in the error of Write"},
		{"sink", "panics on nothing", "writes batches of every size", "batch of 0 events"},
		{"sink", "forgets", "writes batches of every size", "are not stored"},
		{"sink", "dies", "writes batches of every size", "process ended during a write"},
		{"sink", "refuses large events", "takes an event of 1 MiB", "too large"},
		{"sink", "rejects neighbours", "stores the neighbours of odd events", "bad company"},
		{"sink", "lies", "takes the same batch twice", "it says new = true"},
		{"sink", "lies", "takes batches that overlap", "it says new = true"},
		{"sink", "doubles", "takes the same batch twice", "stored more than once"},
		{"parallel", "races", "writes in parallel", "are not stored"},
		{"ledger", "no ledger", "keeps the ledger", "says 0 of a split"},
		{"ledger", "ledger first", "loses nothing when it is killed in a write", "are not stored"},
		{"sink", "waits for ever", "bears a slow destination", "while the destination is slow"},
		{"sink", "buffers", "loses nothing when it is killed after a write", "are not stored"},
		{"sink", "marks first", "loses nothing when it is killed in a write", "are not stored"},
		{"sink", "hoards", "keeps its memory over 500 batches", "memory grew"},
		{"sink", "obeys signals", "leaves signals to the agent", ""},
		{"sink", "litters", "opens and closes 50 times", "in its TMPDIR"},
		{"sink", "exits in Close", "opens and closes 50 times", "stop: plugin process is gone"},
		{"sink", "cannot close", "opens and closes 50 times", "stop: no"},
		{"source", "new IDs in each process", "lists the same splits each time", "the same in every run"},
		{"source", "one ID for all", "lists the same splits each time", "stands for two splits"},
		{"source", "no ID", "lists the same splits each time", "has no ID"},
		{"source", "long ID", "lists the same splits each time", "has 2001 bytes"},
		{"source", "ignores the range", "keeps to the range it is asked for", "it lists split"},
		{"source", "lists too little", "keeps to the range it is asked for", "it does not list split"},
		{"source", "new event IDs each time", "reads splits the same each time", "differs from the reading before"},
		{"source", "events without ID", "gives events an identity and a true envelope", "it has no ID"},
		{"source", "events without record", "gives events an identity and a true envelope", "no record"},
		{"source", "no JSON", "gives events an identity and a true envelope", "not a JSON object"},
		{"source", "wrong envelope", "gives events an identity and a true envelope", `eventName = "GetObject"`},
		{"source", "wrong time", "gives events an identity and a true envelope", "eventTime"},
		{"source", "wrong flag", "gives events an identity and a true envelope", "readOnly"},
		{"source", "reads what is not there", "says that an unknown split is gone or invalid", "for ever"},
		{"source", "settles once", "is told what became of its splits", "I know"},
		{"source", "hoards", "keeps its memory over 500 readings", "memory grew"},
	} {
		t.Run(tc.kind+" "+tc.mode+" "+tc.want, func(t *testing.T) {
			t.Parallel()
			for _, check := range newSuite(t, tc.kind, tc.mode).Checks() {
				if check.Name != tc.check {
					continue
				}
				if err := check.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v, want an error that says %q", check.Name, err, tc.want)
				}
				return
			}
			t.Errorf("there is no check %q", tc.check)
		})
	}
}

func TestASourceThatDoesNotSettleIsNotAskedTo(t *testing.T) {
	for _, check := range newSuite(t, "source", "does not settle").Checks() {
		if check.Name != "is told what became of its splits" {
			continue
		}
		if err := check.Run(t.Context()); !errors.As(err, new(conformance.Skipped)) {
			t.Errorf("check = %v, want it skipped", err)
		}
	}
}

func TestAProgramThatIsNoPluginIsExplained(t *testing.T) {
	_, err := conformance.New(t.Context(), t.TempDir(), conformance.Options{Path: "/bin/true"})
	if err == nil || !strings.Contains(err.Error(), "start plugin") {
		t.Errorf("New = %v", err)
	}
}
