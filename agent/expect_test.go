package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An expectation is the rows that objects must become. It is made of the objects
// before anything reads them, never of what was stored.
type expectation struct {
	records int
	named   map[string]bool // the eventIDs
	unnamed map[string]bool // the texts of records without one, each the only one of its kind
}

func newExpectation() *expectation {
	return &expectation{named: make(map[string]bool), unnamed: make(map[string]bool)}
}

func (e *expectation) distinct() int { return len(e.named) + len(e.unnamed) }

// add adds what more expects.
func (e *expectation) add(more *expectation) {
	e.records += more.records
	maps.Copy(e.named, more.named)
	maps.Copy(e.unnamed, more.unnamed)
}

// addObject adds the records of one object, which is gzip.
func (e *expectation) addObject(t *testing.T, body []byte) {
	t.Helper()
	for _, record := range recordsOf(t, body) {
		e.records++
		// No struct: names in another case must not count.
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(record, &fields); err != nil {
			t.Fatal(err)
		}
		if fields["eventID"] == nil {
			e.unnamed[string(record)] = true
			continue
		}
		var id string
		if err := json.Unmarshal(fields["eventID"], &id); err != nil {
			t.Fatal(err)
		}
		e.named[id] = true
	}
}

// recordsOf takes an object apart by other code than the agent's.
func recordsOf(t *testing.T, body []byte) []json.RawMessage {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Records []json.RawMessage }
	if err := json.Unmarshal(plain, &object); err != nil {
		t.Fatal(err)
	}
	return object.Records
}

// checkStored fails the test unless each group has each expected event once and nothing
// else, in both tables, and its ledger accounts for every record.
func (s *site) checkStored(t *testing.T, want *expectation) {
	t.Helper()
	for _, group := range s.groups {
		s.checkGroup(t, group, want)
	}
	rows := want.distinct() * len(s.groups)
	for query, n := range map[string]int{
		`select count(*) from events`:     rows,
		`select count(*) from cloudtrail`: rows,
		`select count(*) from quarantine`: 0,
		`select count(*) from variants`:   0,
	} {
		if got := ask[int](t, s, query); got != n {
			t.Errorf("%s: %d, want %d", query, got, n)
		}
	}
	s.checkLedger(t, want.records)
}

func (s *site) checkGroup(t *testing.T, group string, want *expectation) {
	t.Helper()
	counts := make(map[string]int)
	for _, id := range answers[string](t, s, `select coalesce(c.cloudtrail_event_id, '') from events e
		join cloudtrail c on c.event_id = e.id and c.event_time = e.event_time where e.group_id = $1::text::uuid`, group) {
		counts[id]++
	}
	missing, repeated := 0, 0
	for id := range want.named {
		switch counts[id] {
		case 0:
			missing++
		case 1:
		default:
			repeated++
		}
		delete(counts, id)
	}
	unnamed := counts[""]
	delete(counts, "")
	if missing > 0 || repeated > 0 || len(counts) > 0 || unnamed != len(want.unnamed) {
		t.Errorf("group %s: of %d events %d are missing, %d are there more than once, %d were never sent; %d without an ID, want %d",
			group, want.distinct(), missing, repeated, len(counts), unnamed, len(want.unnamed))
	}
}

// checkLedger fails the test unless each group's entries add up, to so many records.
func (s *site) checkLedger(t *testing.T, records int) {
	t.Helper()
	var want []string
	for range s.groups {
		want = append(want, fmt.Sprintf("read %d accounted %d", records, records))
	}
	sums := answers[string](t, s, `select concat_ws(' ', 'read', sum(read), 'accounted', sum(stored + duplicate + filtered + quarantined))
		from ledger group by group_id`)
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("ledger, a line for each group (-want +got):\n%s", diff)
	}
}
