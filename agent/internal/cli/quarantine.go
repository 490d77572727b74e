package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/quarantine"
)

const quarantineText = `
agent quarantine shows what is kept aside with its reason: records that cannot
be stored, and whole splits that cannot be read. Nothing leaves it by itself.

  agent quarantine list    -dsn DSN [-kind record|split] [-since 7d] [-json]
  agent quarantine show    -dsn DSN ID [-json | -raw]
  agent quarantine retry   -dsn DSN ID... | all   have the splits read again
  agent quarantine discard -dsn DSN ID...         take out for good

list and show need a member of the role inu_reader, retry and discard the owner.
Sinks other than rds_direct have theirs in the state folder: -state-dir DIR.
`

// quarantineFlags are the flags and words of agent quarantine.
type quarantineFlags struct {
	dsn, dir    string
	since       string
	asJSON, raw bool
	filter      quarantine.Filter

	ids []uuid.UUID
	all bool // the word all instead of IDs
}

func (o *quarantineFlags) define(f *flag.FlagSet) {
	f.StringVar(&o.dsn, "dsn", "", "connection `string` of a member of inu_reader or of the owner")
	f.StringVar(&o.dir, "state-dir", "", "in place of -dsn: the state `folder`, as the agent's user")
	f.StringVar(&o.filter.Pipeline, "pipeline", "", "list, retry all: only of the pipeline of this `name`")
	f.StringVar(&o.filter.Source, "source", "", "list, retry all: only of sources of this `type`, such as s3")
	f.StringVar(&o.filter.Kind, "kind", "", "list, retry all: only this `kind`, record or split")
	f.StringVar(&o.since, "since", "", "list, retry all: only what was quarantined from this `time` on")
	f.BoolVar(&o.asJSON, "json", false, "list: a JSON object a line; show: one, with the bytes of the record in base64")
	f.BoolVar(&o.raw, "raw", false, "show: write the bytes of the record as they are, and nothing else")
}

// A quarantineCommand is one word after `agent quarantine`.
type quarantineCommand struct {
	name string
	// How many IDs it takes, and whether all may stand for them.
	least, most int
	all         bool
	json, raw   bool // whether it has these flags
	run         func(p *Program, ctx context.Context, q keptAside, o quarantineFlags) error
}

// keptAside is a quarantine, wherever it is.
type keptAside interface {
	List(ctx context.Context, f quarantine.Filter, each func(quarantine.Entry) error) error
	Find(ctx context.Context, id uuid.UUID) (quarantine.Entry, error)
	Retry(ctx context.Context, ids []uuid.UUID, each func(quarantine.Retried) error) error
	RetryAll(ctx context.Context, f quarantine.Filter, each func(quarantine.Retried) error) error
	Discard(ctx context.Context, ids []uuid.UUID, each func(quarantine.Entry) error) error
	Close(ctx context.Context)
}

func (p *Program) openQuarantine(ctx context.Context, o quarantineFlags) (keptAside, error) {
	if o.dir != "" {
		return quarantine.OpenLocal(o.dir, p.warnings())
	}
	return quarantine.Open(ctx, o.dsn)
}

const anyNumber = 1 << 20

func quarantineCommands() []quarantineCommand {
	return []quarantineCommand{
		{name: "list", json: true, run: (*Program).quarantineList},
		{name: "show", least: 1, most: 1, json: true, raw: true, run: (*Program).quarantineShow},
		{name: "retry", least: 1, most: anyNumber, all: true, run: (*Program).quarantineRetry},
		{name: "discard", least: 1, most: anyNumber, run: (*Program).quarantineDiscard},
	}
}

// quarantine runs the word after `agent quarantine`.
func (p *Program) quarantine(args []string) int {
	var o quarantineFlags
	f := p.flags("quarantine", quarantineText)
	o.define(f)
	words, code, ok := p.parseMixed(f, args)
	if !ok {
		return code
	}
	c, err := o.choose(words, time.Now())
	if err == nil && o.raw && isTerminal(p.Stdout) {
		err = errors.New("-raw would write whatever the record holds to the terminal: send it to a file or program, or leave -raw out")
	}
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	q, err := p.openQuarantine(ctx, o)
	if err == nil {
		defer q.Close(ctx)
		err = c.run(p, ctx, q, o)
	}
	if err != nil {
		p.failf("%s", escaped(err.Error()))
		return exitFailed
	}
	return exitOK
}

// choose finds the command and settles what depends on it.
func (o *quarantineFlags) choose(words []string, now time.Time) (quarantineCommand, error) {
	none := quarantineCommand{}
	if len(words) == 0 {
		return none, errors.New("say list, show, retry or discard; agent quarantine -h tells what they do")
	}
	for _, c := range quarantineCommands() {
		if c.name == words[0] {
			return c, o.check(c, words[1:], now)
		}
	}
	return none, fmt.Errorf("unknown command %q: the commands of agent quarantine are list, show, retry and discard", words[0])
}

func (o *quarantineFlags) check(c quarantineCommand, words []string, now time.Time) (err error) {
	if o.since != "" {
		if o.filter.Since, err = config.ParseTime(o.since, now, false); err != nil {
			return fmt.Errorf("-since: %w", err)
		}
	}
	if c.all && len(words) == 1 && words[0] == "all" {
		o.all, words = true, nil
	}
	for _, word := range words {
		id, err := uuid.Parse(word)
		if err != nil {
			return fmt.Errorf("%q is not the ID of an entry: agent quarantine list shows them", word)
		}
		o.ids = append(o.ids, id)
	}
	filtered := o.filter != quarantine.Filter{}
	switch {
	case len(o.ids) < c.least && !o.all && c.all:
		return fmt.Errorf("agent quarantine %s needs IDs, or the word all", c.name)
	case len(o.ids) < c.least && !o.all:
		return fmt.Errorf("agent quarantine %s needs the ID of an entry", c.name)
	case len(o.ids) > c.most:
		return fmt.Errorf("agent quarantine %s: unexpected argument %q", c.name, words[c.most])
	case filtered && c.least > 0 && !o.all:
		return errors.New("-pipeline, -source, -kind and -since go with list and retry all, not with IDs")
	case o.asJSON && !c.json, o.raw && !c.raw, o.asJSON && o.raw:
		return errors.New("-json goes with list and show, -raw with show, and not both at once")
	case o.filter.Kind != "" && o.filter.Kind != quarantine.KindRecord && o.filter.Kind != quarantine.KindSplit:
		return fmt.Errorf("-kind is %s or %s, not %q", quarantine.KindRecord, quarantine.KindSplit, o.filter.Kind)
	case o.dsn != "" && o.dir != "":
		return errors.New("-dsn and -state-dir are two places: name one of them")
	case o.dsn == "" && o.dir == "":
		return errors.New("say with -dsn where the database is, as a member of the role inu_reader or as the owner of the tables: " +
			"the sink's own user may not read it; or with -state-dir where the state folder is, for sinks that keep no ledger")
	}
	return nil
}

// parseMixed reads flags that may also follow words, and answers the words. ok is false
// when the command is over, with exit code code.
func (p *Program) parseMixed(f *flag.FlagSet, args []string) (words []string, code int, ok bool) {
	for {
		if code, ok := p.parse(f, args); !ok {
			return nil, code, false
		}
		if f.NArg() == 0 {
			return words, 0, true
		}
		words, args = append(words, f.Arg(0)), f.Args()[1:]
	}
}
