package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const explainText = `
agent explain tells, for each event of a file and each pipeline, whether the
pipeline's filter keeps it, and what each of its conditions says. It needs
neither network nor database.

  agent explain -config agent.hcl EVENT.json
  psql … | agent explain -config agent.hcl -pipeline audit -

The file holds CloudTrail records: a log file, a list, or records one after
another; .gz or not.
`

func (p *Program) explain(args []string) int {
	var c configFlags
	f := p.flags("explain", explainText)
	c.define(f)
	name := f.String("pipeline", "", "only the pipeline of this `name`")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() == 0 {
		p.failf("name a file with an event: agent explain -config %s EVENT.json; - is standard input", c.file)
		return exitUsage
	}
	cfg, ok := p.load(c, false)
	if !ok {
		return exitUsage
	}
	pipelines := cfg.Pipelines
	if *name != "" {
		pl, err := onePipeline(cfg, *name)
		if err != nil {
			p.failf("%v", err)
			return exitUsage
		}
		pipelines = []config.Pipeline{pl}
	}
	for _, file := range f.Args() {
		events, err := p.readEvents(file)
		if err != nil {
			p.failf("%s: %v", printable(file), err)
			return exitFailed
		}
		for i := range events {
			if err := p.explainEvent(&events[i], pipelines); err != nil {
				p.failf("%v", err)
				return exitUsage
			}
		}
	}
	return exitOK
}

// maxExplained is what is read of one file: a person looks at the answer.
const maxExplained = 64 << 20

func (p *Program) readEvents(file string) ([]sdk.Event, error) {
	in := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxExplained+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxExplained {
		return nil, fmt.Errorf("larger than %d MiB; agent filter counts what happens to files of any size", maxExplained>>20)
	}
	if bytes.HasPrefix(text, []byte("\x1f\x8b")) {
		if text, err = gunzip(text); err != nil {
			return nil, err
		}
	}
	return p.eventsOf(text)
}

func (p *Program) explainEvent(e *sdk.Event, pipelines []config.Pipeline) error {
	fmt.Fprintf(p.Stdout, "%s\n", nameOf(*e))
	if e.Reject != "" {
		fmt.Fprintf(p.Stdout, "  is no event and goes to quarantine in every pipeline: %s\n", printable(e.Reject))
		return nil
	}
	for _, pl := range pipelines {
		fl, faults := filter.Compile(pl.Filter)
		if len(faults) > 0 {
			return fmt.Errorf("filter of pipeline %q: %s: %s", pl.Name, faults[0].Summary, faults[0].Detail)
		}
		verdict := fl.Match(e)
		clauses := fl.Explain(e)
		outcome := "filtered by " + decisive(clauses)
		switch {
		case verdict.Unevaluable != nil:
			outcome = "kept, because where cannot be evaluated on it"
		case len(clauses) == 0:
			outcome = "kept: there is no filter"
		case verdict.Keep:
			outcome = "kept: every condition holds"
		}
		if !pl.Enabled {
			outcome += " (the pipeline is disabled)"
		}
		fmt.Fprintf(p.Stdout, "  %s: %s\n", pl.Name, outcome)
		for _, c := range clauses {
			fmt.Fprintf(p.Stdout, "    %s %s\n", clauseMark(c), clauseText(c))
		}
	}
	return nil
}

// decisive is the first condition that does not hold.
func decisive(clauses []filter.Clause) string {
	for _, c := range clauses {
		if !c.Holds && c.Err == nil {
			return clauseText(c)
		}
	}
	return "no condition"
}

func clauseMark(c filter.Clause) string {
	switch {
	case c.Err != nil:
		return "?"
	case c.Holds:
		return "✓"
	}
	return "✗"
}

func clauseText(c filter.Clause) string {
	var b strings.Builder
	b.WriteString(c.Attribute)
	switch {
	case c.Text != "":
		fmt.Fprintf(&b, ": %s", printable(c.Text))
	case c.Value == "":
		b.WriteString(": the event has none")
	default:
		fmt.Fprintf(&b, ": the event has %q", c.Value)
	}
	if c.Err != nil {
		fmt.Fprintf(&b, " (%s)", printable(c.Err.Error()))
	}
	return b.String()
}
