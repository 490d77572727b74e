package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// maxLine bounds the one line about the agent.
const maxLine = 300

// Line is one line about the agent: why it is degraded, or else how fast it is and how
// old the newest event of each pipeline is.
func (r *Report) Line() string {
	var parts []string
	for _, x := range r.Reasons {
		parts = append(parts, fmt.Sprintf("%s: %s %s", x.Pipeline, x.Block, plain.Text(x.Text)))
	}
	if len(parts) == 0 {
		for i := range r.Pipelines {
			p := &r.Pipelines[i]
			parts = append(parts, fmt.Sprintf("%s: %s", p.Name, pace(p)))
		}
	}
	line := string(r.State)
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, "; ")
	}
	if runes := []rune(line); len(runes) > maxLine {
		line = string(runes[:maxLine-1]) + "…"
	}
	return line
}

// pace says how fast a pipeline is, and how far behind.
func pace(p *Pipeline) string {
	text := perSecond(p.ReadRate)
	if p.Lag != nil {
		text += fmt.Sprintf(", newest event %s ago", Span(time.Duration(*p.Lag)))
	} else {
		text += ", no event yet"
	}
	return text
}

func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "0 events/s"
	case rate < 10:
		return fmt.Sprintf("%.1f events/s", rate)
	}
	return grouped(int64(rate+0.5)) + " events/s"
}

// shownStreams is how many streams of a source agent status prints.
const shownStreams = 8

// A Style colours words of a report for a terminal.
type Style struct{ Bold, Good, Bad, Faint func(string) string }

// Plain is for everything that is no terminal.
func Plain() Style {
	same := func(s string) string { return s }
	return Style{same, same, same, same}
}

// Colourful is for a terminal.
func Colourful() Style {
	sgr := func(code string) func(string) string {
		return func(s string) string { return "\x1b[" + code + "m" + s + "\x1b[0m" }
	}
	return Style{Bold: sgr("1"), Good: sgr("32"), Bad: sgr("31"), Faint: sgr("2")}
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer, st Style) error {
	var b strings.Builder
	mark := st.Good("●")
	if r.State != OK {
		mark = st.Bad("●")
	}
	fmt.Fprintf(&b, "%s %s   agent %s, pid %d, up %s, %s\n", mark, st.Bold(string(r.State)), r.Version, r.PID, Span(r.Time.Sub(r.Started)), plain.Text(r.Config))
	for _, x := range r.Reasons {
		fmt.Fprintf(&b, "  %s %s: %s %s %s\n", st.Bad("✗"), x.Pipeline, x.Block, plain.Text(x.Text), st.Faint("(for "+Span(r.Time.Sub(x.Since))+")"))
	}
	for i := range r.Pipelines {
		r.pipeline(&b, &r.Pipelines[i], st)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) pipeline(b *strings.Builder, p *Pipeline, st Style) {
	fmt.Fprintf(b, "\n%s %s   %s\n", st.Bold("pipeline "+p.Name), p.State, pace(p))
	width := 0
	for _, s := range p.Sources {
		width = max(width, len("source "+s.Name))
	}
	for _, k := range p.Sinks {
		width = max(width, len("sink "+k.Sink))
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-*s  %s\n", width, name, fmt.Sprintf(format, args...))
	}
	for i := range p.Sources {
		r.source(line, &p.Sources[i])
	}
	for _, k := range p.Sinks {
		line("sink "+k.Sink, "stored %s, duplicate %s, quarantined %s", grouped(k.Stored), grouped(k.Duplicate), grouped(k.Quarantined))
		line("", "success %s%s", r.ago(k.LastSuccess), process(k.Plugin))
		if k.Variants > 0 {
			line("", "%s records came with the id of a stored event but with other content; see table variants", grouped(k.Variants))
		}
		r.lastError(line, k.LastError)
	}
	for _, s := range p.Sources {
		printStreams(b, s, st)
	}
}

func (r *Report) source(line func(name, format string, args ...any), s *Source) {
	line("source "+s.Name, "read %s, filtered %s, of %s", grouped(s.Read), grouped(s.Filtered), splits(s.Settled))
	line("", "success %s, listed %s%s", r.ago(s.LastSuccess), r.ago(s.LastListing), process(s.Plugin))
	if n := s.Backlog.Waiting + s.Backlog.Reading + s.Backlog.Writing; n > 0 {
		line("", "backlog %s, %s", splits(int64(n)), bytesText(s.Backlog.Bytes))
	}
	if s.Backfill != nil {
		line("", "backfill %s", s.Backfill.words())
	}
	r.lastError(line, s.LastError)
	if s.Unevaluable > 0 {
		line("", "%s events kept because the filter could not be evaluated", grouped(s.Unevaluable))
	}
}

func (r *Report) lastError(line func(name, format string, args ...any), e *Error) {
	if e != nil {
		line("", "last error %s ago, %s: %s", Span(r.Time.Sub(e.Last)), e.What, plain.Text(e.Text))
	}
}

// ago says how long something is ago.
func (r *Report) ago(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return Span(r.Time.Sub(*at)) + " ago"
}

func printStreams(b *strings.Builder, s Source, st Style) {
	t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for i, x := range oldest(s.Streams) {
		if i == shownStreams {
			fmt.Fprintf(t, "    and %d more streams; -json shows all\n", len(s.Streams)-shownStreams)
			break
		}
		fmt.Fprintf(t, "    %s\t%s\tnewest event %s ago\t%s\t%s\n", x.Account, x.Region, Span(time.Duration(x.Lag)), x.habit(), grouped(x.Events)+" events")
	}
	_ = t.Flush()
	if s.Unwatched > 0 {
		fmt.Fprintf(b, "    %s\n", st.Faint(grouped(s.Unwatched)+" events of more accounts and Regions than are told apart"))
	}
}

// habit says how often a stream usually has events.
func (x Stream) habit() string {
	switch {
	case x.Silent:
		return "SILENT, usually one " + every(time.Duration(x.Usual))
	case x.Ended:
		return "ended"
	case x.Quiet == 0:
		return "habit unknown yet"
	}
	return "usually " + every(time.Duration(x.Usual))
}

func every(d time.Duration) string {
	if d < 2*time.Minute {
		return "every minute"
	}
	return "every " + Span(d)
}

func process(p *Plugin) string {
	switch {
	case p == nil:
		return ""
	case !p.Running:
		return fmt.Sprintf(", plugin down, %s", restarts(p.Restarts))
	}
	return fmt.Sprintf(", plugin pid %d, %s", p.PID, restarts(p.Restarts))
}

func restarts(n int) string {
	if n == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", n)
}

func (b *Backfill) words() string {
	if b.Total == 0 {
		return fmt.Sprintf("%s seen, %s; counting the rest", splits(b.Seen), bytesText(b.SeenBytes))
	}
	left := ""
	if b.Left > 0 {
		left = ", about " + Span(time.Duration(b.Left)) + " left"
	}
	return fmt.Sprintf("%s of %s splits, %s of %s%s", grouped(b.Seen), grouped(b.Total), bytesText(b.SeenBytes), bytesText(b.TotalBytes), left)
}

// grouped writes a number with its thousands apart: 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes a size: "0 B", "12.3 MB".
func bytesText(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for f >= 999.95 && i < len(units)-1 {
		f /= 1000
		i++
	}
	return fmt.Sprintf("%.1f %cB", f, units[i])
}
