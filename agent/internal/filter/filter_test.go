package filter

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestMatchByEnvelope(t *testing.T) {
	login := sdk.Event{
		Name: "ConsoleLogin", Source: "signin.amazonaws.com", Region: "us-east-1", Account: "012345678901",
		Principal: "arn:aws:iam::012345678901:user/dev/Ann", ErrorCode: "AccessDenied", ReadOnly: sdk.False,
	}
	bare := sdk.Event{}
	for _, tc := range []struct {
		name   string
		config Config
		event  sdk.Event
		want   bool
	}{
		{"no condition keeps", Config{}, bare, true},
		{"an exact name keeps", Config{EventNames: []string{"AssumeRole", "ConsoleLogin"}}, login, true},
		{"another name drops", Config{EventNames: []string{"AssumeRole"}}, login, false},
		{"case matters", Config{EventNames: []string{"consolelogin"}}, login, false},
		{"part of a name is not the name", Config{EventNames: []string{"Console"}}, login, false},
		{"a star stands for any characters", Config{EventNames: []string{"Console*"}}, login, true},
		{"a star stands for no characters", Config{EventNames: []string{"ConsoleLogin*"}}, login, true},
		{"a star crosses slashes", Config{Principals: []string{"arn:aws:iam::*:user/*"}}, login, true},
		{"a question mark stands for one character", Config{Regions: []string{"us-east-?"}}, login, true},
		{"a question mark does not stand for none", Config{Regions: []string{"us-east-1?"}}, login, false},
		{"an excluded name drops", Config{ExcludeEventNames: []string{"Console*"}}, login, false},
		{"a name not excluded keeps", Config{ExcludeEventNames: []string{"Assume*"}}, login, true},
		{"exclusion wins over inclusion", Config{EventNames: []string{"*"}, ExcludeEventNames: []string{"ConsoleLogin"}}, login, false},
		{"all lists must hold", Config{EventNames: []string{"ConsoleLogin"}, Regions: []string{"eu-*"}}, login, false},
		{"sources", Config{EventSources: []string{"signin.*"}}, login, true},
		{"excluded sources", Config{ExcludeEventSources: []string{"signin.amazonaws.com"}}, login, false},
		{"excluded regions", Config{ExcludeRegions: []string{"us-*"}}, login, false},
		{"accounts", Config{Accounts: []string{"012345678901"}}, login, true},
		{"excluded accounts", Config{ExcludeAccounts: []string{"0123*"}}, login, false},
		{"excluded principals", Config{ExcludePrincipals: []string{"*/Ann"}}, login, false},
		{"error codes", Config{ErrorCodes: []string{"Access*"}}, login, true},
		{"a star keeps events that have the field", Config{ErrorCodes: []string{"*"}}, login, true},
		{"a star drops events that lack the field", Config{ErrorCodes: []string{"*"}}, bare, false},
		{"an excluded star keeps events that lack the field", Config{ExcludeErrorCodes: []string{"*"}}, bare, true},
		{"an excluded star drops events that have the field", Config{ExcludeErrorCodes: []string{"*"}}, login, false},
		{"an absent field is not excluded", Config{ExcludePrincipals: []string{"*Ann"}}, bare, true},
		{"read_only true drops a write", Config{ReadOnly: new(true)}, login, false},
		{"read_only true keeps a read", Config{ReadOnly: new(true)}, sdk.Event{ReadOnly: sdk.True}, true},
		{"read_only true drops an event that does not say", Config{ReadOnly: new(true)}, bare, false},
		{"read_only false keeps a write", Config{ReadOnly: new(false)}, login, true},
		{"read_only false drops a read", Config{ReadOnly: new(false)}, sdk.Event{ReadOnly: sdk.True}, false},
		{"read_only false keeps an event that does not say", Config{ReadOnly: new(false)}, bare, true},
		{"a rejected record is kept for quarantine", Config{EventNames: []string{"ConsoleLogin"}}, sdk.Event{Reject: "not an object"}, true},
		{"lists are decided before where", Config{EventNames: []string{"AssumeRole"}, Where: `event.userIdentity.type == "Root"`}, login, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := compile(t, tc.config).Match(&tc.event)
			if got.Keep != tc.want || got.Unevaluable != nil {
				t.Errorf("Match = %+v, want keep %t", got, tc.want)
			}
		})
	}
}

