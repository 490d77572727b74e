package cli

import (
	"encoding/json"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

const validateText = `
agent validate reads a configuration and prints everything that is wrong with
it. It neither touches the network nor writes. A variable or credential that is
not set is a warning, unless -strict; when the agent runs it is an error.
`

func (p *Program) validate(args []string) int {
	c := configFlags{tests: true}
	f := p.flags("validate", validateText)
	c.define(f)
	strict := f.Bool("strict", false, "variables and credentials that are not set are errors")
	asJSON := f.Bool("json", false, "print the diagnostics as JSON")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q: name the file with -config", f.Arg(0))
		return exitUsage
	}
	cfg, diags, err := p.read(c, *strict)
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	if *asJSON {
		return p.printJSON(diags)
	}
	diags.Print(p.Stderr, isTerminal(p.Stderr))
	if diags.HasErrors() {
		return exitUsage
	}
	sources, sinks := 0, 0
	for _, pl := range cfg.Pipelines {
		sources += len(pl.Sources)
		sinks += len(pl.Sinks)
	}
	fmt.Fprintf(p.Stdout, "%s is valid: %s, %s, %s.\n", c.file,
		count(len(cfg.Pipelines), "pipeline"), count(sources, "source"), count(sinks, "sink"))
	return exitOK
}

func (p *Program) printJSON(diags config.Diagnostics) int {
	if diags == nil {
		diags = config.Diagnostics{}
	}
	out, err := json.MarshalIndent(map[string]any{"valid": !diags.HasErrors(), "diagnostics": diags}, "", "  ")
	if err != nil {
		p.failf("print diagnostics: %v", err)
		return exitFailed
	}
	fmt.Fprintf(p.Stdout, "%s\n", out)
	if diags.HasErrors() {
		return exitUsage
	}
	return exitOK
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
