package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/quarantine"
)

func (p *Program) quarantineList(ctx context.Context, q keptAside, o quarantineFlags) error {
	n := 0
	err := q.List(ctx, o.filter, func(e quarantine.Entry) error {
		n++
		if o.asJSON {
			return json.NewEncoder(p.Stdout).Encode(newEntryJSON(e))
		}
		fmt.Fprintf(p.Stdout, "%s  %s  %-6s  %s %s  %s\n", e.ID, stamp(e.Recorded), e.Kind, escaped(e.Pipeline), escaped(e.Source), escaped(e.Split))
		if e.EventID != "" {
			fmt.Fprintf(p.Stdout, "    event %s%s\n", escaped(e.EventID), ofTime(e.Time))
		}
		fmt.Fprintf(p.Stdout, "    %s\n", escaped(e.Reason))
		return nil
	})
	if err == nil && !o.asJSON {
		fmt.Fprintf(p.Stdout, "%s in the quarantine.\n", countEntries(n))
	}
	return err
}

func (p *Program) quarantineShow(ctx context.Context, q keptAside, o quarantineFlags) error {
	e, err := q.Find(ctx, o.ids[0])
	switch {
	case err != nil:
		return err
	case o.raw:
		_, err = p.Stdout.Write(e.Raw)
		return err
	case o.asJSON:
		out := newEntryJSON(e)
		out.Raw = e.Raw
		return json.NewEncoder(p.Stdout).Encode(out)
	}
	for _, line := range [][2]string{
		{"id", e.ID.String()},
		{"kind", e.Kind},
		{"group", groupOf(e)},
		{"sink", e.Sink},
		{"pipeline", e.Pipeline},
		{"source", e.Source},
		{"split", e.Split},
		{"event", e.EventID},
		{"time", stamp(e.Time)},
		{"quarantined", stamp(e.Recorded)},
		{"reason", e.Reason},
		{"bytes", strconv.FormatInt(e.Size, 10)},
		{"record", string(e.Raw)},
	} {
		if line[1] != "" {
			fmt.Fprintf(p.Stdout, "%-12s %s\n", line[0], escaped(line[1]))
		}
	}
	return nil
}

func (p *Program) quarantineRetry(ctx context.Context, q keptAside, o quarantineFlags) error {
	splits := 0
	each := func(r quarantine.Retried) error {
		splits++
		fmt.Fprintf(p.Stdout, "%s %s  %s: %s out of the quarantine, %s out of the ledger\n", escaped(r.Pipeline), escaped(r.Source), escaped(r.Split),
			countEntries(r.Entries), countEntries(r.LedgerEntries))
		return nil
	}
	var err error
	if o.all {
		err = q.RetryAll(ctx, o.filter, each)
	} else {
		err = q.Retry(ctx, o.ids, each)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s to be read again by the next listing of the source. It covers old ones when the agent starts, and at once with -mode once.\n",
		count(splits, "split"))
	if o.dir != "" && splits > 0 {
		fmt.Fprintln(p.Stdout, "The sink gets all events of these splits once more, under the IDs that it has seen.")
	}
	return nil
}

func (p *Program) quarantineDiscard(ctx context.Context, q keptAside, o quarantineFlags) error {
	n := 0
	err := q.Discard(ctx, o.ids, func(e quarantine.Entry) error {
		n++
		fmt.Fprintf(p.Stdout, "discarded %s  %s  %s %s  %s  %s\n", e.ID, e.Kind, escaped(e.Pipeline), escaped(e.Source), escaped(e.Split), escaped(e.EventID))
		return nil
	})
	switch {
	case err != nil:
	case o.dir != "":
		fmt.Fprintf(p.Stdout, "%s gone for good.\n", countEntries(n))
	default:
		fmt.Fprintf(p.Stdout, "%s gone for good; the table released says by whom.\n", countEntries(n))
	}
	return err
}

// entryJSON is an entry as -json prints it.
type entryJSON struct {
	ID          uuid.UUID  `json:"id"`
	Kind        string     `json:"kind"`
	Group       string     `json:"group_id,omitempty"`
	Sink        string     `json:"sink,omitempty"`
	Pipeline    string     `json:"pipeline"`
	Source      string     `json:"source"`
	Split       string     `json:"split"`
	EventID     string     `json:"event_id,omitempty"`
	Time        *time.Time `json:"time,omitempty"`
	Reason      string     `json:"reason"`
	Quarantined time.Time  `json:"quarantined"`
	Bytes       int64      `json:"bytes"`
	Raw         []byte     `json:"raw,omitempty"`
}

func newEntryJSON(e quarantine.Entry) entryJSON {
	out := entryJSON{
		ID: e.ID, Kind: e.Kind, Group: groupOf(e), Sink: e.Sink, Pipeline: e.Pipeline, Source: e.Source, Split: e.Split,
		EventID: e.EventID, Reason: e.Reason, Quarantined: e.Recorded, Bytes: e.Size,
	}
	if !e.Time.IsZero() {
		out.Time = &e.Time
	}
	return out
}

// groupOf is the group of an entry in a database.
func groupOf(e quarantine.Entry) string {
	if e.Group == uuid.Nil {
		return ""
	}
	return e.Group.String()
}

// stamp is a time as people read it; empty for one that is not known.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func ofTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " of " + stamp(t)
}

func countEntries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

// escaped is text that is safe on a terminal and in a log: whoever can put a record
// into a trail writes parts of it. What is not a printable character is escaped as in
// Go, so that one line stays one line; a backslash stays itself.
func escaped(text string) string { return plain.Text(text) }
