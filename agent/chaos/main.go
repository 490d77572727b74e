// chaos attacks the agent and checks that nothing is lost: the real binary, a real
// PostgreSQL, S3- and SQS-compatible servers, and toxiproxy in between. See
// agent/docs/reliability.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// settings are what the command line says.
type settings struct {
	agent     string
	out       string
	scenarios string
	full      bool
	seed      uint64
	kills     int
	hours     float64
	drain     time.Duration
	keep      bool
	parallel  int
	list      bool
	commit    string
	// mark is a file to lay into the agent's working directory, which wakes a planted bug.
	mark string
}

func main() {
	var o settings
	flag.StringVar(&o.agent, "agent", "../../bin/agent", "binary under test")
	flag.StringVar(&o.out, "out", "", "folder for reports and logs; a temporary one if empty")
	flag.StringVar(&o.scenarios, "scenario", "", "scenarios to run, with commas in between; those of make chaos if empty")
	flag.BoolVar(&o.full, "full", false, "run every scenario that this machine can")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64()>>1, "repeats a run as far as the machine allows")
	flag.IntVar(&o.kills, "kills", 60, "kills to make in all, divided among the scenarios that kill")
	flag.Float64Var(&o.hours, "hours", 0, "soak: random faults for so many hours")
	flag.DurationVar(&o.drain, "drain", time.Minute, "how long the agent may take to finish after the last fault")
	flag.BoolVar(&o.keep, "keep", false, "keep the files of trials that passed")
	flag.IntVar(&o.parallel, "parallel", 1, "how many trials run at the same time; what they time is then slower")
	flag.BoolVar(&o.list, "list", false, "list the scenarios and end")
	if len(os.Args) == 2 && os.Args[1] == "sink" {
		serveSink() // never returns
	}
	flag.Parse()
	if o.list {
		for _, s := range scenarios() {
			fmt.Printf("%-4s %s\n", s.id, s.title)
		}
		return
	}
	if err := ownMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// run runs the chosen scenarios one after the other, and reports whether all is well.
func run(ctx context.Context, o settings, w io.Writer) (good bool, err error) {
	if o.agent, err = filepath.Abs(o.agent); err != nil {
		return false, err
	}
	if _, err := os.Stat(o.agent); err != nil {
		return false, fmt.Errorf("no agent to test; make build, or -agent: %w", err)
	}
	if o.out == "" {
		if o.out, err = os.MkdirTemp("", "chaos-run-"); err != nil {
			return false, err
		}
	}
	if o.commit == "" {
		o.commit = commit(ctx)
	}
	chosen, err := choose(o)
	if err != nil {
		return false, err
	}
	s := &summary{Commit: o.commit, Seed: o.seed}
	fmt.Fprintf(w, "commit %s, seed %d, reports in %s\n", o.commit, o.seed, o.out)
	reports, err := attack(ctx, o, chosen, w)
	if err != nil {
		return false, err
	}
	for _, r := range reports {
		s.add(r)
	}
	fmt.Fprintln(w)
	s.print(w)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return false, err
	}
	return s.good(), os.WriteFile(filepath.Join(o.out, "summary.json"), append(text, '\n'), 0o644)
}

// attack runs the scenarios, so many at a time, and tells of each when it has ended.
func attack(ctx context.Context, o settings, chosen []scenario, w io.Writer) ([]*report, error) {
	reports := make([]*report, len(chosen))
	slots := make(chan struct{}, max(1, o.parallel))
	var mu sync.Mutex
	var failed error
	var trials sync.WaitGroup
	for i, sc := range chosen {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		trials.Go(func() {
			defer func() { <-slots }()
			r := attempt(ctx, o, sc, share(o.kills, chosen, i))
			err := r.save(o.out)
			mu.Lock()
			defer mu.Unlock()
			reports[i], failed = r, errors.Join(failed, err)
			fmt.Fprintf(w, "%-4s %-4s %5.0f s  in %d rows %d lost %d duplicated %d unknown %d corrupt %d kills %d hits %d  %s\n",
				sc.id, r.Verdict, r.Seconds, r.EventsIn, r.Rows, r.Lost, r.Duplicated, r.Unknown, r.Corrupt, r.Kills, r.Hits, r.Reason)
		})
	}
	trials.Wait()
	if ctx.Err() != nil {
		return nil, errors.New("stopped")
	}
	return reports, failed
}

