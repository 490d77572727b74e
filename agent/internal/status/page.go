package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// view is the page, in words: the template only places them.
type view struct {
	Report    *Report
	Up, Range string
	Reasons   []reasonView
	Pipelines []pipelineView
}

type reasonView struct {
	Reason
	For string
}

type pipelineView struct {
	Name                        string
	State                       State
	Rate, Lag, Backlog          string
	Sources                     []sourceView
	Sinks                       []sinkView
	Kept, Filtered, Unevaluable string
	Share                       int // per cent kept
	Plots                       []plotView
	Streams                     []streamView
	StreamCount, MoreStreams    int
}

type sourceView struct {
	Name, Lamp, Read, Splits, Listed, Plugin, Error string
	Unread                                          int
	Backfill                                        *backfillView
}

type backfillView struct {
	Words    string
	Known    bool
	Permille int64
}

type sinkView struct {
	Name, Lamp, Stored, Duplicate, Quarantined, Plugin, Error string
	AnyQuarantined                                            bool
	Variants                                                  string
}

type streamView struct {
	Account, Region, Source, Lag, Habit, Class string
	Width                                      int // lag in per cent of what the habit allows
}

// pageStreams is how many streams of a pipeline the page shows.
const pageStreams = 40

func newView(r *Report, span string, history func(pipeline string) (fine, coarse []Point)) view {
	v := view{Report: r, Up: Span(r.Time.Sub(r.Started)), Range: span}
	for _, x := range r.Reasons {
		v.Reasons = append(v.Reasons, reasonView{x, Span(r.Time.Sub(x.Since))})
	}
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		fine, coarse := history(p.Name)
		points, length := fine, fineStep*fineKept
		if span == "24h" {
			points, length = coarse, coarseStep*coarseKept
		}
		v.Pipelines = append(v.Pipelines, r.viewOf(p, points, length))
	}
	return v
}

func (r *Report) viewOf(p *Pipeline, points []Point, length time.Duration) pipelineView {
	v := pipelineView{
		Name: p.Name, State: p.State, Rate: perSecond(p.ReadRate), Lag: "none yet",
		Kept: grouped(p.Read - p.Filtered), Filtered: grouped(p.Filtered), Share: 100,
	}
	if p.Lag != nil {
		v.Lag = Span(time.Duration(*p.Lag)) + " ago"
	}
	if p.Read > 0 {
		v.Share = int(100 * (p.Read - p.Filtered) / p.Read)
	}
	if p.Unevaluable > 0 {
		v.Unevaluable = grouped(p.Unevaluable)
	}
	var backlog, size int64
	for i := range p.Sources {
		s := &p.Sources[i]
		backlog += int64(s.Backlog.Waiting + s.Backlog.Reading + s.Backlog.Writing)
		size += s.Backlog.Bytes
		v.Sources = append(v.Sources, r.sourceView(p, s))
	}
	v.Backlog = "nothing"
	if backlog > 0 {
		v.Backlog = splits(backlog) + ", " + bytesText(size)
	}
	for i := range p.Sinks {
		v.Sinks = append(v.Sinks, r.sinkView(p, &p.Sinks[i]))
	}
	v.Plots = []plotView{ratePlot(p, points, r.Time, length), lagPlot(v.Lag, points, r.Time, length)}
	v.addStreams(p)
	return v
}

func (r *Report) sourceView(p *Pipeline, s *Source) sourceView {
	v := sourceView{
		Name: s.Name, Read: grouped(s.Read), Splits: grouped(s.Settled), Listed: r.ago(s.LastListing),
		Plugin: strings.TrimPrefix(process(s.Plugin), ", "), Error: r.errorView(s.LastError, s.Failing),
		Unread: s.Unread, Lamp: r.lamp(p, "source "+s.Name, s.Plugin),
	}
	if b := s.Backfill; b != nil {
		v.Backfill = &backfillView{Words: b.words(), Known: b.Total > 0}
		if b.Total > 0 {
			v.Backfill.Permille = min(1000, 1000*b.Seen/b.Total)
		}
	}
	return v
}

func (r *Report) sinkView(p *Pipeline, k *Sink) sinkView {
	v := sinkView{
		Name: k.Sink, Stored: grouped(k.Stored), Duplicate: grouped(k.Duplicate), Quarantined: grouped(k.Quarantined),
		AnyQuarantined: k.Quarantined > 0, Plugin: strings.TrimPrefix(process(k.Plugin), ", "),
		Error: r.errorView(k.LastError, k.Failing), Lamp: r.lamp(p, "sink "+k.Sink, k.Plugin),
	}
	if k.Variants > 0 {
		v.Variants = grouped(k.Variants)
	}
	return v
}

// errorView tells an error that stands or is of the last hour; older ones are in the
// report.
func (r *Report) errorView(last *Error, failing []Error) string {
	if last == nil || len(failing) == 0 && r.Time.Sub(last.Last) > time.Hour {
		return ""
	}
	return fmt.Sprintf("%s ago, %s: %s", Span(r.Time.Sub(last.Last)), last.What, plain.Text(last.Text))
}

func (r *Report) lamp(p *Pipeline, block string, plugin *Plugin) string {
	switch {
	case slices.ContainsFunc(r.Reasons, func(x Reason) bool { return x.Pipeline == p.Name && x.Block == block }):
		return "bad"
	case plugin != nil && !plugin.Running:
		return "wait"
	}
	return "ok"
}

func (v *pipelineView) addStreams(p *Pipeline) {
	type of struct {
		Stream
		source string
	}
	var all []of
	for _, s := range p.Sources {
		name := ""
		if len(p.Sources) > 1 {
			name = s.Name
		}
		for _, x := range oldest(s.Streams) {
			all = append(all, of{x, name})
		}
	}
	slices.SortStableFunc(all, func(a, b of) int { return rank(b.Stream) - rank(a.Stream) })
	v.StreamCount = len(all)
	v.MoreStreams = max(0, len(all)-pageStreams)
	for _, x := range all[:min(len(all), pageStreams)] {
		sv := streamView{
			Account: x.Account, Region: x.Region, Source: x.source,
			Lag: Span(time.Duration(x.Lag)) + " ago", Habit: strings.ToLower(x.habit()),
		}
		switch {
		case x.Silent:
			sv.Class = "silent"
		case x.Ended:
			sv.Class = "ended"
		}
		if x.Quiet > 0 {
			sv.Width = int(min(100, max(0, 100*x.Lag/x.Quiet)))
		}
		v.Streams = append(v.Streams, sv)
	}
}
