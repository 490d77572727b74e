package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// What every trial holds the agent to.
const (
	livenessLimit = 30 * time.Second
	recoveryLimit = 5 * time.Second
	memoryLimit   = 256 << 20
	stopLimit     = 30 * time.Second
)

// A scenario does something bad to an agent that works.
type scenario struct {
	id, title string
	// short says that it belongs to make chaos.
	short bool
	// weight is its share of the kills; 0 for one that kills nothing.
	weight int
	// config is agent.hcl; "" is defaultConfig.
	config string
	// options may change the stage; nil changes nothing.
	options func(*trial, *stage.Options)
	// run injects the faults. It returns when the last one is over. The trial then goes
	// on to see whether the agent lives, and to compare.
	run func(*trial) error
}

// A trial is one run of a scenario.
type trial struct {
	*stage.Stage
	scenario scenario
	ctx      context.Context //nolint:containedctx // lives as long as the trial
	rnd      *rand.Rand
	opt      settings
	kills    int // how many kills the scenario should make; it may make fewer or more
	owner    *pgx.Conn
	agent    *stage.Agent
	feeder   *feeder
	report   *report
	// checked are the groups whose rows are compared.
	checked []string
	// finished says that run has called finish itself.
	finished bool
	// drained says that sinks without a ledger in the database have all too; nil asks nothing.
	drained func() bool
	// after is one more look after the agent has ended.
	after func() error
	// cleanups run when the server has ended.
	cleanups []func()
	disk     *smallDisk // of the tables, where they have one
	pgDir    string     // of the server's files
	began    time.Time
}

// hit counts that the fault hit.
func (t *trial) hit() { t.report.Hits++ }

// wrong notes something that must not be, beyond what the oracle sees.
func (t *trial) wrong(format string, args ...any) {
	t.report.Faults = append(t.report.Faults, fmt.Sprintf(format, args...))
}

// note adds a fact for the reader of the report.
func (t *trial) note(format string, args ...any) {
	t.report.Notes = append(t.report.Notes, fmt.Sprintf(format, args...))
}

func (t *trial) until(what string, limit time.Duration, holds func() bool) error {
	return stage.Until(t.ctx, what, limit, holds)
}

// between waits for a random time.
func (t *trial) between(least, most time.Duration) {
	t.pause(least + time.Duration(t.rnd.Int64N(int64(most-least))))
}

func (t *trial) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.ctx.Done():
	}
}

func (t *trial) start(args ...string) (err error) {
	t.agent, err = t.Start(args...)
	return err
}

// done is how many entries the checked groups' ledgers have together; -1 while the
// database does not answer.
func (t *trial) done() int {
	sum := 0
	for _, group := range t.checked {
		ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
		n, err := t.Done(ctx, t.owner, group)
		cancel()
		if err != nil {
			t.reconnect()
			return -1
		}
		sum += n
	}
	return sum
}

func (t *trial) reconnect() {
	ctx, cancel := context.WithTimeout(t.ctx, 2*time.Second)
	defer cancel()
	if conn, err := t.Owner(ctx); err == nil {
		_ = t.owner.Close(ctx)
		t.owner = conn
	}
}

// progress waits until the ledger has grown, which says that the agent works.
func (t *trial) progress(limit time.Duration) error {
	before := t.done()
	return t.until("progress", limit, func() bool {
		n := t.done()
		if before < 0 {
			before = n
		}
		return n > before && before >= 0
	})
}

// open is how many objects were asked for and are not in the ledger: what a crash now
// cuts off.
func (t *trial) open() int {
	objects, _ := t.Fetched()
	return objects*len(t.checked) - t.done()
}

// crash kills the agent, starts it again and waits until it stores. The kill counts if
// it cut off work.
func (t *trial) crash() error {
	pids := t.agent.Children()
	began := time.Now()
	if !t.agent.Kill9() {
		return fmt.Errorf("the agent ended by itself; see %s", t.agent.LogFile)
	}
	t.killed()
	if err := stage.Gone(t.ctx, pids); err != nil {
		t.wrong("%v", err)
	}
	if t.open() > 0 {
		t.hit()
	}
	if err := t.start(); err != nil {
		return err
	}
	return t.recovered(began)
}

func (t *trial) killed() { t.report.Kills++ }

// recovered waits until something is stored again, and notes how long that took.
func (t *trial) recovered(began time.Time) error {
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	t.report.Recoveries = append(t.report.Recoveries, time.Since(began).Seconds())
	return nil
}

// upload sends an object of n records, and tells the queue.
func (t *trial) upload(at time.Time, n int) (oracle.Object, error) {
	o := t.Generator.Object(at, n, usual)
	return o, t.Upload(o, 1)
}

// usual is how the records of an object are mixed.
var usual = oracle.Shares{Filtered: 0.1, Copies: 0.05}

// A feeder keeps work waiting for the agent.
type feeder struct {
	backlog, records int
	stop             context.CancelFunc
	over             sync.WaitGroup
	err              error
}

