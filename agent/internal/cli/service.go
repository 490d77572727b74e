package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/control"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/notify"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/status"
)

// A service is the agent as its host sees it: what it tells systemd, and what it can be
// asked for over the control socket or by SIGHUP. Its methods do nothing where it is nil.
type service struct {
	p      *Program
	flags  configFlags
	log    *slog.Logger
	level  *slog.LevelVar
	before []string // the environment without that of the environment file

	daemon   *daemon.Daemon
	monitor  *status.Monitor
	began    time.Time
	hangups  chan os.Signal
	notifier *notify.Notifier

	reloading sync.Mutex // held during a reload
	site      *status.Site
	listening string // where site listens, or was to

	mu    sync.Mutex
	phase phase
}

// phase is where a service is in its life. It only moves on, but for reloads.
type phase int

const (
	phaseStarting phase = iota
	phaseRunning
	phaseReloading
	phaseStopping
)

// answerPatience is how long the start waits for plugins that neither open nor fail. It is
// that of one start of a plugin; an agent whose other plugins work is of use before.
const answerPatience = 30 * time.Second

// catch takes over signals. It is called before any process is started, so that none of
// them ends the agent.
func (s *service) catch() {
	if s == nil {
		return
	}
	s.hangups = make(chan os.Signal, 1)
	signal.Notify(s.hangups, syscall.SIGHUP)
	var err error
	if s.notifier, err = notify.New(); err != nil {
		s.log.Warn("systemd is not told how the service is", "err", err)
	}
}

// serve does all of this until the function that it returns is called.
func (s *service) serve(d *daemon.Daemon, cfg *config.Config) (end func()) {
	s.daemon, s.began = d, time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	s.monitor = status.New(d, status.Options{Version: agentVersion(), Config: cfg.File, Log: s.log})
	server := s.listen(cfg)
	_ = s.show(cfg.Agent.HTTPListen) // it logs why
	running.Go(func() { s.monitor.Run(ctx) })
	running.Go(func() { s.announce(ctx) })
	running.Go(func() {
		s.notifier.Watch(ctx, s.status, d.Wedged, func(what string) {
			s.log.Error("a loop is stuck, systemd will start the agent anew", "loop", what)
		})
	})
	running.Go(func() {
		for {
			select {
			case <-s.hangups:
				s.reload(ctx, "SIGHUP")
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		last, cancelLast := context.WithTimeout(context.Background(), time.Second)
		defer cancelLast()
		if server != nil {
			server.Close(last)
		}
		running.Wait()
		s.reloading.Lock() // one that was under way ends with the daemon
		defer s.reloading.Unlock()
		if s.site != nil {
			s.site.Close(last)
		}
		signal.Stop(s.hangups)
	}
}

// announce tells systemd that the service is ready: the configuration holds and the plugins
// answer. What a plugin cannot reach, or refuses, does not make it less ready: to be started
// again would not help.
func (s *service) announce(ctx context.Context) {
	patience, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	for block, err := range s.daemon.Answered(patience) {
		if ctx.Err() == nil {
			s.log.Warn("ready although a plugin is not", "block", block, "err", err)
		}
	}
	if ctx.Err() == nil && s.enter(phaseRunning, phaseStarting) {
		s.notifier.Ready(s.status())
	}
}

// enter moves on to a phase from one of others, and reports whether it did.
func (s *service) enter(to phase, from ...phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range from {
		if s.phase == f {
			s.phase = to
			return true
		}
	}
	return false
}

// stopping says that the service has begun to stop.
func (s *service) stopping() {
	if s == nil {
		return
	}
	s.enter(phaseStopping, phaseStarting, phaseRunning, phaseReloading)
	s.notifier.Stopping(s.status())
}

// listen answers on the control socket. Without one the service does its work as well.
func (s *service) listen(cfg *config.Config) *control.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /status", s.monitor.Handler())
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.reload(r.Context(), control.SenderOf(r.Context()).String()))
	})
	file, err := filepath.Abs(cfg.File)
	if err != nil {
		file = cfg.File
	}
	path := control.Path(cfg.Agent.StateDir)
	server, err := control.Listen(path, file, mux, s.log)
	if err != nil {
		s.log.Warn("agent status and agent reload cannot reach this agent; SIGHUP does", "err", err)
		return nil
	}
	return server
}

// show serves the status page and the metrics at an address, and nowhere if that is empty.
// Events are carried without it too, so an address that cannot be used is told and no more.
func (s *service) show(address string) error {
	if address == s.listening && (s.site != nil || address == "") {
		return nil
	}
	if s.site != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.site.Close(ctx) // first: another address may have the same port
		s.site = nil
	}
	s.listening = address
	if address == "" {
		return nil
	}
	var err error
	if s.site, err = s.monitor.Serve(context.Background(), address); err != nil {
		s.log.Error("status page and metrics are not served", "err", err)
	}
	return err
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked is gone, or will notice
}

// A reloadAnswer is what came of a reload.
type reloadAnswer struct {
	Changes string `json:"changes,omitempty"`
	// Diagnostics are those of the file, errors and warnings, as validate prints them.
	Diagnostics string `json:"diagnostics,omitempty"`
	Err         string `json:"error,omitempty"`
	Code        int    `json:"code"` // the exit code of agent reload
}

