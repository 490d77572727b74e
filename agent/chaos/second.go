package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// A boundary is a moment at which something has just become durable, or is about to, as
// it shows on the wire.
type boundary struct {
	name string
	// arm has the agent killed the next time that it comes there.
	arm func(t *trial, kill func()) (disarm func(), err error)
}

// boundaries are all durable steps on the way of an event: the transaction's COMMIT and
// the deletion of the queue's message. There is nothing else that the agent of this
// pipeline makes durable.
func boundaries() []boundary {
	commit := func(d stage.Direction, is func([]byte) bool, then stage.Action) func(*trial, func()) (func(), error) {
		return func(t *trial, kill func()) (func(), error) {
			return t.ToDatabase.Watch(d, func(data []byte) stage.Action {
				if !is(data) {
					return stage.Pass
				}
				kill()
				return then
			})
		}
	}
	deletion := func(answer bool) func(*trial, func()) (func(), error) {
		return func(t *trial, do func()) (func(), error) {
			t.HookSQS(func(w http.ResponseWriter, r *http.Request, operation string) bool {
				if !strings.HasPrefix(operation, "DeleteMessage") {
					return false
				}
				if answer {
					t.SQS.Answer(w, r)
				}
				do()
				return answer
			})
			return func() { t.HookSQS(nil) }, nil
		}
	}
	return []boundary{
		{"COMMIT is sent, and does not arrive", commit(stage.Upstream, stage.SendsCommit, stage.Cut)},
		{"COMMIT is sent, and arrives", commit(stage.Upstream, stage.SendsCommit, stage.Pass)},
		{"COMMIT is durable, and the agent does not know", commit(stage.Downstream, stage.AnswersCommit, stage.Cut)},
		{"COMMIT is durable, and the answer is on its way", commit(stage.Downstream, stage.AnswersCommit, stage.Pass)},
		{"the message is to be deleted", deletion(false)},
		{"the message is deleted, and the agent does not know", deletion(true)},
	}
}