// feed uploads objects of so many records for as long as fewer than backlog wait.
func (t *trial) feed(backlog, records int) error {
	ctx, stop := context.WithCancel(t.ctx)
	f := &feeder{backlog: backlog, records: records, stop: stop}
	conn, err := t.Owner(ctx)
	if err != nil {
		stop()
		return err
	}
	t.feeder = f
	f.over.Go(func() {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for ctx.Err() == nil {
			n, err := t.Done(ctx, conn, t.Group)
			if err != nil { // the database may be down: that is what trials are for
				_ = conn.Close(ctx)
				if again, err := t.Owner(ctx); err == nil {
					conn = again
				}
				n = t.Manifest.Objects() - backlog // nothing more before somebody knows what is waiting
			}
			for range backlog - (t.Manifest.Objects() - n) {
				o := t.Generator.Object(time.Now(), records/2+t.rnd2(records), usual)
				if err := t.Upload(o, 1); err != nil {
					f.err = err
					return
				}
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	return nil
}

// rnd2 is a random number for the feeder, whose order is nobody's.
func (t *trial) rnd2(n int) int { return rand.IntN(max(n, 1)) }

func (t *trial) stopFeeding() error {
	if t.feeder == nil {
		return nil
	}
	t.feeder.stop()
	t.feeder.over.Wait()
	return t.feeder.err
}

// finish sees whether the agent lives, waits for what it has to do, stops it and
// compares.
func (t *trial) finish() error {
	t.ToDatabase.Clear()
	t.Other.Clear()
	t.ToS3.Clear()
	t.ToSQS.Clear()
	t.HookS3(nil)
	t.HookSQS(nil)
	if err := t.stopFeeding(); err != nil {
		return err
	}
	if t.agent == nil || t.agent.Over() {
		return fmt.Errorf("the agent is not running; see %s", filepath.Join(t.Dir, "agent.log"))
	}
	if err := t.live(); err != nil {
		t.wrong("%v", err)
	}
	drain := time.Now()
	err := t.until("everything issued is in the ledger", t.opt.drain, func() bool {
		return t.done() >= t.Manifest.Objects()*len(t.checked)
	})
	if err == nil && t.drained != nil {
		// What a stop leaves to the next run is not lost, so all sinks get the time.
		err = t.until("every sink has everything", t.opt.drain, t.drained)
	}
	if err != nil {
		t.wrong("%v", err)
	}
	t.report.Drain = time.Since(drain).Seconds()
	if err := t.agent.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if code, err := t.agent.Wait(stopLimit); err != nil || code != 0 {
		t.wrong("the agent ended with code %d, %v", code, err)
	}
	return t.compare()
}

// live sends an event and waits for its row.
func (t *trial) live() error {
	began := time.Now()
	text, issued := t.Generator.Record(time.Now(), oracle.Kept)
	o := t.Generator.Raw(time.Now(), oracle.Gzip([]byte(`{"Records":[`+text+`]}`)), issued)
	if err := t.Upload(o, 1); err != nil {
		return err
	}
	err := t.until("the marker is stored, after the last fault", livenessLimit, func() bool {
		var n int
		err := t.owner.QueryRow(t.ctx, `select count(*)::int from cloudtrail where cloudtrail_event_id = $1`, issued.ID).Scan(&n)
		if err != nil {
			t.reconnect()
		}
		return n >= len(t.checked)
	})
	t.report.Liveness = time.Since(began).Seconds()
	return err
}

func (t *trial) compare() error {
	t.reconnect()
	for _, group := range t.checked {
		v, err := t.Manifest.Check(t.ctx, t.owner, group)
		if err != nil {
			return err
		}
		t.report.add(v)
	}
	objects, requests := t.Fetched()
	t.report.Redelivered = requests - objects
	peaks, total, fds := t.Memory()
	t.report.memory(peaks, total, fds)
	if total > memoryLimit {
		t.wrong("all processes together took %d MiB, want at most %d", total>>20, memoryLimit>>20)
	}
	var variants int
	if err := t.owner.QueryRow(t.ctx, `select count(*)::int from variants`).Scan(&variants); err != nil {
		return err
	}
	if variants > 0 {
		t.wrong("%d records are taken for variants", variants)
	}
	if t.after != nil {
		return t.after()
	}
	return nil
}

// defaultConfig is a pipeline that is told of new objects and lists as well, in batches
// so small that a fault finds it in all its states.
const defaultConfig = `agent {
  state_dir = env("STATE_DIR")
}
pipeline "audit" {
  source "s3" {
` + s3Settings + `
    notifications {
      queue_url  = env("QUEUE_URL")
      wait       = "1s"
      visibility = "30s"
    }
  }
` + filterBlock + rdsBlock + batchBlock + `
}
`

// Parts of configurations.
const (
	s3Settings = `    bucket           = "trail"
    region           = "us-east-1"
    endpoint         = env("S3_ENDPOINT")
    force_path_style = true
    interval         = "1s"
`
	filterBlock = `  filter {
    exclude_event_names = ["` + oracle.FilteredName + `"]
  }
`
	rdsBlock = `  sink "rds_direct" {
    host     = env("RDS_HOST")
    port     = env("RDS_PORT")
    database = env("RDS_DATABASE")
    user     = env("RDS_USER")
    password = env("RDS_PASSWORD")
    sslmode  = "disable"
    group_id = env("GROUP_ID")
  }
`
	batchBlock = `  batch {
    max_events = 50
    linger     = "100ms"
  }
`
	// listedConfig has no queue.
	listedConfig = `agent {
  state_dir = env("STATE_DIR")
}
pipeline "audit" {
  source "s3" {
` + s3Settings + `  }
` + filterBlock + rdsBlock + batchBlock + `}
`
)

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// isGet reports whether a request reads an object.
func isGet(op s3test.Operation) bool { return op == s3test.GetObject }

// errVoid ends a trial whose fault cannot be brought about here.
func errVoid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", stage.ErrVoid, fmt.Sprintf(format, args...))
}

func isVoid(err error) bool { return errors.Is(err, stage.ErrVoid) }

// percentile is the p-th of values, by nearest rank; 0 of none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(p/100*float64(len(sorted)) + 0.999999)
	return sorted[min(max(at, 1), len(sorted))-1]
}
