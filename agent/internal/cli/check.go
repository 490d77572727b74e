package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const checkText = `
agent check tries everything that a configuration needs and prints a line for
each thing: ✓ works, ! works but should be better, ✗ does not work, with what to
do. It changes nothing.

  agent check -config agent.hcl
  agent check -config agent.hcl -print-iam      the least AWS policy for it
  agent check -config agent.hcl -print-grants   the least SQL grants for it

The two -print flags need no network. Exit code 1 if anything does not work.
`

// checkTimeout bounds the checks of one block.
const checkTimeout = 45 * time.Second

func (p *Program) checkAccess(args []string) int {
	var c configFlags
	f := p.flags("check", checkText)
	c.define(f)
	asJSON := f.Bool("json", false, "print the findings as JSON, one object a line")
	iam := f.Bool("print-iam", false, "print the least AWS policy, and check nothing")
	grants := f.Bool("print-grants", false, "print the least SQL grants, and check nothing")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent check -h shows the flags", f.Arg(0))
		return exitUsage
	}
	printsRights := *iam || *grants
	cfg, ok := p.load(c, !printsRights)
	if !ok {
		return exitUsage
	}
	if printsRights {
		return p.printRights(cfg, *iam, *grants)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	sections := append([]section{p.checkProgram(cfg)}, p.checkBlocks(ctx, cfg)...)
	return p.printSections(sections, *asJSON)
}

// A section is what was found about one block, or about the installation.
type section struct {
	title    string
	findings []sdk.Finding
}

// checkProgram looks at what does not take a running plugin.
func (p *Program) checkProgram(cfg *config.Config) section {
	s := section{title: cfg.File}
	running := 0
	for _, pl := range cfg.Pipelines {
		if pl.Enabled {
			running++
		}
	}
	s.findings = append(s.findings, sdk.Finding{
		Subject: "configuration", Detail: fmt.Sprintf("valid; pipelines: %d, of which run: %d", len(cfg.Pipelines), running),
	})
	cat := p.catalog(slog.New(slog.DiscardHandler))
	cat.Configure(cfg.Agent, cfg.Plugins)
	for _, installed := range cat.Programs() {
		f := sdk.Finding{Subject: "plugin " + installed.Type}
		switch {
		case installed.Fault != nil:
			f.State, f.Detail = sdk.CheckFailed, installed.Fault.Error()
		case installed.Block == nil || installed.Block.SHA256 == "":
			f.State, f.Detail, f.Fix = sdk.CheckWarning, installed.Path+" is started without a checksum", "agent plugin lock"
		default:
			f.Detail = installed.Path + " has the checksum that the configuration says"
		}
		s.findings = append(s.findings, f)
	}
	return s
}

// checkBlocks asks the plugins of all enabled blocks, side by side.
func (p *Program) checkBlocks(ctx context.Context, cfg *config.Config) []section {
	// What a plugin logs while it is checked, its findings say better.
	cat := p.catalog(slog.New(slog.DiscardHandler))
	cat.Configure(cfg.Agent, cfg.Plugins)
	defer func() {
		closing, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		cat.Close(closing)
	}()
	var sections []section
	var checks []func()
	add := func(pl config.Pipeline, kind, typ string, pos config.Pos, settings json.RawMessage) {
		i := len(sections)
		title := fmt.Sprintf("pipeline %s, %s %s (%s:%d)", pl.Name, kind, typ, pos.File, pos.Line)
		sections = append(sections, section{title: title})
		checks = append(checks, func() {
			sections[i].findings = checkBlock(ctx, cat, fmt.Sprintf("check.%d", i+1), kind, typ, settings)
		})
	}
	for _, pl := range cfg.Pipelines {
		if !pl.Enabled {
			continue
		}
		for _, s := range pl.Sources {
			if s.Enabled {
				add(pl, "source", s.Type, s.Pos, s.Settings)
			}
		}
		for _, s := range pl.Sinks {
			if s.Enabled {
				add(pl, "sink", s.Type, s.Pos, s.Settings)
			}
		}
	}
	var wg sync.WaitGroup
	for _, check := range checks {
		wg.Go(check)
	}
	wg.Wait()
	return sections
}

// A checked plugin is a source or a sink.
type checkedPlugin interface {
	Check(ctx context.Context) (findings []sdk.Finding, ok bool, err error)
}

func checkBlock(ctx context.Context, cat *catalog.Catalog, name, kind, typ string, settings json.RawMessage) []sdk.Finding {
	failed := func(err error) []sdk.Finding {
		return []sdk.Finding{{Subject: "plugin", State: sdk.CheckFailed, Detail: err.Error()}}
	}
	var plugin checkedPlugin
	var err error
	if kind == "source" {
		plugin, err = cat.Source(name, typ, settings)
	} else {
		plugin, err = cat.Sink(name, typ, settings)
	}
	if err != nil {
		return failed(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer within %s", checkTimeout))
	defer cancel()
	findings, ok, err := plugin.Check(ctx)
	switch {
	case err != nil:
		return failed(err)
	case !ok:
		return []sdk.Finding{{Subject: "plugin", Detail: "opens; it has no checks of its own"}}
	}
	return findings
}

func (p *Program) printSections(sections []section, asJSON bool) int {
	var counts [3]int
	for _, s := range sections {
		for _, f := range s.findings {
			counts[f.State]++
		}
	}
	if asJSON {
		for _, s := range sections {
			p.printFindingsJSON(s)
		}
	} else {
		for _, s := range sections {
			p.printFindings(s)
		}
		fmt.Fprintf(p.Stdout, "\n%d work, %d should be better, %d do not work\n", counts[sdk.CheckOK], counts[sdk.CheckWarning], counts[sdk.CheckFailed])
	}
	if counts[sdk.CheckFailed] > 0 {
		return exitFailed
	}
	return exitOK
}

func mark(s sdk.CheckState) string { return [...]string{"✓", "!", "✗"}[s] }

func (p *Program) printFindings(s section) {
	width := 0
	for _, f := range s.findings {
		width = max(width, min(len(f.Subject), 24))
	}
	fmt.Fprintln(p.Stdout, s.title)
	for _, f := range s.findings {
		line := fmt.Sprintf("  %s %-*s  %s", mark(f.State), width, printable(f.Subject), printable(f.Detail))
		if f.Fix != "" {
			line += ": " + printable(f.Fix)
		}
		fmt.Fprintln(p.Stdout, strings.TrimRight(line, " "))
	}
}

func (p *Program) printFindingsJSON(s section) {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	for _, f := range s.findings {
		_ = encoder.Encode(struct {
			Block   string `json:"block"`
			Subject string `json:"subject"`
			State   string `json:"state"`
			Detail  string `json:"detail"`
			Fix     string `json:"fix,omitempty"`
		}{s.title, f.Subject, [...]string{"ok", "warning", "failed"}[f.State], f.Detail, f.Fix})
	}
}
