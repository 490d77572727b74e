package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/audit"
)

// printAudit prints the report and answers the exit code.
func (p *Program) printAudit(r audit.Report, asJSON bool) int {
	code := exitOK
	if r.Found > 0 {
		code = exitFailed
	}
	if asJSON {
		out, err := json.MarshalIndent(newAuditJSON(r), "", "  ")
		if err != nil {
			p.failf("print the report: %v", err)
			return exitFailed
		}
		fmt.Fprintf(p.Stdout, "%s\n", out)
		return code
	}
	for _, l := range r.Listings {
		fmt.Fprintf(p.Stdout, "pipeline %s, source %s, group %s: %s listed, %d done, %d invalid and in quarantine, %d missing, %d read under another filter only, %d gone\n",
			l.Pipeline, l.Source, l.Group, count(int(l.Listed), "split"), l.Done, l.Invalid, l.Missing, l.Refiltered, l.Gone)
	}
	for _, g := range r.Groups {
		fmt.Fprintf(p.Stdout, "group %s: %s\n", g.ID, count(int(g.Rows), "row"))
		for _, a := range g.Accounts {
			fmt.Fprintf(p.Stdout, "  ledger of %s %s: %s, %d invalid, %d gone; read %d = stored %d + duplicate %d + filtered %d + quarantined %d\n",
				escaped(a.Pipeline), escaped(a.Source), countEntries(int(a.Splits)), a.Invalid, a.Gone, a.Read, a.Stored, a.Duplicate, a.Filtered, a.Quarantined)
		}
	}
	for _, g := range r.Groups {
		if g.Variants > 0 {
			fmt.Fprintf(p.Stdout, "group %s: %s came under the id of a stored event with other content, which AWS does not do: look at the table variants\n",
				g.ID, count(int(g.Variants), "record"))
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(p.Stdout, "%s: %s: %s\n", f.Kind, escaped(place(f)), escaped(f.Detail))
	}
	if more := r.Found - len(r.Findings); more > 0 {
		fmt.Fprintf(p.Stdout, "… and %d more; -limit shows more of them\n", more)
	}
	if r.Found > 0 {
		fmt.Fprintf(p.Stdout, "%s.\n", doNotAddUp(r.Found))
	} else {
		fmt.Fprintln(p.Stdout, "Everything adds up.")
	}
	return code
}

// place says what a finding is about.
func place(f audit.Finding) string {
	parts := slices.DeleteFunc([]string{f.Pipeline, f.Source, f.Split}, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return "group " + f.Group.String()
	}
	return strings.Join(parts, " ")
}

func doNotAddUp(n int) string {
	if n == 1 {
		return "1 thing does not add up"
	}
	return fmt.Sprintf("%d things do not add up", n)
}

// auditJSON is the report as -json prints it.
type auditJSON struct {
	OK       bool          `json:"ok"`
	Listings []listingJSON `json:"listings"`
	Groups   []groupJSON   `json:"groups"`
	Findings []findingJSON `json:"findings"`
	Found    int           `json:"found"` // all findings, printed or not
}

type listingJSON struct {
	Pipeline   string    `json:"pipeline"`
	Source     string    `json:"source"`
	Group      uuid.UUID `json:"group_id"`
	Listed     int64     `json:"listed"`
	Done       int64     `json:"done"`
	Invalid    int64     `json:"invalid"`
	Missing    int64     `json:"missing"`
	Refiltered int64     `json:"refiltered"`
	Gone       int64     `json:"gone"`
}

type groupJSON struct {
	ID   uuid.UUID `json:"group_id"`
	Rows int64     `json:"rows"`
	// Variants came under the id of a stored event with other content.
	Variants int64         `json:"variants"`
	Ledger   []accountJSON `json:"ledger"`
}

type accountJSON struct {
	Pipeline    string `json:"pipeline"`
	Source      string `json:"source"`
	Splits      int64  `json:"splits"`
	Invalid     int64  `json:"invalid"`
	Gone        int64  `json:"gone"`
	Read        int64  `json:"read"`
	Stored      int64  `json:"stored"`
	Duplicate   int64  `json:"duplicate"`
	Filtered    int64  `json:"filtered"`
	Quarantined int64  `json:"quarantined"`
}

type findingJSON struct {
	Kind     audit.Kind `json:"kind"`
	Group    uuid.UUID  `json:"group_id"`
	Pipeline string     `json:"pipeline,omitempty"`
	Source   string     `json:"source,omitempty"`
	Split    string     `json:"split,omitempty"`
	Detail   string     `json:"detail"`
}

func newAuditJSON(r audit.Report) auditJSON {
	out := auditJSON{OK: r.Found == 0, Found: r.Found, Listings: []listingJSON{}, Groups: []groupJSON{}, Findings: []findingJSON{}}
	for _, l := range r.Listings {
		out.Listings = append(out.Listings, listingJSON(l))
	}
	for _, g := range r.Groups {
		group := groupJSON{ID: g.ID, Rows: g.Rows, Variants: g.Variants, Ledger: []accountJSON{}}
		for _, a := range g.Accounts {
			group.Ledger = append(group.Ledger, accountJSON(a))
		}
		out.Groups = append(out.Groups, group)
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, findingJSON(f))
	}
	return out
}
