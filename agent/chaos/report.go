package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// The verdicts. A trial whose fault did not hit proves nothing.
const (
	pass = "pass"
	fail = "FAIL"
	void = "void"
)

// A report is what one trial found.
type report struct {
	Scenario string `json:"scenario"`
	Title    string `json:"title"`
	Seed     uint64 `json:"seed"`
	Commit   string `json:"commit"`
	Verdict  string `json:"verdict"`
	// Reason says why it failed or is void.
	Reason string `json:"reason,omitempty"`
	Hits   int    `json:"hits"`
	Kills  int    `json:"kills"`
	oracle.Difference
	Redelivered int       `json:"redelivered"` // objects read again
	Recoveries  []float64 `json:"recoveries_s,omitempty"`
	Recovery    float64   `json:"recovery_p95_s"`
	Liveness    float64   `json:"liveness_s"`
	Drain       float64   `json:"backlog_drain_s"`
	Seconds     float64   `json:"seconds"`
	// Memory is the most that each kind of process took, in MiB of PSS; Together is the
	// most at one moment.
	Memory   map[stage.Role]float64 `json:"peak_memory_mib"`
	Together float64                `json:"peak_memory_together_mib"`
	FDs      int                    `json:"peak_fds"`
	Faults   []string               `json:"faults,omitempty"`
	Notes    []string               `json:"notes,omitempty"`
}

// add adds what the oracle found for one group.
func (r *report) add(v *oracle.Difference) {
	r.EventsIn = v.EventsIn
	r.Rows += v.Rows
	r.Filtered += v.Filtered
	r.Quarantined += v.Quarantined
	r.Lost += v.Lost
	r.Duplicated += v.Duplicated
	r.Unknown += v.Unknown
	r.Corrupt += v.Corrupt
	r.Ledger += v.Ledger
	r.Examples = append(r.Examples, v.Examples...)
}

func (r *report) memory(peaks map[stage.Role]int64, total int64, fds int) {
	r.Memory = make(map[stage.Role]float64, len(peaks))
	for role, n := range peaks {
		r.Memory[role] = mebibytes(n)
	}
	r.Together, r.FDs = mebibytes(total), fds
}

func mebibytes(n int64) float64 { return float64(n*10>>20) / 10 }

// conclude says how the trial ended. A loss is one even if the fault did not hit.
func (r *report) conclude(err error) {
	r.Recovery = percentile(r.Recoveries, 95)
	switch {
	case !r.Good():
		r.Verdict, r.Reason = fail, r.Examples[0]
	case len(r.Faults) > 0:
		r.Verdict, r.Reason = fail, r.Faults[0]
	case err != nil && isVoid(err):
		r.Verdict, r.Reason = void, strings.TrimPrefix(err.Error(), stage.ErrVoid.Error()+": ")
	case err != nil:
		r.Verdict, r.Reason = fail, err.Error()
	case r.Hits == 0:
		r.Verdict, r.Reason = void, "the fault did not hit"
	default:
		r.Verdict = pass
	}
}

// save writes the report beside the trial's other files.
func (r *report) save(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Scenario+".json"), append(text, '\n'), 0o644)
}

// A summary is what a whole run found.
type summary struct {
	Commit  string    `json:"commit"`
	Seed    uint64    `json:"seed"`
	Kills   int       `json:"kills"`
	Pass    int       `json:"pass"`
	Fail    int       `json:"fail"`
	Void    int       `json:"void"`
	Reports []*report `json:"-"`

	Lost       int     `json:"lost"`
	Duplicated int     `json:"duplicated"`
	Unknown    int     `json:"unknown"`
	Corrupt    int     `json:"corrupt"`
	Events     int     `json:"events_in"`
	Rows       int     `json:"rows"`
	Recovery   float64 `json:"recovery_p95_s"`
	Recoveries int     `json:"recoveries"`
	Liveness   float64 `json:"liveness_max_s"`
	Together   float64 `json:"peak_memory_together_mib"`
}

func (s *summary) add(r *report) {
	s.Reports = append(s.Reports, r)
	s.Kills += r.Kills
	switch r.Verdict {
	case pass:
		s.Pass++
	case fail:
		s.Fail++
	default:
		s.Void++
	}
	s.Lost += r.Lost
	s.Duplicated += r.Duplicated
	s.Unknown += r.Unknown
	s.Corrupt += r.Corrupt
	s.Events += r.EventsIn
	s.Rows += r.Rows
	s.Liveness = max(s.Liveness, r.Liveness)
	s.Together = max(s.Together, r.Together)
	var all []float64
	for _, r := range s.Reports {
		all = append(all, r.Recoveries...)
	}
	s.Recovery, s.Recoveries = percentile(all, 95), len(all)
}

// good reports whether the run holds what it must.
func (s *summary) good() bool { return s.Fail == 0 && s.Recovery <= recoveryLimit.Seconds() }

// print writes the table and the four numbers.
func (s *summary) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| scenario\t| verdict\t| hits\t| kills\t| events in\t| rows\t| filtered\t| quarantined\t| lost\t| duplicated\t| unknown\t| corrupt\t| reread\t| recovery p95 s\t| marker s\t| agent MiB\t| source MiB\t| sink MiB\t| all MiB\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range s.Reports {
		fmt.Fprintf(t, "| %s %s\t| %s\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %.1f\t| %.1f\t| %.0f\t| %.0f\t| %.0f\t| %.0f\t|\n",
			r.Scenario, r.Title, r.Verdict, r.Hits, r.Kills, r.EventsIn, r.Rows, r.Filtered, r.Quarantined, r.Lost, r.Duplicated, r.Unknown, r.Corrupt,
			r.Redelivered, r.Recovery, r.Liveness, r.Memory["agent"], r.most("source "), r.most("sink "), r.Together)
	}
	_ = t.Flush() // to a terminal or a file of ours
	for _, r := range s.Reports {
		if r.Verdict != pass {
			fmt.Fprintf(w, "\n%s %s: %s\n", r.Verdict, r.Scenario, r.Reason)
			for _, line := range append(append(r.Faults, r.Examples...), r.Notes...) {
				fmt.Fprintf(w, "  %s\n", line)
			}
		}
	}
	fmt.Fprintf(w, "\ncommit %s, seed %d: %d passed, %d failed, %d void\n", s.Commit, s.Seed, s.Pass, s.Fail, s.Void)
	fmt.Fprintf(w, "recovery p95 %.2f s over %d kills that were timed, marker within %.1f s, all processes together at most %.0f MiB\n",
		s.Recovery, s.Recoveries, s.Liveness, s.Together)
	fmt.Fprintf(w, "lost %d duplicated %d unknown %d corrupt %d kills %d\n", s.Lost, s.Duplicated, s.Unknown, s.Corrupt, s.Kills)
}

// most is the largest peak of the processes whose role begins so.
func (r *report) most(prefix string) float64 {
	var n float64
	for role, m := range r.Memory {
		if strings.HasPrefix(string(role), prefix) {
			n = max(n, m)
		}
	}
	return n
}
