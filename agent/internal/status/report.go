// Package status tells how the agent is: a report for people and programs, the reasons
// why it is degraded, metrics, and one page over HTTP. It only reads; nothing that
// carries events waits for it.
package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
)

// An Agent is what is looked at; its methods may be called at any time.
type Agent interface {
	// Stats tells what each pipeline did, by name, in the configuration's order.
	Stats() (names []string, stats []pipeline.Stats)
	// Plugins tells how the plugin of each block is. Blocks are named after their
	// pipeline: "audit.source.1", counted from 1, and "audit.rds_direct".
	Plugins() []catalog.State
}

// State is the agent's, or a pipeline's.
type State string

// The states. Starting ends when every plugin has answered; degraded means that
// something is not seen or not stored, and somebody should look.
const (
	Starting State = "starting"
	OK       State = "ok"
	Degraded State = "degraded"
)

// A Report is everything that is known at one time. Its JSON form is what
// agent status -json prints: fields may be added, and keep their meaning.
type Report struct {
	State   State     `json:"state"`
	Reasons []Reason  `json:"reasons"` // why it is degraded, most recent last
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Config  string    `json:"config"`
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"`

	Pipelines []Pipeline `json:"pipelines"`
}

// A Reason is one thing that makes the agent degraded.
type Reason struct {
	Pipeline string    `json:"pipeline"`
	Block    string    `json:"block"` // "source s3", "sink rds_direct"
	Kind     Kind      `json:"kind"`
	Text     string    `json:"text"` // a sentence without its end
	Since    time.Time `json:"since"`
}

// Kind says what sort of thing a reason is; alerts can go by it.
type Kind string

// The kinds of reasons.
const (
	KindDenied  Kind = "denied"  // refused until somebody acts: credentials, rights, set-up
	KindFailing Kind = "failing" // fails again and again, such as a database that is away
	KindUnread  Kind = "unread"  // splits that cannot be read
	KindSilent  Kind = "silent"  // no events for longer than the stream's habit
	KindPlugin  Kind = "plugin"  // a plugin that crashes again and again, or does not start
)

// A Pipeline is one pipeline's part of a Report. Counts are since the start.
type Pipeline struct {
	Name    string   `json:"name"`
	State   State    `json:"state"`
	Sources []Source `json:"sources"`
	Sinks   []Sink   `json:"sinks"`

	Read        int64   `json:"read"` // events of splits that are settled
	Filtered    int64   `json:"filtered"`
	Unevaluable int64   `json:"unevaluable"`       // kept because the filter failed on them
	ReadRate    float64 `json:"read_per_second"`   // over the last minute
	StoredRate  float64 `json:"stored_per_second"` // of the sink that stored most
	// Newest is the newest eventTime of any stream, Lag how long ago that is. Both are
	// null until an event was stored.
	Newest *time.Time `json:"newest"`
	Lag    *Seconds   `json:"lag_seconds"`
}

// A Source is one source block.
type Source struct {
	Name        string  `json:"name"`
	Type        string  `json:"type"`
	Plugin      *Plugin `json:"plugin"`
	Read        int64   `json:"read"`
	Filtered    int64   `json:"filtered"`
	Unevaluable int64   `json:"unevaluable"`
	Settled     int64   `json:"splits_settled"`
	Known       int64   `json:"splits_known"` // met in listings and done already, at each listing
	Reread      int64   `json:"splits_reread"`
	Failed      int64   `json:"splits_given_up"` // tries that ended so; see Unread
	Unread      int     `json:"splits_unread"`   // given up and still not read
	Bytes       int64   `json:"bytes"`

	Counts      []Count    `json:"sinks"` // what became of the events that were kept
	Backlog     Backlog    `json:"backlog"`
	Backfill    *Backfill  `json:"backfill"` // null unless one runs
	LastListing *time.Time `json:"last_listing"`
	LastSuccess *time.Time `json:"last_success"`
	LastError   *Error     `json:"last_error"`
	Failing     []Error    `json:"failing"`
	Streams     []Stream   `json:"streams"`
	Unwatched   int64      `json:"unwatched"` // events of streams beyond those that are told apart
}

