package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/audit"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
)

const auditText = `
agent audit lists everything that the sources of a configuration have, and holds
it against the ledger and the rows of its rds_direct sinks. It changes nothing.

  agent audit -config agent.hcl -dsn DSN
  agent audit -config agent.hcl -dsn DSN -until 1h   beside a running service

It connects as a member of the role inu_reader, or as the owner of the tables.
PGPASSWORD or ~/.pgpass may hold the password. Exit code 1 if anything does not
add up; docs/operations.md says what it proves and what not.
`

// auditFlags are the flags of agent audit.
type auditFlags struct {
	configFlags
	dsn, pipeline, since, until string
	limit                       int
	asJSON                      bool
}

func (o *auditFlags) define(f *flag.FlagSet) {
	o.configFlags.define(f)
	f.StringVar(&o.dsn, "dsn", "", "connection `string` of a member of inu_reader or of the owner")
	f.StringVar(&o.pipeline, "pipeline", "", "only the pipeline of this `name`")
	f.StringVar(&o.since, "since", "", "list only splits from this `time` on")
	f.StringVar(&o.until, "until", "", "list only splits before this `time`; a day alone means its end")
	f.IntVar(&o.limit, "limit", 1000, "print at most this `number` of findings; all are counted")
	f.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
}

func (p *Program) audit(args []string) int {
	var o auditFlags
	f := p.flags("audit", auditText)
	o.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	opts, err := o.options(f.Args(), time.Now())
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	cfg, ok := p.load(o.configFlags, true)
	if !ok {
		return exitUsage
	}
	audited, err := p.audited(cfg, o.pipeline)
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cat := p.catalog(p.warnings())
	cat.Configure(cfg.Agent, cfg.Plugins)
	defer closeCatalog(ctx, cat)
	if opts.Sources, err = auditSources(cat, audited); err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	report, err := audit.Run(ctx, opts)
	if err != nil {
		p.failf("%s", escaped(err.Error()))
		return exitFailed
	}
	return p.printAudit(report, o.asJSON)
}

// options turns the flags into what is audited, but for the sources.
func (o auditFlags) options(rest []string, now time.Time) (audit.Options, error) {
	opts := audit.Options{DSN: o.dsn, Limit: o.limit}
	switch {
	case len(rest) > 0:
		return opts, fmt.Errorf("unexpected argument %q; agent audit -h shows the flags", rest[0])
	case o.limit < 0:
		return opts, errors.New("-limit is 0 or more")
	case o.dsn == "":
		return opts, errors.New("say with -dsn where the database is, as a member of the role inu_reader or as the owner of the tables: " +
			"the sink's own user may not read it")
	}
	var err error
	opts.Range, err = timeRange(o.since, o.until, now)
	return opts, err
}

// auditedPipeline is a pipeline with the groups of its rds_direct sinks.
type auditedPipeline struct {
	config.Pipeline
	groups []uuid.UUID
}

// audited chooses the pipelines, and says which sinks cannot be audited.
func (p *Program) audited(cfg *config.Config, name string) ([]auditedPipeline, error) {
	var chosen []auditedPipeline
	var names []string
	addresses := make(map[string]bool)
	for _, pl := range cfg.Pipelines {
		names = append(names, pl.Name)
		if pl.Name != name && (name != "" || !pl.Enabled) {
			continue
		}
		a := auditedPipeline{Pipeline: pl}
		for _, s := range pl.Sinks {
			if !s.Enabled {
				continue
			}
			if s.Type != "rds_direct" {
				fmt.Fprintf(p.Stderr, "pipeline %s: sink %s is not audited: only rds_direct keeps rows that can be\n", pl.Name, s.Name)
				continue
			}
			address, group, err := rdsAddress(s)
			if err != nil {
				return nil, fmt.Errorf("sink %s in pipeline %s: %w", s.Name, pl.Name, err)
			}
			addresses[address] = true
			if !slices.Contains(a.groups, group) {
				a.groups = append(a.groups, group)
			}
		}
		if len(a.groups) > 0 {
			chosen = append(chosen, a)
		}
	}
	switch {
	case name != "" && !slices.Contains(names, name):
		return nil, fmt.Errorf("there is no pipeline %q in %s, only %s", name, cfg.File, strings.Join(names, ", "))
	case len(chosen) == 0:
		return nil, fmt.Errorf("there is no enabled rds_direct sink to audit in %s", cfg.File)
	case len(addresses) > 1:
		return nil, fmt.Errorf("the sinks write to %d databases, and -dsn names one: choose a pipeline with -pipeline, or disable the other sinks", len(addresses))
	}
	return chosen, nil
}

// rdsAddress tells where an rds_direct sink writes, and for whom.
func rdsAddress(s config.Sink) (address string, group uuid.UUID, err error) {
	var d database
	if err := json.Unmarshal(s.Settings, &d.rdsSettings); err != nil {
		return "", uuid.UUID{}, fmt.Errorf("settings: %w", err)
	}
	if group, err = uuid.Parse(d.GroupID); err != nil {
		return "", uuid.UUID{}, fmt.Errorf("group_id: %w", err)
	}
	return strings.ToLower(d.address()), group, nil
}

// auditSources starts the plugins of the enabled sources.
func auditSources(cat *catalog.Catalog, pipelines []auditedPipeline) ([]audit.Source, error) {
	var sources []audit.Source
	for _, pl := range pipelines {
		fl, faults := filter.Compile(pl.Filter)
		if len(faults) > 0 {
			return nil, fmt.Errorf("filter of pipeline %q: %s: %s", pl.Name, faults[0].Summary, faults[0].Detail)
		}
		for i, s := range pl.Sources {
			if !s.Enabled {
				continue
			}
			plugin, err := cat.Source(fmt.Sprintf("%s.source.%d", pl.Name, i+1), s.Type, s.Settings)
			if err != nil {
				return nil, fmt.Errorf("pipeline %q: %w", pl.Name, err)
			}
			sources = append(sources, audit.Source{
				Pipeline: pl.Name, Type: s.Type, Plugin: plugin, Since: s.Since, Filter: fl.Fingerprint(), Groups: pl.groups,
			})
		}
	}
	return sources, nil
}

// closeCatalog stops the plugins, also when ctx has ended.
func closeCatalog(ctx context.Context, cat *catalog.Catalog) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	cat.Close(ctx)
}
