package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// A bench holds what is started, for a while.
type bench struct {
	options
	dir     string
	pg      *server
	objects *bucket // of the rows
	rows    *prepared
	report  *report
}

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	b := &bench{options: o, report: newReport()}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "inu-logsmith-bench-"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(b.dir, "objects"), 0o700); err != nil {
		return nil, err
	}
	if b.pg, err = startServer(ctx, o); err != nil {
		return nil, err
	}
	if o.readsEvents() {
		if b.objects, err = startBucket(ctx, o.events, 200, filepath.Join(b.dir, "objects"), 0); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) close() error {
	errs := []error{b.objects.close()}
	if b.pg != nil {
		errs = append(errs, b.pg.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// measureEvents runs the rounds over the bucket of events: what is compared is measured
// in turn, so that a machine that changes its speed changes all of it.
func (b *bench) measureEvents(ctx context.Context) error {
	for round := range b.rounds {
		if b.runs("agent") || round == 0 && b.needsRows() {
			err := b.inFresh(ctx, func(db *pgtest.Database) error {
				if err := b.endToEnd(ctx, db, "agent", b.agent); err != nil || round > 0 {
					return err
				}
				return b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) (err error) {
					b.rows, err = prepare(ctx, conn, b.dir, b.inserts)
					return err
				})
			})
			if err != nil {
				return err
			}
		}
		if b.other != "" {
			err := b.inFresh(ctx, func(db *pgtest.Database) error { return b.endToEnd(ctx, db, "other", b.other) })
			if err != nil {
				return err
			}
		}
		if err := b.baselines(ctx); err != nil {
			return err
		}
		if b.runs("discard") {
			if err := b.discard(ctx); err != nil {
				return err
			}
		}
		for _, part := range []struct {
			name    string
			measure func(context.Context) error
		}{{"indexes", b.measureIndexes}, {"pipelines", b.pipelines}, {"latency", b.latency}} {
			if !b.runs(part.name) {
				continue
			}
			if err := part.measure(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// inFresh runs f with a database that is there for it alone.
func (b *bench) inFresh(ctx context.Context, f func(*pgtest.Database) error) error {
	db, err := b.pg.fresh(ctx)
	if err != nil {
		return err
	}
	if err := f(db); err != nil {
		return err
	}
	return b.pg.drop(ctx, db)
}

// sameRows makes sure that what was measured did its work.
func (b *bench) sameRows(ctx context.Context, db *pgtest.Database, want int) error {
	return b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		var events, records int
		if err := conn.QueryRow(ctx, `select (select count(*) from events), (select count(*) from cloudtrail)`).Scan(&events, &records); err != nil {
			return err
		}
		if events != want || records != want {
			return fmt.Errorf("%d rows in events and %d in cloudtrail, want %d", events, records, want)
		}
		return nil
	})
}

// sink is the sink block that writes to db.
func (b *bench) sink(db *pgtest.Database) string {
	s := fmt.Sprintf(`
  sink "rds_direct" {
    host     = %q
    port     = %d
    database = %q
    user     = %q
    password = env("RDS_PASSWORD")
    sslmode  = "disable" # loopback only
    group_id = %q
    %s
`, b.pg.Host, b.pg.Port, db.Name, db.Writer.User, group, b.extra)
	if b.writers > 0 {
		s += fmt.Sprintf("    writers  = %d\n", b.writers)
	}
	return s + "  }"
}

// config writes an agent.hcl for pipelines of these blocks.
func (b *bench) config(pipelines ...[]string) (string, error) {
	text := fmt.Sprintf("agent {\n  state_dir = %q\n}\n", filepath.Join(b.dir, rand.Text()))
	for i, blocks := range pipelines {
		text += fmt.Sprintf("pipeline \"bench-%d\" {%s", i+1, strings.Join(blocks, ""))
		if b.batch != "" {
			text += "\n  batch { " + b.batch + " }"
		}
		text += "\n}\n"
	}
	name := filepath.Join(b.dir, "agent.hcl")
	return name, os.WriteFile(name, []byte(text), 0o600)
}

// carried is what a run of the agent took.
type carried struct {
	wall, cpu time.Duration // of the agent and its plugins
	watch     *watch
}

// carry runs a version of the agent once over what the configuration names.
func (b *bench) carry(ctx context.Context, program, config, password string) (carried, error) {
	cmd := exec.CommandContext(ctx, program, "-config", config, "-mode", "once")
	cmd.Dir = b.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "RDS_PASSWORD="+password)
	log, err := os.Create(filepath.Join(b.dir, "agent.log"))
	if err != nil {
		return carried{}, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return carried{}, err
	}
	w := watchProcess(cmd.Process.Pid)
	err = cmd.Wait()
	wall := time.Since(start)
	w.end()
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return carried{}, fmt.Errorf("agent: %w\n%s", err, text)
	}
	c := carried{wall: wall, watch: w}
	// It counts the children that the agent has waited for.
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return c, nil
}

// endToEnd measures a version of the agent from bucket to rows.
func (b *bench) endToEnd(ctx context.Context, db *pgtest.Database, name, program string) error {
	config, err := b.config([]string{b.objects.source(), b.sink(db)})
	if err != nil {
		return err
	}
	n := b.objects.Records
	served := cpu(b.objects.cmd.Process.Pid)
	var c carried
	u, err := b.pg.measure(func() (err error) {
		c, err = b.carry(ctx, program, config, db.Writer.Password)
		return err
	})
	if err != nil {
		return err
	}
	served = cpu(b.objects.cmd.Process.Pid) - served
	writes, size, err := b.pg.stored(ctx, db)
	if err != nil {
		return err
	}
	b.report.add(name, n, c.wall, append(c.metrics(n),
		metric{"pg-cpu-s/M", perMillion(u.cpu, n)},
		metric{"sum-cpu-s/M", perMillion(c.cpu+u.cpu, n)},
		metric{"s3server-cpu-s/M", perMillion(served, n)}, metric{"idle-cpu-s/M", perMillion(u.idle, n)},
		metric{"events/write", float64(n) / float64(writes)}, metric{"bytes/event", float64(size) / float64(n)})...)
	return b.sameRows(ctx, db, n)
}

// discard measures the agent from bucket into a sink that keeps nothing, behind a
// filter that looks at each event and keeps it.
func (b *bench) discard(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	config, err := b.config([]string{b.objects.source(), `
  filter {
    exclude_event_names = ["NoSuchEvent"]
    where = "event.readOnly != true || event.eventName != 'NoSuchEvent'"
  }
  sink "discard" {}`})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "plugin \"discard\" {\n  path = %q\n  args = [%q]\n  allow_unpinned = true\n}\n", self, discardCommand)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	served := cpu(b.objects.cmd.Process.Pid)
	c, err := b.carry(ctx, b.agent, config, "")
	if err != nil {
		return err
	}
	n := b.objects.Records
	served = cpu(b.objects.cmd.Process.Pid) - served
	b.report.add("discard", n, c.wall, append(c.metrics(n), metric{"s3server-cpu-s/M", perMillion(served, n)})...)
	return nil
}

func (c carried) metrics(events int) []metric {
	m := []metric{{"agent+plugins-cpu-s/M", perMillion(c.cpu, events)}}
	rest := c.cpu
	for _, name := range []string{"s3", "rds_direct", discardCommand} {
		if spent, ok := c.watch.cpu[name]; ok {
			m = append(m, metric{name + "-cpu-s/M", perMillion(spent, events)})
			rest -= spent
		}
	}
	m = append(m, metric{"agent-cpu-s/M", perMillion(rest, events)}, metric{"peak-pss-MiB", float64(c.watch.peak) / (1 << 20)})
	for _, name := range []string{"agent", "s3", "rds_direct", discardCommand} {
		if peak, ok := c.watch.each[name]; ok {
			m = append(m, metric{name + "-pss-MiB", float64(peak) / (1 << 20)})
		}
	}
	return m
}