// reload reads the configuration again, and takes it over if it holds.
func (s *service) reload(ctx context.Context, sender string) reloadAnswer {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if !s.enter(phaseReloading, phaseRunning, phaseStarting) {
		return reloadAnswer{Err: "the agent is stopping", Code: exitFailed}
	}
	s.notifier.Reloading()
	a := s.takeOver(context.WithoutCancel(ctx))
	switch {
	case a.Code == exitOK:
		s.log.Info("configuration taken over", "asked by", sender, "changes", a.Changes)
	case a.Changes != "":
		s.log.Error("configuration taken over but for one thing", "asked by", sender, "changes", a.Changes, "err", a.Err)
	default:
		s.log.Error("configuration not taken over, the agent goes on with the one before", "asked by", sender, "err", a.Err)
	}
	if s.enter(phaseRunning, phaseReloading) {
		s.notifier.Ready(s.status())
	}
	return a
}

func (s *service) takeOver(ctx context.Context) (a reloadAnswer) {
	guard := &config.Guard{Service: isService()}
	vars, err := s.flags.fileEnv(guard)
	if err != nil {
		return reloadAnswer{Err: err.Error(), Code: exitUsage}
	}
	options := s.p.configOptions(s.flags, true, guard)
	options.Env = func(name string) (string, bool) {
		if v, set := vars[name]; set {
			return v, true
		}
		return lookup(s.before, name)
	}
	cfg, diags := config.Load(s.flags.file, options)
	var text strings.Builder
	diags.Print(&text, false)
	a.Diagnostics = text.String()
	for _, d := range diags {
		s.log.Warn("in the configuration", "diagnostic", d.String())
	}
	if diags.HasErrors() {
		a.Err, a.Code = s.flags.file+" has faults, nothing was changed", exitUsage
		return a
	}
	old := os.Environ()
	setEnvironment(s.before, vars)
	changes, err := s.daemon.Reload(ctx, cfg)
	if err != nil {
		setEnvironment(old, nil)
		a.Err, a.Code = "nothing was changed: "+err.Error(), exitFailed
		if errors.As(err, new(daemon.NothingToRun)) {
			a.Code = exitUsage
		}
		return a
	}
	s.level.Set(cfg.Agent.LogLevel)
	limitMemory(cfg.Agent)
	a.Changes = changes.String()
	if err := s.show(cfg.Agent.HTTPListen); err != nil {
		a.Err, a.Code = "all but the status page was taken over: "+err.Error(), exitFailed
	}
	return a
}

// fileEnv are the variables of the environment file.
func (c *configFlags) fileEnv(guard *config.Guard) (map[string]string, error) {
	if c.envFile == "" {
		return nil, nil
	}
	if err := guard.CheckEnvFile(c.envFile); err != nil {
		return nil, err
	}
	vars, err := config.ReadEnvFile(c.envFile)
	if err == nil {
		guard.AddLoose(c.envFile, vars)
	}
	return vars, err
}

// lookup finds a variable in what os.Environ gives.
func lookup(environ []string, name string) (string, bool) {
	for _, kv := range environ {
		if v, found := strings.CutPrefix(kv, name+"="); found {
			return v, true
		}
	}
	return "", false
}

// setEnvironment makes the environment that of environ, with vars on top. The variables by
// which systemd is told, which notify has taken away, stay away.
func setEnvironment(environ []string, vars map[string]string) {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if _, stays := lookup(environ, name); !stays {
			_ = os.Unsetenv(name)
		}
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !notify.IsVariable(name) {
			_ = os.Setenv(name, value)
		}
	}
	for name, value := range vars {
		_ = os.Setenv(name, value)
	}
}

// status is the line that systemctl status shows.
func (s *service) status() string {
	s.mu.Lock()
	now := s.phase
	s.mu.Unlock()
	names, stats := s.daemon.Stats()
	var read, stored, duplicate, filtered, quarantined int64
	for _, st := range stats {
		read += st.Read
		filtered += st.Filtered
		for _, k := range st.Sinks {
			stored += k.Stored
			duplicate += k.Duplicate
			quarantined += k.Quarantined
		}
	}
	what := map[phase]string{
		phaseStarting: "starting", phaseRunning: "carrying", phaseReloading: "reloading", phaseStopping: "writing what has been fetched, then stopping",
	}[now]
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s: read %d, stored %d, duplicate %d, filtered %d, quarantined %d",
		what, count(len(names), "pipeline"), read, stored, duplicate, filtered, quarantined)
	if newest := s.daemon.Newest(); !newest.IsZero() {
		fmt.Fprintf(&b, "; lag %s", time.Since(newest).Round(time.Second))
	}
	if state, line := s.monitor.Summary(); state == status.Degraded && now != phaseStopping {
		fmt.Fprintf(&b, "; %s", strings.Replace(line, "degraded", "DEGRADED", 1))
	}
	return b.String()
}

const reloadText = `
agent reload has the running service read its configuration again. Everything is
checked first; a file with faults changes nothing. Only pipelines and plugins
that differ start anew, at the boundary of objects; the others go on. systemctl
reload inu-detector does the same.
`

// reload is the command.
func (p *Program) reload(args []string) int {
	var c serviceFlags
	f := p.flags("reload", reloadText)
	c.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent reload -h shows the flags", f.Arg(0))
		return exitUsage
	}
	client, err := c.client(isGiven(f, "config"))
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	var a reloadAnswer
	if err := client.Do(context.Background(), http.MethodPost, "/reload", &a); err != nil {
		// The service may well run, and its state_dir be what the faults hide.
		fmt.Fprint(p.Stderr, c.faults)
		p.failf("reload: %v", err)
		if c.faults != "" {
			return exitUsage
		}
		return exitFailed
	}
	fmt.Fprint(p.Stderr, a.Diagnostics)
	if a.Code != exitOK {
		p.failf("reload: %s", a.Err)
		return a.Code
	}
	fmt.Fprintf(p.Stdout, "reloaded; %s\n", a.Changes)
	return exitOK
}