// attempt is one trial, on a stage of its own.
func attempt(ctx context.Context, o settings, sc scenario, kills int) *report {
	r := &report{Scenario: sc.id, Title: sc.title, Seed: o.seed, Commit: o.commit}
	began := time.Now()
	dir := filepath.Join(o.out, sc.id)
	err := perform(ctx, o, sc, kills, dir, r)
	r.Seconds = time.Since(began).Seconds()
	r.conclude(err)
	if r.Verdict == pass && !o.keep {
		os.RemoveAll(dir)
	}
	return r
}

func perform(ctx context.Context, o settings, sc scenario, kills int, dir string, r *report) (err error) {
	t := &trial{scenario: sc, ctx: ctx, opt: o, report: r, kills: kills, began: time.Now()}
	t.rnd = rand.New(rand.NewPCG(o.seed, uint64(len(sc.id))<<32|uint64(sc.id[0])<<8|uint64(sc.id[len(sc.id)-1])))
	// A crash of the server's processes loses nothing that the kernel has: fsync would
	// only matter for a crash of the machine, which nobody brings about here.
	base, err := os.MkdirTemp("", "chaos-pg-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	if err := os.Chmod(base, 0o755); err != nil { // the server runs as somebody else
		return err
	}
	t.pgDir = filepath.Join(base, "pg")
	cluster, err := pgtest.Start(ctx, pgtest.Options{Dir: t.pgDir, Settings: map[string]string{"max_connections": "60"}})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cluster.Stop())
		for _, cleanup := range t.cleanups {
			cleanup()
		}
	}()
	so := stage.Options{Binary: o.agent, Dir: dir, Seed: o.seed, Cluster: cluster, Prune: true}
	if sc.options != nil {
		sc.options(t, &so)
	}
	if t.Stage, err = stage.New(ctx, so); err != nil {
		return err
	}
	defer t.Close()
	if o.mark != "" {
		if err := os.WriteFile(filepath.Join(dir, o.mark), nil, 0o600); err != nil {
			return err
		}
	}
	t.checked = []string{t.Group}
	config := sc.config
	if config == "" {
		config = defaultConfig
	}
	if err := t.Configure(config); err != nil {
		return err
	}
	if t.owner, err = t.Owner(ctx); err != nil {
		return err
	}
	defer func() { _ = t.owner.Close(context.WithoutCancel(ctx)) }()
	defer func() {
		if t.agent != nil {
			t.agent.Kill9()
		}
		_ = t.stopFeeding() // finish has seen its error
	}()
	if err := sc.run(t); err != nil {
		// What is stored is compared all the same: a void trial must not hide a loss.
		if isVoid(err) || t.agent == nil || t.agent.Over() {
			return err
		}
		t.wrong("%v", err)
	}
	if t.finished {
		return nil
	}
	return t.finish()
}

// choose is the scenarios of this run.
func choose(o settings) ([]scenario, error) {
	all := scenarios()
	if o.hours > 0 {
		return []scenario{soak(o.hours)}, nil
	}
	var chosen []scenario
	for _, s := range all {
		if o.scenarios == "" && (s.short || o.full) {
			chosen = append(chosen, s)
		}
	}
	for name := range strings.SplitSeq(o.scenarios, ",") {
		found := name == ""
		for _, s := range all {
			if s.id == name {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no scenario %q; -list names them", name)
		}
	}
	return chosen, nil
}

// commit is what is checked out, as git says.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// ownMounts starts the program again in a mount namespace of its own, where root can
// mount small disks that nobody else sees and that go with it.
func ownMounts() error {
	const mark = "CHAOS_OWN_MOUNTS"
	if os.Geteuid() != 0 || os.Getenv(mark) != "" {
		return nil
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil //nolint:nilerr // scenarios that mount are void then, and say so
	}
	if exec.Command(unshare, "--mount", "true").Run() != nil { //nolint:noctx // it ends at once
		return nil
	}
	args := append([]string{unshare, "--mount", "--propagation", "private"}, os.Args...)
	return syscall.Exec(unshare, args, append(os.Environ(), mark+"=1"))
}

// openSuperuser connects to a database past all faults, and past its owner's rights.
func openSuperuser(ctx context.Context, c *pgtest.Cluster, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, c.DSN(pgtest.Superuser, c.Password, database))
}
