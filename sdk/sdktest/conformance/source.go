package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// sourceChecks are those of a source at work.
func (s *Suite) sourceChecks() []Check {
	return []Check{
		s.check("lists the same splits each time", checkDiscover),
		s.check("keeps to the range it is asked for", checkRange),
		s.check("stops listing when told", checkStopListing),
		s.check("reads splits the same each time", checkFetch),
		s.check("gives events an identity and a true envelope", checkEvents),
		s.check("reads several splits at once", checkConcurrentFetch),
		s.check("stops reading when told", checkStopReading),
		s.check("says that an unknown split is gone or invalid", checkUnknownSplit),
		s.check("reads the same after it was killed", checkKilledReading),
		s.check("is told what became of its splits", checkSettle),
	}
}

// maxSplits is how many splits the checks read; a source may hold millions.
const maxSplits = 50

// sample is the splits that the checks read.
func (p *process) sample() ([]sdk.Split, error) {
	splits, err := p.discover(p.trial.ctx, sdk.TimeRange{})
	if err != nil {
		return nil, err
	}
	if len(splits) == 0 {
		return nil, errors.New("the source lists no split with the given settings: let them name one that holds a few events")
	}
	slices.SortFunc(splits, func(a, b sdk.Split) int { return strings.Compare(a.ID, b.ID) })
	return splits[:min(len(splits), maxSplits)], nil
}

// fetch reads one split to its end.
func (p *process) fetch(s sdk.Split) ([]sdk.Event, error) {
	var events []sdk.Event
	err := p.Source().Fetch(p.trial.ctx, s, func(page []sdk.Event) error {
		for _, e := range page {
			e.Raw = bytes.Clone(e.Raw) // the page is used again
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetch split %s: %w", s.ID, err)
	}
	return events, nil
}

// fetchAll reads the sample, one split after the other.
func (p *process) fetchAll() (map[string][]sdk.Event, error) {
	splits, err := p.sample()
	if err != nil {
		return nil, err
	}
	all := make(map[string][]sdk.Event, len(splits))
	for _, s := range splits {
		if all[s.ID], err = p.fetch(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func sameEvents(first, second map[string][]sdk.Event) error {
	for id, events := range first {
		others := second[id]
		if len(others) != len(events) {
			return fmt.Errorf("split %s held %d events, then %d", id, len(events), len(others))
		}
		for i := range events {
			if !sameEvent(events[i], others[i]) {
				return fmt.Errorf("event %d of split %s differs from the reading before: %s, then %s", i, id, events[i].ID, others[i].ID)
			}
		}
	}
	return nil
}

func sameEvent(a, b sdk.Event) bool {
	sameRaw, sameTime := bytes.Equal(a.Raw, b.Raw), a.Time.Equal(b.Time)
	return sameRaw && sameTime && a.ID == b.ID && a.Name == b.Name && a.Source == b.Source && a.Region == b.Region &&
		a.Account == b.Account && a.Principal == b.Principal && a.ErrorCode == b.ErrorCode && a.ReadOnly == b.ReadOnly && a.Reject == b.Reject
}

func checkDiscover(t *trial) error {
	var first []string
	for range 2 {
		p, err := t.open()
		if err != nil {
			return err
		}
		for range 2 {
			splits, err := p.discover(t.ctx, sdk.TimeRange{})
			if err != nil {
				return err
			}
			ids, err := uniqueIDs(splits)
			if err != nil {
				return err
			}
			if first == nil {
				first = ids
			}
			if !slices.Equal(first, ids) {
				return fmt.Errorf("it listed %d splits, then %d, or with other IDs; a split's ID is the same in every run", len(first), len(ids))
			}
		}
	}
	return nil
}

func uniqueIDs(splits []sdk.Split) ([]string, error) {
	if len(splits) == 0 {
		return nil, errors.New("it lists no split with the given settings")
	}
	seen := map[string]bool{}
	ids := make([]string, len(splits))
	for i, s := range splits {
		switch {
		case s.ID == "":
			return nil, errors.New("a split has no ID")
		case len(s.ID) > sdk.MaxSplitID:
			return nil, fmt.Errorf("the ID %.60q… has %d bytes, at most %d are allowed", s.ID, len(s.ID), sdk.MaxSplitID)
		case seen[s.ID]:
			return nil, fmt.Errorf("the ID %q stands for two splits of one listing", s.ID)
		}
		seen[s.ID] = true
		ids[i] = s.ID
	}
	slices.Sort(ids)
	return ids, nil
}

func checkRange(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	all, err := p.discover(t.ctx, sdk.TimeRange{})
	if err != nil {
		return err
	}
	var times []time.Time
	for _, s := range all {
		if !s.Time.IsZero() {
			times = append(times, s.Time)
		}
	}
	if len(times) == 0 {
		return Skipped{"its splits have no time"}
	}
	slices.SortFunc(times, time.Time.Compare)
	middle := times[len(times)/2]
	for _, r := range []sdk.TimeRange{{Since: middle}, {Until: middle}, {Since: middle, Until: middle.Add(time.Hour)}, {Since: times[len(times)-1].Add(time.Hour)}} {
		if err := p.lists(all, r); err != nil {
			return err
		}
	}
	return nil
}

// lists demands exactly those of all that lie in r.
func (p *process) lists(all []sdk.Split, r sdk.TimeRange) error {
	got, err := p.discover(p.trial.ctx, r)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, s := range got {
		if !r.Contains(s.Time) {
			return fmt.Errorf("asked for %s, it lists split %s of %s", inWords(r), s.ID, s.Time.Format(time.RFC3339))
		}
		listed[s.ID] = true
	}
	for _, s := range all {
		if r.Contains(s.Time) && !listed[s.ID] {
			return fmt.Errorf("asked for %s, it does not list split %s of %s", inWords(r), s.ID, s.Time.Format(time.RFC3339))
		}
	}
	return nil
}

func inWords(r sdk.TimeRange) string {
	bound := func(t time.Time) string {
		if t.IsZero() {
			return "open"
		}
		return t.Format(time.RFC3339)
	}
	return "the range " + bound(r.Since) + " to " + bound(r.Until)
}

var errEnough = errors.New("enough")

func checkStopListing(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	pages := 0
	err = p.Source().Discover(t.ctx, sdk.TimeRange{}, func([]sdk.Split) error {
		pages++
		return errEnough
	})
	if pages > 1 || !errors.Is(err, errEnough) {
		return fmt.Errorf("a listing that was ended at its first page went on to page %d and returned: %w", pages, orNil(err))
	}
	if _, err := p.sample(); err != nil {
		return fmt.Errorf("after a listing that was ended: %w", err)
	}
	return p.stop()
}
