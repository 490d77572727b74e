package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
)

func TestATrialCountsOnlyIfTheFaultHit(t *testing.T) {
	bad := oracle.Difference{Lost: 1, Examples: []string{"lost: event x"}}
	for _, tc := range []struct {
		name   string
		report report
		err    error
		want   string
		reason string
	}{
		{"all is well", report{Hits: 1}, nil, pass, ""},
		{"the fault did not hit", report{}, nil, void, "did not hit"},
		{"it cannot be brought about here", report{Hits: 1}, errVoid("needs root"), void, "needs root"},
		{"a loss", report{Hits: 1, Difference: bad}, nil, fail, "event x"},
		{"a loss though the fault did not hit", report{Difference: bad}, errVoid("needs root"), fail, "event x"},
		{"the agent did not come back", report{Hits: 1, Faults: []string{"no marker"}}, nil, fail, "no marker"},
		{"the harness failed", report{Hits: 1}, errors.New("no database"), fail, "no database"},
	} {
		r := tc.report
		r.conclude(tc.err)
		if r.Verdict != tc.want || !strings.Contains(r.Reason, tc.reason) {
			t.Errorf("%s: %s, %q; want %s, %q", tc.name, r.Verdict, r.Reason, tc.want, tc.reason)
		}
	}
}

func TestARunFailsForALossAndForASlowRecovery(t *testing.T) {
	for _, tc := range []struct {
		name string
		add  report
		want bool
	}{
		{"all is well", report{Verdict: pass, Recoveries: []float64{1, 2, 3}, Kills: 3}, true},
		{"a void trial proves nothing", report{Verdict: void}, true},
		{"a loss", report{Verdict: fail, Difference: oracle.Difference{Lost: 1}}, false},
		{"slow recoveries", report{Verdict: pass, Recoveries: []float64{1, 6, 6}}, false},
	} {
		s := &summary{Commit: "abc", Seed: 7}
		s.add(&tc.add)
		if s.good() != tc.want {
			t.Errorf("%s: good = %t, want %t", tc.name, s.good(), tc.want)
		}
		var out bytes.Buffer
		s.print(&out)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "lost ") || !strings.Contains(last, " kills ") {
			t.Errorf("%s: the last line is %q", tc.name, last)
		}
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(100-i))
	}
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{4}, 4}, {[]float64{3, 1, 2}, 3}, {hundred, 95}} {
		if got := percentile(tc.values, 95); got != tc.want {
			t.Errorf("p95 of %d values = %v, want %v", len(tc.values), got, tc.want)
		}
	}
}

func TestTheRequiredAttacksAreInTheShortRun(t *testing.T) {
	chosen, err := choose(settings{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, s := range chosen {
		ids[s.id] = true
	}
	for id := range strings.FieldsSeq("P1 P2 P3 D1 D3 D4 D5 S1 S2 S5 Q1 Q2 G2 G4 K2 F1") {
		if !ids[id] {
			t.Errorf("%s is not in the short run", id)
		}
	}
	if len(chosen) != 16 {
		t.Errorf("the short run has %d attacks", len(chosen))
	}
	full, err := choose(settings{full: true})
	if err != nil || len(full) <= len(chosen) {
		t.Errorf("the full run has %d attacks, %v", len(full), err)
	}
	seen := make(map[string]bool)
	for _, s := range full {
		if seen[s.id] || s.run == nil || s.title == "" {
			t.Errorf("attack %q is there twice, or not whole", s.id)
		}
		seen[s.id] = true
	}
	if _, err := choose(settings{scenarios: "P1,X9"}); err == nil || !strings.Contains(err.Error(), "X9") {
		t.Errorf("an attack that is not there: %v", err)
	}
	sum := 0
	for i := range full {
		sum += share(1050, full, i)
	}
	if sum < 1000 {
		t.Errorf("the full run makes %d kills", sum)
	}
}
