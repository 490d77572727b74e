package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func checkFetch(t *trial) error {
	var first map[string][]sdk.Event
	for range 2 {
		p, err := t.open()
		if err != nil {
			return err
		}
		for range 2 {
			all, err := p.fetchAll()
			if err != nil {
				return err
			}
			if first == nil {
				first = all
			}
			if err := sameEvents(first, all); err != nil {
				return err
			}
		}
	}
	return t.countEvents(first)
}

func (t *trial) countEvents(all map[string][]sdk.Event) error {
	n := 0
	for _, events := range all {
		n += len(events)
	}
	switch want := t.options.Events; {
	case want > 0 && len(all) < maxSplits && n != want:
		return fmt.Errorf("it emits %d events, want %d", n, want)
	case n == 0:
		return errors.New("it emits no event with the given settings")
	}
	return nil
}

func checkEvents(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	all, err := p.fetchAll()
	if err != nil {
		return err
	}
	for id, events := range all {
		for i, e := range events {
			if err := wellFormed(e); err != nil {
				return fmt.Errorf("event %d of split %s: %w", i, id, err)
			}
		}
	}
	return nil
}

// wellFormed holds an event against its own record: a filter decides by the envelope,
// so an envelope that differs loses events.
func wellFormed(e sdk.Event) error {
	switch {
	case e.Reject != "":
		return nil // nothing is promised of it but the reason
	case e.ID == "":
		return errors.New("it has no ID")
	case len(e.Raw) == 0:
		return errors.New("it has no record")
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(e.Raw, &fields) != nil {
		return errors.New("its record is not a JSON object, and it has no reason to be rejected")
	}
	for name, got := range map[string]string{
		"eventName": e.Name, "eventSource": e.Source, "awsRegion": e.Region, "errorCode": e.ErrorCode, "recipientAccountId": e.Account,
	} {
		if want, ok := text(fields[name]); ok && want != got {
			return fmt.Errorf("its record says %s = %q, the envelope %q", name, want, got)
		}
	}
	var flag bool
	if json.Unmarshal(fields["readOnly"], &flag) == nil && string(fields["readOnly"]) != "null" && sdk.BoolOf(flag) != e.ReadOnly {
		return fmt.Errorf("its record says readOnly = %t, the envelope does not", flag)
	}
	at, _ := text(fields["eventTime"])
	if want, err := time.Parse(time.RFC3339, at); err == nil && !want.Equal(e.Time) {
		return fmt.Errorf("its record says eventTime = %q, the envelope %s", at, e.Time.Format(time.RFC3339))
	}
	return nil
}

// text is the string that a field holds, if it is one.
func text(field json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(field, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

func checkConcurrentFetch(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	first, err := p.fetchAll()
	if err != nil {
		return err
	}
	const readers = 4
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			again, err := p.fetchAll()
			if err == nil {
				err = sameEvents(first, again)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkStopReading(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	first, err := p.fetchAll()
	if err != nil {
		return err
	}
	splits, err := p.sample()
	if err != nil {
		return err
	}
	for _, s := range splits {
		err := p.Source().Fetch(t.ctx, s, func([]sdk.Event) error { return errEnough })
		if len(first[s.ID]) > 0 && !errors.Is(err, errEnough) {
			return fmt.Errorf("a reading that was ended at its first page returned: %w", orNil(err))
		}
	}
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	if err := p.Source().Fetch(ctx, splits[0], func([]sdk.Event) error { return nil }); err == nil {
		return errors.New("a reading whose context had ended succeeds")
	}
	again, err := p.fetchAll()
	if err != nil {
		return fmt.Errorf("after readings that were ended: %w", err)
	}
	return errors.Join(sameEvents(first, again), p.stop())
}

func checkUnknownSplit(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	splits, err := p.sample()
	if err != nil {
		return err
	}
	for _, id := range []string{splits[0].ID + "-no-such-version", "no such split", "/"} {
		err := p.Source().Fetch(t.ctx, sdk.Split{ID: id}, func([]sdk.Event) error { return nil })
		if !sdk.IsGone(err) && !sdk.IsInvalid(err) {
			return fmt.Errorf("the agent would ask for split %q for ever, since Fetch returns: %w", id, orNil(err))
		}
	}
	return nil
}

// orNil makes nil an error that says so, for messages.
func orNil(err error) error {
	if err == nil {
		return errors.New("nil, which says that this was all of it")
	}
	return err
}

func checkKilledReading(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	first, err := p.fetchAll()
	if err != nil {
		return err
	}
	splits, err := p.sample()
	if err != nil {
		return err
	}
	for _, s := range splits[:min(len(splits), 5)] {
		victim, err := t.open()
		if err != nil {
			return err
		}
		_ = victim.Source().Fetch(t.ctx, s, func([]sdk.Event) error {
			victim.Kill()
			return nil
		})
		victim.Kill()
	}
	if p, err = t.open(); err != nil {
		return err
	}
	again, err := p.fetchAll()
	if err != nil {
		return err
	}
	return sameEvents(first, again)
}

func checkSettle(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	if !p.Settles {
		return Skipped{"it does not ask to be told"}
	}
	splits, err := p.sample()
	if err != nil {
		return err
	}
	given := []sdk.Settled{{Split: splits[0], Err: errors.New("given up by a check")}, {Split: sdk.Split{ID: "unknown"}}}
	for range 2 { // the agent may repeat itself
		if err := p.Source().Settle(t.ctx, given); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
	}
	return p.stop()
}

func checkSourceMemory(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	splits, err := p.sample()
	if err != nil {
		return err
	}
	next := 0
	return p.flat(func() error {
		s := splits[next%len(splits)]
		next++
		_, err := p.fetch(s)
		return err
	})
}
