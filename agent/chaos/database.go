package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// administer runs statements as the superuser.
func (t *trial) administer(statements ...string) error {
	conn, err := t.Superuser(t.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(t.ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(t.ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// terminate ends the sessions of the writer.
func (t *trial) terminate() string {
	return "select pg_terminate_backend(pid) from pg_stat_activity where usename = '" + t.Database.Writer.User + "'"
}

// refused takes something from the agent, waits until it says so, gives it back and
// waits for progress.
func (t *trial) refused(says string, take, giveBack []string) error {
	before := t.agent.Says(says)
	if err := t.administer(take...); err != nil {
		return err
	}
	err := t.until("the agent says "+says, livenessLimit, func() bool { return t.agent.Says(says) > before })
	if err == nil {
		t.hit()
		t.pause(2 * time.Second)
	}
	if back := t.administer(giveBack...); back != nil {
		return back
	}
	if err != nil {
		return errVoid("%v", err)
	}
	began := time.Now()
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	t.note("stored again %.1f s after %q was over", time.Since(began).Seconds(), says)
	return nil
}

// noConnections takes away the right to connect.
func noConnections(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	role := t.Database.Writer.User
	lines := t.agent.Says("\n")
	err := t.refused("too many connections", []string{"alter role " + role + " connection limit 0", t.terminate()},
		[]string{"alter role " + role + " connection limit -1"})
	t.note("%d lines of log", t.agent.Says("\n")-lines)
	return err
}

// locksAndSlowness locks the tables for longer than a statement may wait, and makes the
// line slow and narrow.
func locksAndSlowness(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	conn, err := t.Owner(t.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(t.ctx))
	if _, err := conn.Exec(t.ctx, "begin; lock table events in access exclusive mode"); err != nil {
		return err
	}
	waits := t.until("a lock is waited for too long", livenessLimit, func() bool { return t.agent.Says("lock timeout") > 0 })
	if _, err := conn.Exec(t.ctx, "rollback"); err != nil {
		return err
	}
	if waits != nil {
		return errVoid("%v", waits)
	}
	t.hit()
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	for kind, attributes := range map[string]map[string]any{"latency": {"latency": 500}, "bandwidth": {"rate": 64}} {
		remove, err := t.ToDatabase.Toxic(kind, stage.Downstream, attributes)
		if err != nil {
			return err
		}
		err = t.progress(livenessLimit)
		t.hit()
		remove()
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// sessionsEnded ends the agent's sessions again and again, and lets idle connections
// die without a word.
func sessionsEnded(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for range 15 {
		if err := t.administer(t.terminate()); err != nil {
			return err
		}
		t.hit()
		t.between(50*time.Millisecond, 500*time.Millisecond)
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	// Nothing goes through any more on connections that are open; new ones work.
	remove, err := t.ToDatabase.Toxic("timeout", stage.Downstream, map[string]any{"timeout": 0})
	if err != nil {
		return err
	}
	t.hit()
	t.pause(5 * time.Second)
	remove()
	return t.progress(livenessLimit)
}

// serializable has transactions fail for each other's sake.
func serializable(t *trial) error {
	role := t.Database.Writer.User
	if err := t.administer("alter role " + role + " set default_transaction_isolation = 'serializable'"); err != nil {
		return err
	}
	if err := t.busy(); err != nil {
		return err
	}
	other, err := t.Start()
	if err != nil {
		return err
	}
	defer other.Kill9()
	if err := t.until("transactions collide", livenessLimit, func() bool {
		return strings.Contains(t.Cluster.Log(), "could not serialize access")
	}); err != nil {
		return errVoid("%v", err)
	}
	t.report.Hits = strings.Count(t.Cluster.Log(), "could not serialize access")
	if n := strings.Count(t.Cluster.Log(), "deadlock detected"); n > 0 {
		t.wrong("%d deadlocks", n)
	}
	return t.administer("alter role " + role + " reset default_transaction_isolation")
}

// rightsAndTablesGone takes privileges, a table and a column away while the agent works.
func rightsAndTablesGone(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	role := t.Database.Writer.User
	for _, c := range []struct {
		says           string
		take, giveBack string
	}{
		{"lacks a privilege", "revoke insert on cloudtrail from " + role, "grant insert on cloudtrail to " + role},
		{"cloudtrail_gone", "alter table cloudtrail rename to cloudtrail_gone", "alter table cloudtrail_gone rename to cloudtrail"},
		{"user_agent", "alter table cloudtrail rename column user_agent to other", "alter table cloudtrail rename column other to user_agent"},
	} {
		says := c.says
		if says == "cloudtrail_gone" {
			says = "cloudtrail\\\" does not exist"
		}
		if err := t.refused(says, []string{c.take}, []string{c.giveBack}); err != nil {
			return fmt.Errorf("%s: %w", c.take, err)
		}
	}
	var quarantined int
	if err := t.owner.QueryRow(t.ctx, `select count(*)::int from quarantine`).Scan(&quarantined); err != nil {
		return err
	}
	if quarantined > 0 {
		t.wrong("%d records were quarantined though the schema was at fault", quarantined)
	}
	return nil
}

// restored puts the database back to an earlier state under a running agent, as a
// restore from a backup does.
func restored(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	if err := t.copyData("data", "backup"); err != nil {
		return err
	}
	before := t.done()
	if err := t.until("much is stored after the backup", time.Minute, func() bool { return t.done() > before+200 }); err != nil {
		return err
	}
	after := t.done()
	if err := t.copyData("backup", "data"); err != nil {
		return err
	}
	if now := t.done(); now >= after {
		return errVoid("the restored database has all of it: %d of %d", now, after)
	}
	t.hit()
	return t.progress(livenessLimit)
}

// copyData stops the server, copies its data directory to or from another, and starts it.
func (t *trial) copyData(from, to string) error {
	if err := t.Cluster.Kill9(); err != nil {
		return err
	}
	script := fmt.Sprintf("rm -rf %q && cp -a %q %q", filepath.Join(t.pgDir, to), filepath.Join(t.pgDir, from), filepath.Join(t.pgDir, to))
	if out, err := exec.CommandContext(t.ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := t.Cluster.Restart(t.ctx); err != nil {
		return err
	}
	t.reconnect()
	return nil
}

// logDiskFull fills the disk of the write-ahead log, at which PostgreSQL crashes.
func logDiskFull(t *trial) error {
	disk, err := newSmallDisk("64m")
	if err != nil {
		return err
	}
	if err := disk.give(t.pgDir); err != nil {
		return err
	}
	if err := t.Cluster.Kill9(); err != nil {
		return err
	}
	wal := filepath.Join(t.pgDir, "data", "pg_wal")
	script := fmt.Sprintf("cp -a %q/. %q && mv %q %q && ln -s %q %q", wal, disk.dir, wal, wal+".old", disk.dir, wal)
	if out, err := exec.CommandContext(t.ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	t.cleanups = append(t.cleanups, disk.remove)
	if err := t.Cluster.Restart(t.ctx); err != nil {
		return err
	}
	t.reconnect()
	if err := t.administer("alter system set max_wal_size = '2GB'", "alter system set checkpoint_timeout = '1h'", "select pg_reload_conf()"); err != nil {
		return err
	}
	if err := t.busy(); err != nil {
		return err
	}
	filler := filepath.Join(disk.dir, "filler")
	_ = os.WriteFile(filler, make([]byte, 128<<20), 0o600) // as far as it goes
	if err := t.until("PostgreSQL crashes", time.Minute, func() bool { return strings.Contains(t.Cluster.Log(), "No space left on device") }); err != nil {
		return errVoid("%v", err)
	}
	t.hit()
	t.pause(2 * time.Second)
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := disk.resize("1g"); err != nil {
		return err
	}
	if err := t.Cluster.Restart(t.ctx); err != nil {
		return err
	}
	t.reconnect()
	return t.progress(livenessLimit)
}
