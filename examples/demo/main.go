// Demo shows the agent's main job on this machine alone: CloudTrail objects in an
// S3-compatible server become rows in a real PostgreSQL. It starts both servers on
// loopback, fills a bucket with generated objects, writes an agent.hcl, and runs the
// agent's own commands. With -keep everything stays up until it is interrupted,
// and new objects keep coming.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func main() {
	agent := flag.String("agent", "bin/agent", "the agent's program")
	keep := flag.Bool("keep", false, "leave everything running, and add objects")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *agent, *keep); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// A demo holds what is started, for a while.
type demo struct {
	agent  string // absolute path of the program
	dir    string
	pg     *pgtest.Cluster
	s3     *s3test.Server
	writer string // the writer's password
	keep   bool
}

func run(ctx context.Context, agent string, keep bool) (err error) {
	agent, err = filepath.Abs(agent)
	if err != nil {
		return err
	}
	if _, err := os.Stat(agent); err != nil {
		return fmt.Errorf("no agent program: %w; make build makes it", err)
	}
	d := &demo{agent: agent, keep: keep}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	m, err := d.fill()
	if err != nil {
		return err
	}
	if err := d.carry(ctx); err != nil {
		return err
	}
	if err := d.show(ctx, m); err != nil {
		return err
	}
	if keep {
		return d.serve(ctx)
	}
	return nil
}

// start brings both servers up.
func (d *demo) start(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "inu-logsmith-demo-"); err != nil {
		return err
	}
	if d.pg, err = pgtest.Start(ctx, pgtest.Options{}); err != nil {
		return err
	}
	if d.s3, err = s3test.Start(s3test.Options{}); err != nil {
		return err
	}
	if err := d.s3.CreateBucket(bucket); err != nil {
		return err
	}
	fmt.Printf("PostgreSQL listens on %s, an S3-compatible server on %s.\n\n",
		net.JoinHostPort(d.pg.Host, fmt.Sprint(d.pg.Port)), strings.TrimPrefix(d.s3.URL, "http://"))
	return nil
}

// fill puts a day of two accounts and four Regions into the bucket.
func (d *demo) fill() (s3test.Manifest, error) {
	m, err := d.s3.Load(bucket, trail(yesterday(), 40_000).Objects())
	if err != nil {
		return m, err
	}
	fmt.Printf("Bucket %s holds %d objects with %d CloudTrail records; %d of them are copies of others.\n\n",
		bucket, m.Objects, m.Records, m.Records-m.Distinct)
	return m, nil
}

func trail(start time.Time, events int) s3test.Trail {
	return s3test.Trail{
		Seed: uint64(start.Unix()), Start: start, Events: events,
		Accounts:   []string{"111122223333", "444455556666"},
		Regions:    []string{"us-east-1", "us-west-2", "eu-west-1", "ap-northeast-2"},
		Duplicates: 0.05, Quirks: 0.002,
	}
}

func yesterday() time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1) }

// carry runs the two commands that a user would.
func (d *demo) carry(ctx context.Context) error {
	if err := d.configure(); err != nil {
		return err
	}
	owner := d.pg.DSN(pgtest.Superuser, d.pg.Password, "postgres")
	if err := d.command(ctx, "migrate", "-config", "agent.hcl", "-create-role", "-dsn", owner); err != nil {
		return err
	}
	return d.command(ctx, "-config", "agent.hcl", "-mode", "once")
}

// command shows a command and runs it.
func (d *demo) command(ctx context.Context, args ...string) error {
	shown := strings.ReplaceAll("agent "+strings.Join(args, " "), d.pg.Password, "PASSWORD")
	fmt.Println("$ " + shown)
	cmd := d.cmd(ctx, args...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", shown, err)
	}
	fmt.Println()
	return nil
}

// cmd prepares a command of the agent that stops as the service does.
func (d *demo) cmd(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.agent, args...)
	cmd.Dir = d.dir
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo", "RDS_PASSWORD="+d.writer)
	return cmd
}

// serve runs the service and adds objects until ctx ends.
func (d *demo) serve(ctx context.Context) error {
	fmt.Printf("\nEverything keeps running until Ctrl-C; new objects come every %s. Look into it with\n\n  psql %q\n\n$ agent -config agent.hcl\n",
		addInterval, d.pg.DSN(pgtest.Superuser, d.pg.Password, "postgres"))
	service := d.cmd(ctx, "-config", "agent.hcl")
	// A group of its own: Ctrl-C reaches this program alone, which ends the service with
	// one signal. A second one would end it without draining.
	service.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := service.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	tick := time.NewTicker(addInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the service ended: %w", err)
		case <-ctx.Done():
			return <-ended
		case <-tick.C:
		}
		m, err := d.s3.Load(bucket, trail(time.Now().UTC().Truncate(time.Second), 200).Objects())
		if err != nil {
			return err
		}
		rows, err := d.rows(ctx)
		if err != nil {
			// The service waits for a database that comes back, so this does, too.
			if ctx.Err() == nil {
				fmt.Printf("%s  PostgreSQL does not answer (%v); put %d more records into the bucket\n", time.Now().Format(time.TimeOnly), err, m.Records)
			}
			continue
		}
		fmt.Printf("%s  %d rows; put %d more records into the bucket\n", time.Now().Format(time.TimeOnly), rows, m.Records)
	}
}

const addInterval = 5 * time.Second

func (d *demo) close() error {
	var errs []error
	if d.s3 != nil {
		errs = append(errs, d.s3.Close())
	}
	if d.pg != nil {
		errs = append(errs, d.pg.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}
