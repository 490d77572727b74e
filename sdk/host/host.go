// Package host starts plugin processes and is the agent's end of the wire. Only the
// agent's catalog and the conformance kit import it; authors do not need it.
package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
)

// Description is what a plugin says of itself.
type Description = wire.Description

// Opened is what an open source or sink can do.
type Opened = wire.Opened

// A Source is a plugin's source. Settle and Watch may only be called if Opened says so.
type Source interface {
	sdk.Source
	sdk.Settler
	sdk.Watcher
}

// A Sink is a plugin's sink. Done may only be called if Opened says so.
type Sink interface {
	sdk.Sink
	sdk.Ledger
}

// A Command says how to start a plugin.
type Command struct {
	Path string   // the program
	Args []string // its arguments, argv[0] included
	Env  []string // its whole environment, but for the handshake's variables
	// Secrets are values in Env and Args to conceal from the start; see [Process.Conceal].
	Secrets []string
	// Program, if set, is executed instead of what lies at Path, which then is a name
	// only. It may be closed once Start has returned. The plugin inherits it: the
	// kernel hands a script to its interpreter by the name of that descriptor.
	Program *os.File
	// Dir is the parent of the folder for the plugin's socket; the folder is made
	// with mode 0700 and removed when the plugin has ended.
	Dir string
	// StartTimeout bounds the time to the handshake; 0 means 10 seconds.
	StartTimeout time.Duration
}

// A Process is one running plugin. Its methods may be called concurrently.
type Process struct {
	client   *goplugin.Client
	conn     *grpc.ClientConn
	control  *wire.Control
	cmd      *exec.Cmd
	lines    *lineLog
	secrets  *concealer
	lifeline *os.File
	dir      string
	exited   chan struct{}
}

// Start starts a plugin and shakes hands with it. What the plugin writes to its
// standard error and output goes to log. It takes no longer than c.StartTimeout.
//
// The process is the leader of a group of its own, so that a terminal's or systemd's
// signals to the agent do not reach it before it has been drained; it dies with the
// agent, by a parent-death signal and by the lifeline that package plugin watches.
func Start(c Command, log *slog.Logger) (_ *Process, err error) {
	dir, err := socketDir(c.Dir)
	if err != nil {
		return nil, sdk.Denied(err)
	}
	secrets := &concealer{}
	secrets.add(c.Secrets)
	p := &Process{lines: newLineLog(log, secrets), secrets: secrets, dir: dir, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			p.Kill()
			err = secrets.err(p.lines.explain(err))
		}
	}()

	lifeline, mine, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make lifeline: %w", err)
	}
	defer lifeline.Close()
	p.lifeline = mine

	p.cmd = c.exec(lifeline, dir)
	p.client = goplugin.NewClient(p.config(c))

	if err := p.launch(); err != nil {
		return nil, err
	}
	return p, nil
}

// exec prepares the process. Its first two descriptors beyond the usual ones are the
// lifeline and the program.
func (c Command) exec(lifeline *os.File, dir string) *exec.Cmd {
	path, extra := c.Path, []*os.File{lifeline}
	if c.Program != nil {
		path, extra = "/proc/self/fd/4", append(extra, c.Program)
	}
	cmd := exec.Command(path) //nolint:noctx // the process outlives every context; Stop ends it.
	cmd.Args = c.Args
	cmd.ExtraFiles = extra
	cmd.Env = append(c.Env[:len(c.Env):len(c.Env)],
		wire.LifelineVariable+"="+strconv.Itoa(3),
		goplugin.EnvUnixSocketDir+"="+dir,
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (p *Process) config(c Command) *goplugin.ClientConfig {
	timeout := c.StartTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return &goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{wire.ProtocolVersion: {wire.PluginName: &wire.Plugin{}}},
		Cmd:              p.cmd,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     timeout,
		// Any level but Off makes go-plugin parse each line of the plugin's log, and
		// some lines panic its parser.
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
		Stderr:          p.lines.stream(),
		SyncStdout:      p.lines.stream(),
		SyncStderr:      p.lines.stream(),
		GRPCDialOptions: append(wire.DialOptions(), p.secrets.dialOptions()...),
	}
}

// launch starts the process and connects. The thread that starts a child with a
// parent-death signal must live as long as the child (golang.org/issue/27505), so one
// locked thread starts it and then waits for its end.
func (p *Process) launch() error {
	started := make(chan error, 1)
	go p.spawnAndWatch(started)
	if err := <-started; err != nil {
		return fmt.Errorf("start plugin: %w", plainly(err))
	}
	protocol, err := p.client.Client()
	if err != nil {
		return fmt.Errorf("connect to plugin: %w", err)
	}
	conn, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return fmt.Errorf("connect to plugin: %w", err)
	}
	p.conn = conn.(*grpc.ClientConn)
	p.control = wire.NewControl(p.conn)
	return nil
}

// Describe asks what the plugin is.
func (p *Process) Describe(ctx context.Context) (Description, error) { return p.control.Describe(ctx) }

// Validate asks the plugin to check settings.
func (p *Process) Validate(ctx context.Context, settings []byte) ([]sdk.Fault, error) {
	return p.control.Validate(ctx, settings)
}

// Rights asks the plugin what it has to be granted under settings.
func (p *Process) Rights(ctx context.Context, settings []byte) ([]sdk.Right, error) {
	return p.control.Rights(ctx, settings)
}

// Check asks the open plugin to try its access. It may only be called if Opened says so.
func (p *Process) Check(ctx context.Context) ([]sdk.Finding, error) { return p.control.Check(ctx) }

// Open opens the plugin's source or sink; it is called once. environment is set in
// the plugin's own environment first; only built-ins get any.
func (p *Process) Open(ctx context.Context, settings []byte, environment map[string]string) (Opened, error) {
	return p.control.Open(ctx, settings, environment)
}

// Source calls the plugin's source.
func (p *Process) Source() Source { return wire.NewSource(p.conn) }

// Sink calls the plugin's sink.
func (p *Process) Sink() Sink { return wire.NewSink(p.conn) }

// PID is the process id, for logs and tests.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is the end of what the plugin wrote to its log, a line each.
func (p *Process) Output() []string { return p.lines.recent() }

// Exited is closed when the process has ended, whoever ended it.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// socketDir makes the folder of one plugin's socket.
func socketDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "p")
	if err != nil {
		return "", fmt.Errorf("make folder for the plugin's socket: %w", err)
	}
	// sun_path holds 108 bytes with the final NUL (unix(7)); go-plugin adds a name of
	// "plugin" and up to ten digits.
	const longest = 107 - len("/plugin0123456789")
	if len(dir) > longest {
		_ = os.Remove(dir)
		return "", fmt.Errorf("folder for the plugin's socket %s is %d characters long, at most %d are possible: set a shorter TMPDIR", filepath.Dir(dir), len(dir), longest)
	}
	return dir, nil
}
