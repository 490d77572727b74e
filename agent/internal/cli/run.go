package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/logging"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// drainTimeout bounds the writing of what was fetched before a stop. It stays below
// systemd's 90 seconds and a queue's usual visibility.
const drainTimeout = 25 * time.Second

const runText = `
agent carries events from the sources to the sinks of each pipeline of a
configuration.

  agent -config agent.hcl              until SIGTERM; writes what was fetched
  agent -config agent.hcl -mode once   everything visible, then exit
  agent -config agent.hcl -mode once -since 24h -events ConsoleLogin -dry-run

Other commands: agent help lists them. Times are 2026-11-01, "2026-11-01 13:00",
RFC 3339, or 24h and 7d ago; in UTC unless they say otherwise.
`

// runFlags are the flags of the service.
type runFlags struct {
	configFlags
	mode, events, since, until, pipeline, source string
	dryRun                                       bool
}

func (p *Program) run(args []string) int {
	var o runFlags
	f := p.flags("", runText)
	o.define(f)
	f.StringVar(&o.mode, "mode", "service", "`service` or once")
	f.StringVar(&o.events, "events", "", "event `names` that replace each pipeline's event_names")
	f.StringVar(&o.since, "since", "", "only splits from this `time` on")
	f.StringVar(&o.until, "until", "", "only splits before this `time`; a day alone means its end")
	f.StringVar(&o.pipeline, "pipeline", "", "only the pipeline of this `name`")
	f.StringVar(&o.source, "source", "", "only sources of this `type`, such as s3")
	f.BoolVar(&o.dryRun, "dry-run", false, "with -mode once: print the events that would be stored, a line each, and store nothing")
	if code, ok := p.parse(f, gatherEvents(args)); !ok {
		return code
	}
	opts, err := o.options(f.Args(), time.Now())
	f.Visit(func(given *flag.Flag) {
		if err == nil && given.Name == "events" && len(opts.Events) == 0 {
			err = errors.New("-events names no event; leave it out to keep each pipeline's own")
		}
	})
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	stayInBackground()
	before := os.Environ()
	cfg, ok := p.load(o.configFlags, true)
	if !ok {
		return exitUsage
	}
	var level slog.LevelVar
	opts.Log = newLog(p.Stderr, cfg.Agent, &level)
	defer logging.Flush(opts.Log)
	if o.dryRun {
		opts.DryRun = p.Stdout
	}
	limitMemory(cfg.Agent)
	var s *service
	if !opts.Once {
		s = &service{p: p, flags: o.configFlags, log: opts.Log, level: &level, before: before}
	}
	return p.carry(cfg, opts, s)
}

// limitMemory has the collector keep to the queued events, as much again for garbage, and
// the program itself. It collects when that limit nears, as in plugins, and not each time the
// heap has doubled.
func limitMemory(agent config.Agent) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*agent.MemoryLimit + 24<<20)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(catalog.CollectAt)
	}
}

// options turns the flags into what runs.
func (o runFlags) options(rest []string, now time.Time) (daemon.Options, error) {
	opts := daemon.Options{Once: o.mode == "once", Pipeline: o.pipeline, Source: o.source}
	switch {
	case len(rest) > 0:
		return opts, fmt.Errorf("unexpected argument %q; agent -h shows the flags", rest[0])
	case o.mode != "once" && o.mode != "service":
		return opts, fmt.Errorf("-mode is service or once, not %q", o.mode)
	case o.dryRun && !opts.Once:
		return opts, errors.New("-dry-run goes with -mode once")
	}
	opts.Events = strings.FieldsFunc(o.events, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(opts.Events) > 0 {
		if _, faults := filter.Compile(filter.Config{EventNames: opts.Events}); len(faults) > 0 {
			return opts, fmt.Errorf("-events %s: %s. %s", opts.Events[max(0, faults[0].Index)], faults[0].Summary, faults[0].Detail)
		}
	}
	var err error
	if opts.Range, err = timeRange(o.since, o.until, now); err != nil {
		return opts, err
	}
	return opts, nil
}

func timeRange(since, until string, now time.Time) (r sdk.TimeRange, err error) {
	if since != "" {
		if r.Since, err = config.ParseTime(since, now, false); err != nil {
			return r, fmt.Errorf("-since: %w", err)
		}
	}
	if until != "" {
		if r.Until, err = config.ParseTime(until, now, true); err != nil {
			return r, fmt.Errorf("-until: %w", err)
		}
	}
	if !r.Since.IsZero() && !r.Until.IsZero() && !r.Since.Before(r.Until) {
		return r, fmt.Errorf("-since %s is not before -until %s", since, until)
	}
	return r, nil
}

// carry runs the pipelines, as the service s if that is not nil. The first SIGTERM or SIGINT
// drains, a second one stops at once.
func (p *Program) carry(cfg *config.Config, opts daemon.Options, s *service) int {
	// Before any process is started: it would be left behind.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	s.catch()
	d, err := daemon.New(cfg, p.catalog(opts.Log), opts)
	if err != nil {
		p.failf("%v", err)
		if errors.As(err, new(daemon.NothingToRun)) {
			return exitUsage
		}
		return exitFailed
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if !opts.Once {
		defer s.serve(d, cfg)()
		names, _ := d.Stats()
		opts.Log.Info("carrying events until SIGTERM", "config", cfg.File, "pipelines", strings.Join(names, ", "))
	}
	go stopOn(signals, d, cancel, opts.Log, s) // signals since then have been kept
	report := newReport(d, p.Stdout, p.Stderr, opts)
	report.start()
	err = d.Run(ctx)
	report.end(err != nil)
	if err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	return exitOK
}

var (
	errSecondSignal = errors.New("stopped by a second signal; what was not stored is read again by the next run")
	errDrainTimeout = fmt.Errorf("draining took longer than %s; what was not stored is read again by the next run", drainTimeout)
)

func stopOn(signals <-chan os.Signal, d *daemon.Daemon, cancel context.CancelCauseFunc, log *slog.Logger, svc *service) {
	s := <-signals
	log.Info("stopping: writing what has been fetched; a second signal stops at once", "signal", s.String())
	svc.stopping()
	d.Drain()
	select {
	case <-signals:
		cancel(errSecondSignal)
	case <-time.After(drainTimeout):
		cancel(errDrainTimeout)
	}
}
