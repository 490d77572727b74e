// Bench measures the agent as a whole against what PostgreSQL itself can do, in one
// run on one machine: from objects in an S3-compatible server to committed rows in the
// shipped schema, beside COPY of the very same rows, single-row INSERTs and zcat of
// the objects. Everything it starts is a process of its own on the loopback address.
//
// It prints lines that benchstat reads, then a table of medians and what they are
// measured against. It judges nothing by time alone: compare the ratios of one run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	// The bucket's server and the discarding sink are this program started again.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case serveBucketCommand:
			os.Exit(serveBucket(os.Args[2:]))
		case discardCommand:
			serveDiscard()
		}
	}
	o := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	agent   string
	other   string
	only    []string
	events  int
	rounds  int
	inserts int
	objects int
	fsync   bool
	buffers string
	batch   string
	writers int
	extra   string
}

// The parts of the benchmark, in the order in which they run.
var parts = []string{"agent", "copy", "insert", "zcat", "discard", "indexes", "pipelines", "latency", "queue", "growth", "again"}

// byName are the parts that run only if -only names them.
var byName = []string{"pipelines", "latency", "queue", "growth"}

func parseFlags() options {
	var o options
	var only string
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent's program")
	flag.StringVar(&o.other, "other", "", "another version's program, measured in turn with the agent")
	flag.StringVar(&only, "only", "", "run some parts alone: "+strings.Join(parts, ", ")+", comma-separated; "+strings.Join(byName, ", ")+" run only if named")
	flag.IntVar(&o.events, "events", 500_000, "generated events in the bucket, 1.5 KB each, 200 an object")
	flag.IntVar(&o.rounds, "rounds", 5, "times everything is measured; the table has the medians")
	flag.IntVar(&o.inserts, "inserts", 2_000, "events of the sample for single-row INSERTs")
	flag.IntVar(&o.objects, "objects", 100_000, "objects of the bucket that is read a second time")
	flag.BoolVar(&o.fsync, "fsync", true, "have PostgreSQL flush its log at each commit")
	flag.StringVar(&o.buffers, "shared-buffers", "1GB", "PostgreSQL's shared_buffers")
	flag.StringVar(&o.batch, "batch", "", "content of the pipeline's batch block, such as 'max_events = 1000'")
	flag.IntVar(&o.writers, "writers", 0, "writers of the sink; 0 leaves the choice to it")
	flag.StringVar(&o.extra, "sink", "", "further lines of the sink block")
	flag.Parse()
	o.only = strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	return o
}

// readsEvents says that the bucket of events is needed. Some parts have one of their own.
func (o options) readsEvents() bool {
	own := []string{"queue", "growth", "again"}
	return slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(own, part) && o.runs(part) })
}

// needsRows says that rows have to be prepared.
func (o options) needsRows() bool {
	return slices.ContainsFunc([]string{"agent", "copy", "insert", "indexes"}, o.runs)
}

func (o options) runs(part string) bool {
	return len(o.only) == 0 && !slices.Contains(byName, part) || slices.Contains(o.only, part)
}

// check reports the first flag that cannot be right.
func (o options) check() error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; bench -h shows the flags", flag.Arg(0))
	}
	for name, n := range map[string]int{"events": o.events, "rounds": o.rounds, "inserts": o.inserts, "objects": o.objects} {
		if n < 1 {
			return fmt.Errorf("-%s is at least 1, not %d", name, n)
		}
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	for _, part := range o.only {
		if !slices.Contains(parts, part) {
			return fmt.Errorf("-only: there is no part %q; the parts are %s", part, strings.Join(parts, ", "))
		}
	}
	for name, program := range map[string]*string{"agent": &o.agent, "other": &o.other} {
		if *program == "" {
			continue
		}
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("-%s: %w; make build makes bin/agent", name, err)
		}
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.report.head(b)
	if o.readsEvents() {
		if err := b.measureEvents(ctx); err != nil {
			return err
		}
	}
	if o.runs("queue") {
		if err := b.queues(ctx); err != nil {
			return err
		}
	}
	if o.runs("growth") {
		if err := b.growth(ctx); err != nil {
			return err
		}
	}
	if o.runs("again") {
		if err := b.measureAgain(ctx); err != nil {
			return err
		}
	}
	b.report.table()
	return nil
}
