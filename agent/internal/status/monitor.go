package status

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// Options are what a Monitor cannot find out by itself.
type Options struct {
	Version string
	Config  string // the file that the agent runs with
	Log     *slog.Logger
}

// A Monitor looks at an agent every few seconds: it keeps a history, judges whether
// the agent is degraded, and logs when that changes. It is made by New and run once.
type Monitor struct {
	agent   Agent
	options Options
	started time.Time

	mu      sync.Mutex
	watcher watcher
	series  map[string]*series
	reasons map[string]Reason // those that were logged, by what stays the same of them
	began   bool              // every plugin has run once
	report  Report            // the latest
}

// New returns a monitor of an agent that has just been started.
func New(a Agent, o Options) *Monitor {
	m := &Monitor{
		agent: a, options: o, started: time.Now(),
		watcher: watcher{down: make(map[string]time.Time)},
		series:  make(map[string]*series), reasons: make(map[string]Reason),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.look(time.Now())
	return m
}

// Run looks at the agent until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(fineStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		m.mu.Lock()
		m.sample(m.look(time.Now()))
		m.mu.Unlock()
	}
}

// Report tells how the agent is now.
func (m *Monitor) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.look(time.Now())
}

// Summary is the state and one line about it, such as systemd shows.
func (m *Monitor) Summary() (State, string) {
	r := m.Report()
	return r.State, r.Line()
}

// look makes a report. A status page that is asked often does not have it made more
// often than once a second. m.mu is held.
func (m *Monitor) look(now time.Time) *Report {
	if !m.report.Time.IsZero() && now.Sub(m.report.Time) < time.Second {
		return &m.report
	}
	r := Report{
		State: OK, Reasons: []Reason{}, Version: m.options.Version, PID: os.Getpid(), Config: m.options.Config,
		Started: m.started, Time: now, Pipelines: pipelines(m.agent, now),
	}
	running := true
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		if s := m.series[p.Name]; s != nil {
			p.ReadRate, p.StoredRate = s.rate()
		}
		reasons, up := m.watcher.judge(p, now)
		p.State = OK
		switch {
		case len(reasons) > 0:
			p.State = Degraded
		case !up && !m.began:
			p.State = Starting
		}
		running = running && up
		r.Reasons = append(r.Reasons, reasons...)
	}
	m.began = m.began || running
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return a.Since.Compare(b.Since) })
	switch {
	case len(r.Reasons) > 0:
		r.State = Degraded
	case !m.began:
		r.State = Starting
	}
	m.tell(r.Reasons)
	m.report = r
	return &m.report
}

// tell logs what makes the agent degraded, once, and when it does not any more.
func (m *Monitor) tell(reasons []Reason) {
	now := make(map[string]Reason)
	for _, r := range reasons {
		k := fmt.Sprintf("%s\x00%s\x00%s", r.Pipeline, r.Block, r.Kind)
		if _, known := m.reasons[k]; !known {
			m.options.Log.Error("degraded", "pipeline", r.Pipeline, "block", r.Block, "kind", string(r.Kind), "reason", r.Text)
		}
		now[k] = r
	}
	over := make([]Reason, 0, len(m.reasons))
	for k, r := range m.reasons {
		if _, still := now[k]; !still {
			over = append(over, r)
		}
	}
	slices.SortFunc(over, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Block, b.Block), cmp.Compare(a.Kind, b.Kind))
	})
	for _, r := range over {
		m.options.Log.Info("works again", "pipeline", r.Pipeline, "block", r.Block, "kind", string(r.Kind),
			"after", time.Since(r.Since).Round(time.Second).String())
	}
	m.reasons = now
}

// sample adds a look to the history. Pipelines that are gone are forgotten.
func (m *Monitor) sample(r *Report) {
	kept := make(map[string]*series)
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		s := m.series[p.Name]
		if s == nil {
			s = newSeries()
		}
		s.add(p, r.Time)
		kept[p.Name] = s
	}
	m.series = kept
}

// History is what a pipeline was like: over the last quarter of an hour, and over a day.
func (m *Monitor) History(pipeline string) (fine, coarse []Point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[pipeline]
	if s == nil {
		return nil, nil
	}
	return slices.Clone(s.fine), slices.Clone(s.coarse)
}
