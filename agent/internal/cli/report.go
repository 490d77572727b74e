package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/daemon"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
)

// How often a progress line is drawn anew, and how often the service logs its counts.
const (
	progressInterval = 200 * time.Millisecond
	logInterval      = time.Minute
)

// A report tells a person what the pipelines do: a progress line on a terminal, a
// summary line per pipeline at the end, and the service's counts in its log.
type report struct {
	daemon   *daemon.Daemon
	out, tty io.Writer // tty is nil without a terminal or in the service
	log      *slog.Logger
	dry      bool
	once     bool
	began    time.Time
	stop     chan struct{}
	stopped  chan struct{}
}

func newReport(d *daemon.Daemon, stdout, stderr io.Writer, o daemon.Options) *report {
	r := &report{daemon: d, out: stdout, log: o.Log, once: o.Once, stop: make(chan struct{}), stopped: make(chan struct{})}
	if o.DryRun != nil {
		r.out = stderr // standard output holds the events
		r.dry = true
	}
	if o.Once && isTerminal(stderr) {
		r.tty = stderr
	}
	return r
}

func (r *report) start() {
	r.began = time.Now()
	go func() {
		defer close(r.stopped)
		if r.once && r.tty == nil {
			<-r.stop
			return
		}
		interval := logInterval
		if r.once {
			interval = progressInterval
		}
		tick := time.NewTicker(interval)
		defer tick.Stop()
		var before map[string]pipeline.Stats
		for {
			select {
			case <-tick.C:
			case <-r.stop:
				return
			}
			if r.once {
				fmt.Fprintf(r.tty, "\r\x1b[K%s", r.progress())
			} else {
				before = r.logCounts(before)
			}
		}
	}()
}

// end prints the summaries, but not the empty one of a run that failed before it began.
func (r *report) end(failed bool) {
	close(r.stop)
	<-r.stopped
	if r.tty != nil {
		fmt.Fprint(r.tty, "\r\x1b[K")
	}
	names, stats := r.daemon.Stats()
	for i, s := range stats {
		if failed && s.Taken+s.Known == 0 {
			continue
		}
		if r.once {
			fmt.Fprintf(r.out, "pipeline %s: %s in %s\n", names[i], summary(s, r.dry), time.Since(r.began).Round(10*time.Millisecond))
		} else {
			r.log.Info("stopped", logAttrs(names[i], s)...)
		}
	}
}

// progress is one line: splits, events, rate and time left.
func (r *report) progress() string {
	_, stats := r.daemon.Stats()
	var taken, settled, read int64
	for _, s := range stats {
		taken += s.Taken
		settled += s.Settled + s.Failed
		read += s.Read
	}
	elapsed := time.Since(r.began)
	line := fmt.Sprintf("%d of %d splits, %d events, %.0f events/s", settled, taken, read, float64(read)/elapsed.Seconds())
	if settled > 0 && settled < taken {
		left := time.Duration(float64(elapsed) * float64(taken-settled) / float64(settled))
		line += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return line
}

// logCounts logs what each pipeline did since before, if it did anything, and returns the
// counts by name.
func (r *report) logCounts(before map[string]pipeline.Stats) map[string]pipeline.Stats {
	names, stats := r.daemon.Stats()
	now := make(map[string]pipeline.Stats)
	for i, s := range stats {
		now[names[i]] = s
		d := since(s, before[names[i]])
		if d.Settled+d.Failed == 0 {
			continue
		}
		r.log.Info("carried", append(logAttrs(names[i], d), "in", logInterval.String())...)
	}
	return now
}

// since is s less an earlier snapshot of the same pipeline. One that was built anew counts
// from 0.
func since(s, before pipeline.Stats) pipeline.Stats {
	if s.Settled < before.Settled || s.Failed < before.Failed || len(s.Sinks) != len(before.Sinks) {
		return s
	}
	s.Settled -= before.Settled
	s.Failed -= before.Failed
	s.Read -= before.Read
	s.Filtered -= before.Filtered
	s.Unevaluable -= before.Unevaluable
	s.Sinks = slices.Clone(s.Sinks)
	for i := range s.Sinks {
		k, b := &s.Sinks[i], before.Sinks[i]
		k.Stored -= b.Stored
		k.Duplicate -= b.Duplicate
		k.Quarantined -= b.Quarantined
		k.Variants -= b.Variants
	}
	return s
}

// summary says what became of a pipeline's events. With several sinks each has its own
// counts. A dry run stores nothing, and asks nobody what is stored already.
func summary(s pipeline.Stats, dry bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "read %d", s.Read)
	switch sink := s.Sinks[0]; {
	case dry:
		fmt.Fprintf(&b, ", kept %d, filtered %d, quarantined %d", sink.Stored, s.Filtered, sink.Quarantined)
	case len(s.Sinks) == 1:
		fmt.Fprintf(&b, ", stored %d, duplicate %d, filtered %d, quarantined %d", sink.Stored, sink.Duplicate, s.Filtered, sink.Quarantined)
	default:
		fmt.Fprintf(&b, ", filtered %d", s.Filtered)
		for _, sink := range s.Sinks {
			fmt.Fprintf(&b, "; %s: stored %d, duplicate %d, quarantined %d", sink.Name, sink.Stored, sink.Duplicate, sink.Quarantined)
		}
	}
	fmt.Fprintf(&b, "; splits: %d read, %d stored before, %d left unread", s.Settled, s.Known, s.Failed)
	if n := variants(s); n > 0 {
		fmt.Fprintf(&b, "; %s came under the id of a stored event with other content: see table variants", count(int(n), "record"))
	}
	if s.Unevaluable > 0 {
		fmt.Fprintf(&b, "; %s kept because the filter could not be evaluated", count(int(s.Unevaluable), "event"))
	}
	return b.String()
}

func variants(s pipeline.Stats) (n int64) {
	for _, sink := range s.Sinks {
		n += sink.Variants
	}
	return n
}

func logAttrs(name string, s pipeline.Stats) []any {
	attrs := []any{"pipeline", name, "splits", s.Settled, "unread", s.Failed, "read", s.Read, "filtered", s.Filtered}
	if s.Unevaluable > 0 {
		attrs = append(attrs, "unevaluable", s.Unevaluable)
	}
	if n := variants(s); n > 0 {
		attrs = append(attrs, "variants", n)
	}
	for _, sink := range s.Sinks {
		prefix := ""
		if len(s.Sinks) > 1 {
			prefix = sink.Name + "."
		}
		attrs = append(attrs, prefix+"stored", sink.Stored, prefix+"duplicate", sink.Duplicate, prefix+"quarantined", sink.Quarantined)
	}
	return attrs
}

func isTerminal(w io.Writer) bool {
	if c, checked := w.(*checkedWriter); checked {
		w = c.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
