package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const testText = `
agent test runs the test blocks of a configuration: each gives the filter of a
pipeline some records and says what it keeps. It needs neither network nor
database.

  test "root logins are kept" {
    pipeline = "audit"
    input    = file("testdata/logins.json")
    expect {
      kept      = 1
      event_ids = ["3a2f6f0e-…"]
    }
  }

Exit code 1 if a test fails.
`

func (p *Program) test(args []string) int {
	c := configFlags{tests: true}
	f := p.flags("test", testText)
	c.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	cfg, ok := p.loadTests(c, f.Args())
	if !ok {
		return exitUsage
	}
	failed := 0
	for _, t := range cfg.Tests {
		if !p.runTest(cfg, t) {
			failed++
		}
	}
	fmt.Fprintf(p.Stdout, "%d passed, %d failed\n", len(cfg.Tests)-failed, failed)
	if failed > 0 {
		return exitFailed
	}
	return exitOK
}

func (p *Program) loadTests(c configFlags, rest []string) (*config.Config, bool) {
	if len(rest) > 0 {
		p.failf("unexpected argument %q; agent test -h shows the flags", rest[0])
		return nil, false
	}
	cfg, ok := p.load(c, false)
	if ok && len(cfg.Tests) == 0 {
		p.failf("%s has no test block; agent test -h shows one", cfg.File)
		return nil, false
	}
	return cfg, ok
}

// runTest prints how a test went.
func (p *Program) runTest(cfg *config.Config, t config.Test) bool {
	faults, seen := p.tryFilter(cfg, t)
	if len(faults) == 0 {
		fmt.Fprintf(p.Stdout, "ok    %s (%s): %d kept, %d filtered\n", t.Name, t.Pipeline, len(seen.kept), len(seen.filtered))
		return true
	}
	fmt.Fprintf(p.Stdout, "FAIL  %s (%s, %s:%d)\n", t.Name, t.Pipeline, t.Pos.File, t.Pos.Line)
	for _, fault := range faults {
		fmt.Fprintf(p.Stdout, "      %s\n", fault)
	}
	return false
}

// seen is what a filter did with some events.
type seen struct{ kept, filtered []sdk.Event }

func (p *Program) tryFilter(cfg *config.Config, t config.Test) (faults []string, s seen) {
	pl, err := onePipeline(cfg, t.Pipeline)
	if err != nil {
		return []string{err.Error()}, s
	}
	fl, found := filter.Compile(pl.Filter)
	if len(found) > 0 {
		return []string{found[0].Summary + ": " + found[0].Detail}, s
	}
	events, err := p.eventsOf([]byte(t.Input))
	if err != nil {
		return []string{"input: " + err.Error()}, s
	}
	for _, e := range events {
		if fl.Match(&e).Keep {
			s.kept = append(s.kept, e)
		} else {
			s.filtered = append(s.filtered, e)
		}
	}
	if t.Kept != nil && *t.Kept != len(s.kept) {
		faults = append(faults, fmt.Sprintf("kept %d, want %d: %s", len(s.kept), *t.Kept, naming(s.kept)))
	}
	if t.Filtered != nil && *t.Filtered != len(s.filtered) {
		faults = append(faults, fmt.Sprintf("filtered %d, want %d: %s", len(s.filtered), *t.Filtered, naming(s.filtered)))
	}
	if t.EventIDs != nil {
		faults = append(faults, compareIDs(fl, t.EventIDs, s)...)
	}
	return faults, s
}

// compareIDs names each event that is on the wrong side, and the condition that put it
// there.
func compareIDs(fl *filter.Filter, want []string, s seen) (faults []string) {
	for _, e := range s.kept {
		if !slices.Contains(want, e.ID) {
			faults = append(faults, fmt.Sprintf("%s is kept, but not in event_ids", nameOf(e)))
		}
	}
	for _, id := range want {
		if slices.ContainsFunc(s.kept, func(e sdk.Event) bool { return e.ID == id }) {
			continue
		}
		i := slices.IndexFunc(s.filtered, func(e sdk.Event) bool { return e.ID == id })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("there is no event %s in the input", printable(id)))
			continue
		}
		faults = append(faults, fmt.Sprintf("%s is filtered: %s", nameOf(s.filtered[i]), decisive(fl.Explain(&s.filtered[i]))))
	}
	return faults
}

func naming(events []sdk.Event) string {
	if len(events) == 0 {
		return "none"
	}
	var names []string
	for _, e := range events {
		names = append(names, nameOf(e))
	}
	const shown = 5
	if len(names) > shown {
		names = append(names[:shown], fmt.Sprintf("and %d more", len(names)-shown))
	}
	return strings.Join(names, ", ")
}

func nameOf(e sdk.Event) string {
	name := e.Name
	if name == "" {
		name = "(no eventName)"
	}
	return printable(name + " " + e.ID)
}