// A Count is what one sink made of a source's events.
type Count struct {
	Sink        string `json:"sink"`
	Stored      int64  `json:"stored"`
	Duplicate   int64  `json:"duplicate"`
	Quarantined int64  `json:"quarantined"`
}

// A Sink is one sink block.
type Sink struct {
	Count
	Plugin      *Plugin    `json:"plugin"`
	LastSuccess *time.Time `json:"last_success"`
	LastError   *Error     `json:"last_error"`
	Failing     []Error    `json:"failing"`
	Waiting     *time.Time `json:"waiting_since"` // of the oldest call without an answer
	// Passes tell how late events turn up: what each pass of a source stored that the
	// passes before had not found.
	Passes []Pass `json:"passes"`
	// Variants are duplicates that came with other content than what is stored.
	Variants int64 `json:"variants"`
}

// A Pass is one look of several at the same time of a source.
type Pass struct {
	Source string `json:"source"`
	Pass   string `json:"pass"`
	Splits int64  `json:"splits"`
	Stored int64  `json:"stored"`
}

// A Stream is one account and Region of a source.
type Stream struct {
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Newest  time.Time `json:"newest"`
	Lag     Seconds   `json:"lag_seconds"`
	Events  int64     `json:"events"`
	Usual   Seconds   `json:"usual_gap_seconds"`    // 0 while unknown
	Quiet   Seconds   `json:"silent_after_seconds"` // 0 while unknown
	Silent  bool      `json:"silent"`
	Ended   bool      `json:"ended"` // quiet for so long that nothing is expected of it
}

// A Backlog is what is on its way.
type Backlog struct {
	Waiting int   `json:"splits_waiting"`
	Reading int   `json:"splits_reading"`
	Writing int   `json:"splits_writing"`
	Bytes   int64 `json:"bytes"`
}

// A Backfill is how far the reading of the past has come.
type Backfill struct {
	Since      time.Time `json:"since"`
	Seen       int64     `json:"splits_seen"`
	SeenBytes  int64     `json:"bytes_seen"`
	Total      int64     `json:"splits"` // 0 until they are counted
	TotalBytes int64     `json:"bytes"`
	Left       Seconds   `json:"left_seconds"` // 0 is unknown
}

