// Package pgtest runs a throwaway PostgreSQL on the loopback address, for tests
// and for demonstrations. It needs PostgreSQL's server programs on the machine and
// works as root and as an ordinary user; the server ends with the program that
// started it.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the cluster's first user.
const Superuser = "postgres"

// Options say what a cluster is like. The zero value is good for most tests.
type Options struct {
	// Dir is where the server keeps its files. It stays after Stop, and Start goes on
	// with a cluster that is there already. Empty means a temporary folder that Stop
	// removes. Where the server runs as another user, this user must be able to reach it.
	Dir string
	// Port to listen on; 0 means any that is free.
	Port int
	// Password of the superuser; empty means a random one. An existing cluster in
	// Dir keeps the password it was made with.
	Password string
	// Fsync makes commits survive a crash of the machine, not only of the server.
	Fsync bool
	// Settings are further settings of postgresql.conf, such as max_connections.
	Settings map[string]string
	// Cert and Key, both PEM, make the server offer TLS.
	Cert, Key []byte
}

// A Cluster is one PostgreSQL server.
type Cluster struct {
	Host     string
	Port     int
	Password string // of the superuser

	opts    Options
	bin     string
	dir     string
	account account
	server  *process

	databases atomic.Int64
}

// Start makes a cluster, unless there is one in opts.Dir, and returns once it
// accepts connections. ctx bounds the start only: the server runs until Stop. The
// error is a [*NotInstalledError] where PostgreSQL is missing.
func Start(ctx context.Context, opts Options) (_ *Cluster, err error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	acct, err := serverAccount()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Host: "127.0.0.1", Port: opts.Port, Password: opts.Password, opts: opts, bin: bin, dir: opts.Dir, account: acct}
	if c.Password == "" {
		c.Password = rand.Text()
	}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if err := c.initialize(ctx); err != nil {
		return nil, err
	}
	return c, c.startServer(ctx)
}

// Stop shuts the server down, disconnecting everybody, and removes its files
// unless they are in Options.Dir. Stopping twice is fine.
func (c *Cluster) Stop() error {
	var err error
	if c.server != nil {
		err = c.server.end(syscall.SIGINT) // "fast" shutdown
	}
	if c.opts.Dir == "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// Kill9 kills every process of the server at once, as a crash of its machine would.
// Restart brings it back, with everything that was committed.
func (c *Cluster) Kill9() error {
	// Killed alone, the parent would leave sessions that answer for a while. Stopped
	// first, it starts no more of them.
	if err := c.server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	for _, pid := range children(c.server.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
	}
	return c.server.end(syscall.SIGKILL)
}

// Restart stops the server, if it runs, and starts it on the same port.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.server.end(syscall.SIGINT); err != nil {
		return err
	}
	return c.startServer(ctx)
}

// DSN is a connection string for the user and database.
func (c *Cluster) DSN(user, password, database string) string {
	dsn := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     net.JoinHostPort(c.Host, strconv.Itoa(c.Port)),
		Path:     database,
		RawQuery: "sslmode=disable",
	}
	return dsn.String()
}

// Log is what the server has logged so far.
func (c *Cluster) Log() string {
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func (c *Cluster) logFile() string { return filepath.Join(c.dir, "log") }
func (c *Cluster) data() string    { return filepath.Join(c.dir, "data") }

// initialize makes the data directory. Everybody has to give a password, over TCP
// too, so that a test of a wrong one is a real test.
func (c *Cluster) initialize(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(c.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if err := c.account.mkdir(c.dir); err != nil {
		return err
	}
	passwordFile := filepath.Join(c.dir, "password")
	if err := c.account.writeFile(passwordFile, []byte(c.Password)); err != nil {
		return err
	}
	defer os.Remove(passwordFile)

	var out bytes.Buffer
	cmd := c.command("initdb", "--pgdata="+c.data(), "--username="+Superuser, "--pwfile="+passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start initdb: %w", err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.end(syscall.SIGKILL))
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("initdb: %s\n%s", cmd.ProcessState, bytes.TrimSpace(out.Bytes()))
	}
	return c.installCertificate()
}

func (c *Cluster) installCertificate() error {
	if c.opts.Cert == nil {
		return nil
	}
	if err := c.account.writeFile(filepath.Join(c.data(), "server.crt"), c.opts.Cert); err != nil {
		return err
	}
	return c.account.writeFile(filepath.Join(c.data(), "server.key"), c.opts.Key)
}

// startServer tries a few times: another program may take the free port first, and
// a server that was killed leaves processes that take a moment to notice. What the
// server itself answers is final.
func (c *Cluster) startServer(ctx context.Context) error {
	const attempts, pause = 20, 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := c.tryStart(ctx)
		if err == nil || sqlState(err) != "" || attempt == attempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Cluster) tryStart(ctx context.Context) error {
	port := c.Port
	if port == 0 {
		var err error
		if port, err = freePort(ctx, c.Host); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	before := len(c.Log())

	cmd := c.command("postgres", c.arguments(port)...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := c.awaitReady(ctx, p, port); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, c.Log()[before:]), p.end(syscall.SIGKILL))
	}
	c.Port, c.server = port, p
	return nil
}

// arguments are settings on the command line, which go before postgresql.conf.
// There is no Unix socket: the default folder for it may not be ours to write to.
func (c *Cluster) arguments(port int) []string {
	settings := map[string]string{
		"listen_addresses":        c.Host,
		"unix_socket_directories": "",
		"fsync":                   onOff(c.opts.Fsync),
		"full_page_writes":        onOff(c.opts.Fsync),
		"ssl":                     onOff(c.opts.Cert != nil),
		"log_line_prefix":         "%m [%p] %q%u@%d ",
	}
	for name, value := range c.opts.Settings {
		settings[name] = value
	}
	args := []string{"-D", c.data(), "-p", strconv.Itoa(port)}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// command runs a program of PostgreSQL as the server's user, without our
// environment: PGPORT and the like would change what it does. Its context never
// ends, because the server outlives that of Start.
func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = c.account.processAttributes()
	return cmd
}

// awaitReady returns once the server answers the superuser. A password that does
// not fit (that of an existing cluster in Options.Dir) ends the wait at once.
func (c *Cluster) awaitReady(ctx context.Context, p *process, port int) error {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return err
	}
	config.Host, config.Port, config.Fallbacks = c.Host, uint16(port), nil
	config.User, config.Password, config.Database = Superuser, c.Password, "postgres"

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			return conn.Close(ctx)
		}
		if slices.Contains([]string{"28P01", "28000"}, sqlState(err)) {
			return err
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("postgres: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func freePort(ctx context.Context, host string) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
