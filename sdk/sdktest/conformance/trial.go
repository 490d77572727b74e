package conformance

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// How long the agent lets a plugin take. The checks are no harder than it.
const (
	openTimeout = 30 * time.Second
	stopTimeout = 10 * time.Second
)

// agentPath is the PATH that the agent gives to plugins; Env may hold another one.
const agentPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A trial is one run of one check: the processes it started and all they said.
type trial struct {
	*Suite
	ctx context.Context //nolint:containedctx // lives as long as one run of a check
	log logbook
	// all processes, for their arguments and environments; ended ones too
	processes []*process
}

// A process is the plugin, running.
type process struct {
	*host.Process
	host.Opened
	trial *trial
	tmp   string // its TMPDIR
	seen  string // its arguments and environment
}

// start starts the plugin. It is killed when the trial ends.
func (t *trial) start() (*process, error) {
	return t.startCommand(t.options.Path, t.options.Args)
}

func (t *trial) startCommand(path string, args []string) (*process, error) {
	dir, err := t.mkdir()
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	h, err := host.Start(host.Command{
		Path: path,
		Args: append([]string{path}, args...),
		Env:  slices.Concat([]string{agentPath}, t.options.Env, []string{"TMPDIR=" + tmp, host.Inspectable + "=1"}),
		Dir:  dir,
	}, slog.New(slog.NewTextHandler(&t.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		return nil, err
	}
	p := &process{Process: h, trial: t, tmp: tmp}
	t.processes = append(t.processes, p)
	return p, nil
}

// open starts the plugin and opens it with the settings that work.
func (t *trial) open() (*process, error) { return t.openWith(t.options.Settings) }

func (t *trial) openWith(settings []byte) (*process, error) {
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, openTimeout)
	defer cancel()
	p.Opened, err = p.Open(ctx, settings, t.options.OpenEnvironment)
	if err != nil {
		return nil, fmt.Errorf("open with the given settings: %w", err)
	}
	p.look()
	return p, nil
}

// look keeps what everybody on the machine, or the same user, can see of the process.
func (p *process) look() {
	var all []byte
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID(), name))
		if err == nil {
			all = append(all, b...)
		}
	}
	p.seen = string(all)
}

// stop ends the plugin as the agent does, and says what was not in order.
func (p *process) stop() error {
	ctx, cancel := context.WithTimeout(p.trial.ctx, stopTimeout)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if end := p.End(); end != "exit status 0" {
		return fmt.Errorf("the plugin was told to shut down but ended with %s: serve plugin.GRPCController/Shutdown, end all that keeps the process, and exit with 0", end)
	}
	left, err := os.ReadDir(p.tmp)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("the plugin left %s in its TMPDIR", left[0].Name())
	}
	return nil
}

// end kills what still runs.
func (t *trial) end() {
	for _, p := range t.processes {
		p.Kill()
	}
}

// A logbook keeps all that plugins log.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (r *logbook) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// String is the log so far.
func (r *logbook) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