// A Plugin is the process of one block.
type Plugin struct {
	Running  bool   `json:"running"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Crashes  int    `json:"crashes_in_10m"`
	Degraded bool   `json:"degraded"`
	Error    string `json:"error,omitempty"`
}

// An Error is something that did not work.
type Error struct {
	What   string    `json:"what"` // list, read, watch, open, ask ledger or write
	Text   string    `json:"text"`
	Denied bool      `json:"denied"`
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
	Count  int       `json:"count"`
}

// Seconds is a duration whose JSON form is a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if _, err := fmt.Sscan(string(b), &f); err != nil {
		return fmt.Errorf("seconds: %w", err)
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// pipelines brings what the agent tells into the form of a report.
func pipelines(a Agent, now time.Time) []Pipeline {
	names, stats := a.Stats()
	plugins := make(map[string]*Plugin)
	for _, st := range a.Plugins() {
		p := Plugin{Running: st.Running, PID: st.PID, Restarts: st.Restarts, Crashes: st.Crashes, Degraded: st.Degraded}
		if st.Err != nil {
			p.Error = oneLine(st.Err.Error())
		}
		plugins[st.Block] = &p
	}
	all := []Pipeline{}
	for i, st := range stats {
		p := Pipeline{Name: names[i], Sources: []Source{}, Sinks: []Sink{}}
		for j, s := range st.Sources {
			src := source(s, now)
			src.Plugin = plugins[fmt.Sprintf("%s.source.%d", p.Name, j+1)]
			p.Sources = append(p.Sources, src)
			p.Read += s.Read
			p.Filtered += s.Filtered
			p.Unevaluable += s.Unevaluable
			for _, x := range s.Streams {
				if p.Newest == nil || x.Newest.After(*p.Newest) {
					p.Newest = when(x.Newest)
				}
			}
		}
		if p.Newest != nil {
			lag := Seconds(now.Sub(*p.Newest))
			p.Lag = &lag
		}
		for j, h := range st.Health {
			k := Sink{
				Count: Count{Sink: h.Name}, Plugin: plugins[p.Name+"."+h.Name],
				Passes: []Pass{}, Variants: st.Sinks[j].Variants,
				LastSuccess: when(h.Success), LastError: lastError(h.LastError), Failing: failing(h.Failures), Waiting: when(h.Waiting),
			}
			for _, x := range st.Passes {
				if x.Sink == h.Name {
					k.Passes = append(k.Passes, Pass{Source: x.Source, Pass: x.Pass, Splits: x.Splits, Stored: x.Stored})
				}
			}
			for _, s := range p.Sources {
				k.Stored += s.Counts[j].Stored
				k.Duplicate += s.Counts[j].Duplicate
				k.Quarantined += s.Counts[j].Quarantined
			}
			p.Sinks = append(p.Sinks, k)
		}
		all = append(all, p)
	}
	return all
}

func source(s pipeline.SourceStats, now time.Time) Source {
	out := Source{
		Name: s.Name, Type: s.Type, Read: s.Read, Filtered: s.Filtered, Unevaluable: s.Unevaluable,
		Settled: s.Settled, Known: s.Known, Reread: s.Reread, Failed: s.Failed, Unread: s.Unread, Bytes: s.Bytes,
		Counts:      []Count{},
		Backlog:     Backlog{Waiting: s.Backlog.Waiting, Reading: s.Backlog.Reading, Writing: s.Backlog.Writing, Bytes: s.Backlog.Bytes},
		LastListing: when(s.Listed), LastSuccess: when(s.Success),
		LastError: lastError(s.LastError), Failing: failing(s.Failures),
		Streams: []Stream{}, Unwatched: s.Unwatched,
	}
	for _, k := range s.Sinks {
		out.Counts = append(out.Counts, Count{Sink: k.Name, Stored: k.Stored, Duplicate: k.Duplicate, Quarantined: k.Quarantined})
	}
	if b := s.Backfill; b.Running {
		out.Backfill = &Backfill{
			Since: b.Began, Seen: b.Seen, SeenBytes: b.SeenBytes, Total: b.Total, TotalBytes: b.TotalBytes, Left: Seconds(b.Left(now)),
		}
	}
	for _, x := range s.Streams {
		out.Streams = append(out.Streams, Stream{
			Account: x.Account, Region: x.Region, Newest: x.Newest, Lag: Seconds(now.Sub(x.Newest)),
			Events: x.Events, Usual: Seconds(x.Usual), Quiet: Seconds(x.Quiet),
		})
	}
	judgeSilence(&out, s, now)
	return out
}

func failing(all []pipeline.Failure) []Error {
	out := []Error{}
	for _, f := range all {
		out = append(out, Error(told(f)))
	}
	return out
}

func lastError(f *pipeline.Failure) *Error {
	if f == nil {
		return nil
	}
	e := told(*f)
	return &e
}

func told(f pipeline.Failure) Error {
	return Error{What: f.What, Text: oneLine(f.Err), Denied: f.Denied, Since: f.Since, Last: f.Last, Count: f.Count}
}

// oneLine joins the lines of a text that stands in a line of its own.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// oldest orders streams for people: silent ones first, then those that are longest quiet.
func oldest(streams []Stream) []Stream {
	sorted := slices.Clone(streams)
	slices.SortStableFunc(sorted, func(a, b Stream) int {
		return cmp.Or(-cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Lag, b.Lag))
	})
	return sorted
}

func rank(s Stream) int {
	switch {
	case s.Silent:
		return 2
	case s.Ended:
		return 0
	}
	return 1
}