func TestNilFilterKeepsEverything(t *testing.T) {
	var f *Filter
	if got := f.Match(&sdk.Event{Name: "ConsoleLogin"}); !got.Keep || got.Unevaluable != nil {
		t.Errorf("Match = %+v, want keep", got)
	}
	if got := f.Fingerprint(); got != "" {
		t.Errorf("Fingerprint = %q, want none", got)
	}
}

func TestMatchConcurrently(t *testing.T) {
	f := compile(t, Config{
		ExcludeEventNames: []string{"Describe*"},
		Where:             `event.userIdentity.type == "Root" && event.requestParameters.n % 2 == 0`,
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				n := worker*500 + i
				raw, _ := json.Marshal(map[string]any{
					"userIdentity":      map[string]any{"type": "Root"},
					"requestParameters": map[string]any{"n": n},
				})
				got := f.Match(&sdk.Event{Name: "RunInstances", Raw: raw})
				if want := n%2 == 0; got.Keep != want || got.Unevaluable != nil {
					t.Errorf("Match of n = %d is %+v, want keep %t", n, got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestFingerprintIsTheSameForTheSameMeaning(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b Config
	}{
		{"order of a list", Config{EventNames: []string{"A", "B*", "C?"}}, Config{EventNames: []string{"C?", "A", "B*"}}},
		{"repeated elements", Config{Regions: []string{"eu-*", "us-1"}}, Config{Regions: []string{"us-1", "eu-*", "us-1", "eu-*"}}},
		{"an element that a pattern covers", Config{EventNames: []string{"Delete*"}}, Config{EventNames: []string{"DeleteBucket", "Delete*"}}},
		{"spelling of wildcards", Config{EventNames: []string{"A*?*B**"}}, Config{EventNames: []string{"A?*B*"}}},
		{"layout of the expression", Config{Where: `event.eventName=="A"||event.eventName=='B'`}, Config{Where: "// either\n(event.eventName == \"A\")\n  || event.eventName == 'B'"}},
		{"escapes in the expression", Config{Where: `event.eventName == "\x41"`}, Config{Where: `event.eventName == "A"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := compile(t, tc.a).Fingerprint(), compile(t, tc.b).Fingerprint()
			if a != b {
				t.Errorf("fingerprints %q and %q differ", a, b)
			}
		})
	}
}

func TestFingerprintDiffersWhenTheMeaningDoes(t *testing.T) {
	configs := map[string]Config{
		"nothing":                   {},
		"one name":                  {EventNames: []string{"A"}},
		"two names":                 {EventNames: []string{"A", "B"}},
		"one name that reads two":   {EventNames: []string{`A" "B`}},
		"excluded name":             {ExcludeEventNames: []string{"A"}},
		"source of that name":       {EventSources: []string{"A"}},
		"any name":                  {EventNames: []string{"*"}},
		"prefix":                    {EventNames: []string{"A*"}},
		"reads":                     {ReadOnly: new(true)},
		"writes":                    {ReadOnly: new(false)},
		"expression":                {Where: `event.eventName == "A"`},
		"expression, other value":   {Where: `event.eventName == "B"`},
		"expression, with grouping": {Where: `event.readOnly == true && (event.eventName == "A" || event.eventName == "B")`},
		"expression, regrouped":     {Where: `(event.readOnly == true && event.eventName == "A") || event.eventName == "B"`},
		"loop":                      {Where: `event.resources.exists(r, r.type == "A")`},
		"loop of another kind":      {Where: `event.resources.all(r, r.type == "A")`},
	}
	seen := map[string]string{}
	for name, c := range configs {
		print := compile(t, c).Fingerprint()
		if other, ok := seen[print]; ok {
			t.Errorf("%s and %s have the same fingerprint %q", name, other, print)
		}
		seen[print] = name
	}
}

// A fingerprint that changes without need makes every agent read its bucket again.
func TestFingerprintIsFrozen(t *testing.T) {
	f := compile(t, Config{
		EventNames: []string{"ConsoleLogin", "Delete*"},
		ReadOnly:   new(false),
		Where:      `event.readOnly != true || event.resources.exists(r, has(r.ARN))`,
	})
	if got, want := f.Fingerprint(), "f1-91203a96d275039f06a014c03770422b"; got != want {
		t.Errorf("Fingerprint = %q, want %q", got, want)
	}
	if got := compile(t, Config{}).Fingerprint(); got != "" {
		t.Errorf("Fingerprint without conditions = %q, want none", got)
	}
}

func compile(t testing.TB, c Config) *Filter {
	t.Helper()
	f, faults := Compile(c)
	if len(faults) > 0 {
		t.Fatalf("Compile(%+v) faults: %+v", c, faults)
	}
	return f
}