// killedAtBoundaries kills the agent at each durable boundary, at its first times and at
// later ones.
func killedAtBoundaries(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	all := boundaries()
	hits := make(map[string]int)
	for i := range max(t.kills, len(all)) {
		b := all[i%len(all)]
		if err := t.killAt(b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		hits[b.name]++
		t.hit()
	}
	for _, b := range all {
		t.note("%d times: %s", hits[b.name], b.name)
	}
	return nil
}

func (t *trial) killAt(b boundary) error {
	var passed atomic.Int64
	nth := int64(1 + t.rnd.IntN(6))
	dead := make(chan struct{})
	pids := t.agent.Children()
	var began time.Time
	disarm, err := b.arm(t, func() {
		if passed.Add(1) == nth {
			began = time.Now()
			t.agent.Kill9()
			close(dead)
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-dead:
	case <-time.After(livenessLimit):
		disarm()
		return fmt.Errorf("it was not reached %d times in %s", nth, livenessLimit)
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	disarm()
	t.killed()
	if err := stage.Gone(t.ctx, pids); err != nil {
		t.wrong("%v", err)
	}
	if err := t.start(); err != nil {
		return err
	}
	return t.recovered(began)
}

// pluginKilled kills the process of a role, again and again. The agent has to live on
// and to start it again.
func pluginKilled(role stage.Role, back time.Duration) func(*trial) error {
	return func(t *trial) error {
		if err := t.busy(); err != nil {
			return err
		}
		var restarts []float64
		for i := range t.kills {
			// A plugin that ends five times in ten minutes is started again ever more slowly,
			// on purpose: somebody should look. So each agent sees fewer.
			if i%4 == 3 {
				if err := t.restart(); err != nil {
					return err
				}
			}
			agent := t.agent.PID
			t.between(0, 500*time.Millisecond)
			old := t.agent.Plugin(role)
			open := t.open()
			began := time.Now()
			if !stage.KillPlugin(old) {
				continue
			}
			t.killed()
			if open > 0 {
				t.hit()
			}
			if err := t.until("the plugin is started again", livenessLimit, func() bool {
				now := t.agent.Plugin(role)
				return now != 0 && now != old
			}); err != nil {
				return err
			}
			restarts = append(restarts, time.Since(began).Seconds())
			if err := t.recovered(began); err != nil {
				return err
			}
			if t.agent.Over() || t.agent.PID != agent {
				return fmt.Errorf("the agent ended with its plugin")
			}
		}
		// The median: a start waits for its turn on a machine that has other things to do.
		p50, p95 := percentile(restarts, 50), percentile(restarts, 95)
		t.note("a plugin that was killed was started again after %.1f s (median of %d), %.1f s (p95)", p50, len(restarts), p95)
		if p50 > back.Seconds() {
			t.wrong("a plugin that was killed was started again after %.1f s (median of %d), want %s", p50, len(restarts), back)
		}
		return nil
	}
}

// restart stops the agent in an orderly way and starts it again.
func (t *trial) restart() error {
	pids := t.agent.Children()
	if err := t.agent.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if code, err := t.agent.Wait(stopLimit); err != nil || code != 0 {
		return fmt.Errorf("the agent ended with code %d, %w", code, err)
	}
	if err := stage.Gone(t.ctx, pids); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	return t.progress(livenessLimit)
}

// databaseReadOnly has the server refuse writes, as after a failover to a standby.
func databaseReadOnly(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for i := range 3 {
		if i > 0 {
			// An agent logs the same error once a minute; another one says it at once.
			if err := t.restart(); err != nil {
				return err
			}
		}
		if err := t.readOnly("on"); err != nil {
			return err
		}
		refused := t.agent.Says("25006") + t.agent.Says("read-only")
		if err := t.until("a write is refused", livenessLimit, func() bool {
			return t.agent.Says("25006")+t.agent.Says("read-only") > refused
		}); err != nil {
			return errVoid("%v", err)
		}
		t.hit()
		t.pause(time.Second)
		if err := t.readOnly("off"); err != nil {
			return err
		}
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
	}
	var quarantined int
	if err := t.owner.QueryRow(t.ctx, `select count(*)::int from quarantine`).Scan(&quarantined); err != nil {
		return err
	}
	if quarantined > 0 {
		t.wrong("%d records were quarantined for a server that was read-only", quarantined)
	}
	return nil
}

func (t *trial) readOnly(on string) error {
	conn, err := t.Superuser(t.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(t.ctx)
	// The session itself may be read-only; ALTER SYSTEM is no write to the database.
	for _, statement := range []string{"alter system set default_transaction_read_only = " + on, "select pg_reload_conf()"} {
		if _, err := conn.Exec(t.ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// A smallDisk is a file system in memory, of the harness's mount namespace alone.
type smallDisk struct{ dir string }

// newSmallDisk mounts one for PostgreSQL.
func newSmallDisk(size string) (*smallDisk, error) {
	if os.Geteuid() != 0 || os.Getenv("CHAOS_OWN_MOUNTS") == "" {
		return nil, errVoid("needs root and unshare, to mount a small disk")
	}
	dir, err := os.MkdirTemp("", "chaos-disk-")
	if err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0777,size="+size); err != nil {
		return nil, errVoid("mount a small disk: %v", err)
	}
	return &smallDisk{dir}, nil
}

// give makes it belong to whom a folder belongs.
func (d *smallDisk) give(like string) error {
	owner, err := ownerOf(like)
	if err != nil {
		return err
	}
	return os.Chown(d.dir, int(owner.Uid), int(owner.Gid))
}

func (d *smallDisk) resize(size string) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, "mode=0777,size="+size)
}

func (d *smallDisk) remove() {
	_ = syscall.Unmount(d.dir, syscall.MNT_DETACH) // it ends with the namespace at the latest
	os.RemoveAll(d.dir)
}

// onSmallDisk puts the tables on a disk that is soon full.
func onSmallDisk(t *trial, o *stage.Options) {
	o.BeforeMigrate = func(ctx context.Context, db *pgtest.Database) error {
		disk, err := newSmallDisk("24m")
		if err != nil {
			return err
		}
		t.disk = disk
		if err := disk.give(t.pgDir); err != nil {
			return err
		}
		conn, err := openSuperuser(ctx, o.Cluster, db.Name)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		for _, statement := range []string{
			"create tablespace small location '" + disk.dir + "'",
			"grant create on tablespace small to public",
			"alter database " + db.Name + " set default_tablespace = 'small'",
		} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	}
}

// diskFull fills the disk of the tables, waits until writes are refused, and makes it
// larger.
func diskFull(t *trial) error {
	t.cleanups = append(t.cleanups, t.disk.remove)
	if err := t.feed(60, 60); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	if err := t.until("the disk is full", time.Minute, func() bool { return t.agent.Says("No space left on device") > 0 }); err != nil {
		return errVoid("%v", err)
	}
	t.hit()
	t.pause(3 * time.Second)
	if err := t.disk.resize("1g"); err != nil {
		return err
	}
	began := time.Now()
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	t.note("stored again %.1f s after there was room", time.Since(began).Seconds())
	return nil
}

// storageFails has S3 answer 30 % of the requests with an error.
func storageFails(t *trial) error {
	var failed, asked atomic.Int64
	t.HookS3(func(w http.ResponseWriter, r *http.Request) bool {
		n := asked.Add(1)
		answers := []struct {
			status int
			code   string
		}{{500, "InternalError"}, {503, "ServiceUnavailable"}, {503, "SlowDown"}}
		if n%10 >= 3 {
			return false
		}
		failed.Add(1)
		s3test.Fail(w, r, answers[n%10].status, answers[n%10].code)
		return true
	})
	if err := t.feed(30, 20); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	err := t.enough(&failed, 120)
	t.note("%d of %d requests failed", failed.Load(), asked.Load())
	return err
}

// slowWork has the database hold every batch for longer than messages stay hidden.
func slowWork(t *trial) error {
	for range 40 {
		if _, err := t.upload(time.Now(), 10); err != nil {
			return err
		}
	}
	lock, err := t.Owner(t.ctx)
	if err != nil {
		return err
	}
	defer lock.Close(context.WithoutCancel(t.ctx))
	if _, err := lock.Exec(t.ctx, "begin; lock table events in share row exclusive mode"); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	if err := t.until("objects are read", livenessLimit, func() bool { n, _ := t.Fetched(); return n > 10 }); err != nil {
		return err
	}
	began := time.Now()
	t.pause(40 * time.Second)
	if renewed := t.SQS.Requests("ChangeMessageVisibilityBatch") + t.SQS.Requests("ChangeMessageVisibility"); renewed > 0 {
		t.report.Hits = renewed
	}
	if _, err := lock.Exec(t.ctx, "rollback"); err != nil {
		return err
	}
	t.note("batches were held for %.0f s, messages are hidden for 30 s", time.Since(began).Seconds())
	return nil
}

// bombs are objects that inflate to far more than they should, between good ones.
func bombs(t *trial) error {
	for name, script := range map[string]string{
		"zeros":  `head -c 1073741824 /dev/zero | gzip -9`,
		"spaces": `(printf '{"Records":['; head -c 2147483648 /dev/zero | tr '\0' ' '; printf ']}') | gzip -1`,
		"string": `(printf '{"Records":[{"eventID":"x","a":"'; head -c 536870912 /dev/zero | tr '\0' 'a'; printf '"}]}') | gzip -1`,
		"nested": `(head -c 268435456 /dev/zero | tr '\0' '[') | gzip -1`,
		"twice":  `head -c 1073741824 /dev/zero | gzip -9 | gzip -9`,
	} {
		body, err := exec.CommandContext(t.ctx, "sh", "-c", script).Output()
		if err != nil {
			return fmt.Errorf("make bomb: %w", err)
		}
		t.note("%s: %d bytes", name, len(body))
		issued := oracle.NewIssued("", oracle.Poison, name) // no row can be of it: its object has to be in quarantine
		if err := t.Upload(t.Generator.Raw(time.Now(), body, issued), 1); err != nil {
			return err
		}
		t.hit()
		if _, err := t.upload(time.Now(), 20); err != nil {
			return err
		}
	}
	if err := t.start(); err != nil {
		return err
	}
	began := time.Now()
	err := t.until("the bombs are in quarantine", time.Minute, func() bool {
		var n int
		return t.owner.QueryRow(t.ctx, `select count(*)::int from quarantine where kind = 'split'`).Scan(&n) == nil && n >= 5
	})
	t.note("all in quarantine after %.1f s", time.Since(began).Seconds())
	return err
}
