package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
)

const (
	// grace is how long something that passes by itself may fail before it counts: a
	// database that is restarted, a request that was throttled.
	grace = 15 * time.Second
	// patience is how long a plugin may be without a process, and answer how long a call
	// of a sink may take.
	patience = 30 * time.Second
	answer   = 2 * time.Minute
	// expected is how long a stream that has fallen silent is missed. The last one of a
	// source is missed for ever.
	expected = 7 * 24 * time.Hour
	// told bounds how many streams a reason names.
	named = 3
)

// judgeSilence says which of a source's streams are silent against their habit. Nothing
// is said while there is another reason for silence: before everything visible was read
// once, a stream is only judged if it was seen to be up to date.
func judgeSilence(out *Source, s pipeline.SourceStats, now time.Time) {
	newest := -1
	for i, x := range out.Streams {
		if newest < 0 || x.Newest.After(out.Streams[newest].Newest) {
			newest = i
		}
	}
	for i := range out.Streams {
		x, of := &out.Streams[i], s.Streams[i]
		quiet := now.Sub(x.Newest)
		x.Ended = quiet > expected && (i != newest || !of.Live)
		judged := of.Live && of.Quiet > 0 && (s.CaughtUp || of.Current)
		x.Silent = judged && !x.Ended && quiet > of.Quiet
	}
}

// A watcher finds out how long plugins have been without a process.
type watcher struct {
	down map[string]time.Time // by pipeline and block
}

// judge returns the reasons why a pipeline is degraded, and whether all its plugins run.
func (w *watcher) judge(p *Pipeline, now time.Time) (reasons []Reason, running bool) {
	running = true
	stored := true // whether the sinks work
	add := func(block string, kind Kind, since time.Time, format string, args ...any) {
		reasons = append(reasons, Reason{Pipeline: p.Name, Block: block, Kind: kind, Text: fmt.Sprintf(format, args...), Since: since})
	}
	for _, k := range p.Sinks {
		block := "sink " + k.Sink
		up, since, text := w.plugin(p.Name+"/"+block, k.Plugin, now)
		running = running && up
		before := len(reasons)
		if text != "" {
			add(block, KindPlugin, since, "%s", text)
		}
		for _, e := range k.Failing {
			if text == "" && counts(e, now) {
				add(block, kindOf(e), e.Since, "%s: %s", cannot(e.What), e.Text)
			}
		}
		if k.Waiting != nil && now.Sub(*k.Waiting) > answer && len(reasons) == before {
			add(block, KindFailing, *k.Waiting, "gives no answer to a call")
		}
		stored = stored && len(k.Failing) == 0 && len(reasons) == before
	}
	for i := range p.Sources {
		s := &p.Sources[i]
		block := "source " + s.Name
		up, since, text := w.plugin(p.Name+"/"+block, s.Plugin, now)
		running = running && up
		before := len(reasons)
		if text != "" {
			add(block, KindPlugin, since, "%s", text)
		}
		for _, e := range s.Failing {
			switch {
			case text != "" || !counts(e, now):
			case e.What == "read":
				add(block, KindUnread, e.Since, "%s cannot be read: %s", splits(int64(s.Unread)), e.Text)
			default:
				add(block, kindOf(e), e.Since, "%s: %s", cannot(e.What), e.Text)
			}
		}
		// Whoever sees or stores nothing for another reason is not called silent too.
		if silent := silentStreams(s); len(silent) > 0 && stored && len(reasons) == before && len(s.Failing) == 0 {
			add(block, KindSilent, silent[0].Newest.Add(time.Duration(silent[0].Quiet)), "%s", silence(s, silent))
		}
	}
	return reasons, running
}

// counts reports whether an error makes the agent degraded.
func counts(e Error, now time.Time) bool { return e.Denied || now.Sub(e.Since) > grace }

func kindOf(e Error) Kind {
	if e.Denied {
		return KindDenied
	}
	return KindFailing
}

func cannot(what string) string {
	switch what {
	case "list":
		return "cannot be listed"
	case "watch":
		return "cannot be watched"
	case "open":
		return "does not open"
	case "ask ledger":
		return "cannot be asked what it has"
	}
	return "does not take events"
}

func splits(n int64) string {
	if n == 1 {
		return "1 split"
	}
	return grouped(n) + " splits"
}

// plugin judges a plugin's process. A block without one, as in a dry run, is well.
func (w *watcher) plugin(key string, p *Plugin, now time.Time) (up bool, since time.Time, text string) {
	if p == nil || p.Running {
		delete(w.down, key)
	} else if w.down[key].IsZero() {
		w.down[key] = now
	}
	since = w.down[key]
	why := ""
	if p != nil && p.Error != "" {
		why = ": " + p.Error
	}
	switch {
	case p == nil:
		return true, since, ""
	case p.Degraded:
		if since.IsZero() {
			since = now
		}
		return p.Running, since, fmt.Sprintf("its plugin crashed %d times within ten minutes%s", p.Crashes, why)
	case !p.Running && now.Sub(since) > patience:
		return false, since, "its plugin does not run" + why
	}
	return p.Running, since, ""
}

func silentStreams(s *Source) []Stream {
	var silent []Stream
	for _, x := range oldest(s.Streams) {
		if x.Silent {
			silent = append(silent, x)
		}
	}
	return silent
}

// silence says which streams are silent, in words.
func silence(s *Source, silent []Stream) string {
	var names []string
	for _, x := range silent[:min(named, len(silent))] {
		names = append(names, fmt.Sprintf("%s %s since %s (usually one %s)",
			x.Account, x.Region, x.Newest.UTC().Format("2006-01-02 15:04"), every(time.Duration(x.Usual))))
	}
	text := "no events of " + strings.Join(names, ", ")
	if more := len(silent) - named; more > 0 {
		text += fmt.Sprintf(" and of %d more of its %d streams", more, len(s.Streams))
	}
	return text + ": is the trail still logging, and may the agent read all of it?"
}

// Span is a duration in a person's words: "12 s", "5 min", "3 h 20 min", "2 d 4 h".
func Span(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return join(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return join(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func join(a int, au string, b int, bu string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, au)
	}
	return fmt.Sprintf("%d %s %d %s", a, au, b, bu)
}
