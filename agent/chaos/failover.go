package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// failedOver kills the primary of a pair that replicates synchronously, makes the
// standby the primary, and has the agent's address lead there, as a service does.
func failedOver(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	standby, err := t.newStandby()
	if err != nil {
		return err
	}
	defer func() { _ = standby.Stop() }()
	t.between(time.Second, 3*time.Second)
	open := t.open()
	old := t.Cluster
	if err := old.Kill9(); err != nil {
		return err
	}
	t.killed()
	if open > 0 {
		t.hit()
	}
	t.Cluster = standby
	conn, err := openSuperuser(t.ctx, standby, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(t.ctx)
	if _, err := conn.Exec(t.ctx, "alter system set synchronous_standby_names = ''"); err != nil {
		return err
	}
	if _, err := conn.Exec(t.ctx, "select pg_promote(), pg_reload_conf()"); err != nil {
		return err
	}
	began := time.Now()
	if err := t.ToDatabase.Redirect(net.JoinHostPort(standby.Host, strconv.Itoa(standby.Port))); err != nil {
		return err
	}
	t.reconnect()
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	t.note("stored again %.1f s after the failover", took)
	if took > 15 {
		t.wrong("stored again only %.1f s after the failover, want 15", took)
	}
	if err := t.stopFeeding(); err != nil {
		return err
	}
	if err := t.finish(); err != nil { // while the standby is there
		return err
	}
	t.finished = true
	return nil
}

// newStandby makes a synchronous standby of the trial's server, and returns once
// commits wait for it.
func (t *trial) newStandby() (*pgtest.Cluster, error) {
	dir := filepath.Join(filepath.Dir(t.pgDir), "standby")
	credential, err := ownerOf(t.pgDir)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
		return nil, err
	}
	bin, err := pgtest.Programs()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(t.ctx, filepath.Join(bin, "pg_basebackup"), "--pgdata="+filepath.Join(dir, "data"),
		"--dbname="+t.Cluster.DSN(pgtest.Superuser, t.Cluster.Password, "postgres"), "--write-recovery-conf", "--checkpoint=fast")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, bytes.TrimSpace(out))
	}
	standby, err := pgtest.Start(t.ctx, pgtest.Options{Dir: dir, Password: t.Cluster.Password, Settings: map[string]string{"max_connections": "60"}})
	if err != nil {
		return nil, err
	}
	if err := t.administer("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()"); err != nil {
		return standby, err
	}
	return standby, t.until("commits wait for the standby", livenessLimit, func() bool {
		conn, err := t.Superuser(t.ctx)
		if err != nil {
			return false
		}
		defer conn.Close(t.ctx)
		var n int
		return conn.QueryRow(t.ctx, "select count(*)::int from pg_stat_replication where sync_state = 'sync'").Scan(&n) == nil && n == 1
	})
}

// ownerOf is whom a folder belongs to.
func ownerOf(path string) (*syscall.Credential, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t) // on Linux
	return &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}, nil
}

// behindPooler puts pgbouncer in transaction mode between the agent and PostgreSQL, and
// then kills the agent, sessions, the server and the pooler.
func behindPooler(t *trial) error {
	pooler, err := t.newPooler()
	if err != nil {
		return err
	}
	defer func() { pooler.kill() }()
	if err := t.ToDatabase.Redirect(pooler.addr); err != nil {
		return err
	}
	if err := t.busy(); err != nil {
		return err
	}
	for range max(t.kills, 3) {
		t.between(0, 600*time.Millisecond)
		if err := t.crash(); err != nil {
			return err
		}
	}
	if err := t.administer(t.terminate()); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	if err := t.databaseAway(2 * time.Second); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	pooler.kill()
	if pooler, err = t.newPooler(); err != nil {
		return err
	}
	if err := t.ToDatabase.Redirect(pooler.addr); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	if err := t.stopFeeding(); err != nil {
		return err
	}
	if err := t.finish(); err != nil { // while the pooler is there
		return err
	}
	t.finished = true
	return nil
}

// A pooler is a pgbouncer that is started again when it ends by itself, as an init
// system does: 1.18 ends ("bad client state") when a client dies with a cancel request
// under way.
type pooler struct {
	addr string

	mu      sync.Mutex
	process *os.Process
	stopped bool
	over    sync.WaitGroup
}

// run starts it, and starts it again until kill.
func (p *pooler) run(command func() (*exec.Cmd, error)) error {
	cmd, err := command()
	if err != nil {
		return err
	}
	p.process = cmd.Process
	p.over.Go(func() {
		for {
			_ = cmd.Wait() // how it ended is in its log
			p.mu.Lock()
			if p.stopped {
				p.mu.Unlock()
				return
			}
			if cmd, err = command(); err == nil {
				p.process = cmd.Process
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return nil
}

func (p *pooler) kill() {
	p.mu.Lock()
	p.stopped = true
	_ = p.process.Kill() // it may have ended
	p.mu.Unlock()
	p.over.Wait()
}

func (t *trial) newPooler() (*pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		return nil, errVoid("pgbouncer is not installed")
	}
	credential, err := ownerOf(t.pgDir)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(t.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Close()
	dir, err := os.MkdirTemp(filepath.Dir(t.pgDir), "pgbouncer-")
	if err != nil {
		return nil, err
	}
	writer := t.Database.Writer
	files := map[string]string{
		"users": fmt.Sprintf("%q %q\n", writer.User, writer.Password),
		"pgbouncer.ini": strings.Join([]string{
			"[databases]", fmt.Sprintf("* = host=%s port=%d", t.Cluster.Host, t.Cluster.Port),
			"[pgbouncer]", "listen_addr = 127.0.0.1", "listen_port = " + port, "unix_socket_dir =", "auth_type = scram-sha-256",
			"auth_file = " + filepath.Join(dir, "users"), "pool_mode = transaction", "default_pool_size = 4", "server_login_retry = 1",
		}, "\n") + "\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
		if err := os.Chown(path, int(credential.Uid), int(credential.Gid)); err != nil {
			return nil, err
		}
	}
	if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
		return nil, err
	}
	p := &pooler{addr: addr}
	err = p.run(func() (*exec.Cmd, error) {
		cmd := exec.CommandContext(t.ctx, program, filepath.Join(dir, "pgbouncer.ini"))
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true}
		log, err := os.OpenFile(filepath.Join(t.Dir, "pgbouncer.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd.Stderr = log
		return cmd, cmd.Start()
	})
	if err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	var d net.Dialer
	err = stage.Until(t.ctx, "pgbouncer listens", 10*time.Second, func() bool {
		c, err := d.DialContext(context.WithoutCancel(t.ctx), "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if err != nil {
		p.kill()
	}
	return p, err
}
