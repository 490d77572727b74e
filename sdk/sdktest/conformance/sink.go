package conformance

import (
	"errors"
	"fmt"
	"sync"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// sinkChecks are those of a sink at work.
func (s *Suite) sinkChecks() []Check {
	return []Check{
		s.check("writes batches of every size", checkSizes),
		s.check("takes an event of 1 MiB", checkLarge),
		s.check("stores the neighbours of odd events", checkOddities),
		s.check("takes the same batch twice", checkTwice),
		s.check("takes batches that overlap", checkOverlap),
		s.check("writes in parallel", checkParallel),
		s.check("keeps the ledger", checkLedger),
		s.check("survives a write that is given up", checkGivenUp),
		s.check("bears a slow destination", checkSlow),
		s.check("loses nothing when it is killed after a write", checkKilledAfter),
		s.check("loses nothing when it is killed in a write", checkKilledDuring),
	}
}

// fullBatch is what the agent puts into one write unless told otherwise: so many
// events of 1.5 KB are just below 3 MiB.
const fullBatch = 2000

func checkSizes(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	var all []sdk.Event
	for _, n := range []int{0, 1, 2, 100, fullBatch} {
		l := t.events(n)
		if _, err := p.accepted(l.batch()); err != nil {
			return fmt.Errorf("batch of %d events: %w", n, err)
		}
		all = append(all, l.events...)
	}
	return errors.Join(p.stop(), t.holds(all, nil, false))
}

func checkLarge(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	l := t.load([]sdk.Event{t.generator.Large(1 << 20)})
	if _, err := p.accepted(l.batch()); err != nil {
		return err
	}
	return t.holds(l.events, nil, false)
}

// checkOddities puts odd events among good ones, all at once and each alone. Whatever
// the sink makes of the odd ones, the good ones must be stored.
func checkOddities(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	var all []sdk.Event
	for _, odd := range t.generator.oddities() {
		all = append(all, t.generator.Events(2)...)
		all = append(all, odd.event)
	}
	l := t.load(all)
	o, err := p.deliver(l.batch())
	if err != nil {
		return fmt.Errorf("odd events among good ones: %w", err)
	}
	if err := t.onlyOddRejected(l, o); err != nil {
		return err
	}
	if err := t.goodStored(l, o); err != nil {
		return err
	}
	for _, odd := range t.generator.oddities() {
		alone := t.load([]sdk.Event{odd.event})
		if _, err := p.deliver(alone.batch()); err != nil {
			return fmt.Errorf("%s: %w", odd.what, err)
		}
	}
	return nil
}

func isOdd(i int) bool { return i%3 == 2 }

func (t *trial) onlyOddRejected(l load, o outcome) error {
	for i, e := range l.events {
		if reason, rejected := o.rejected[e.ID]; rejected && !isOdd(i) {
			return fmt.Errorf("a good event beside odd ones is rejected: %s", reason)
		}
	}
	return nil
}

func (t *trial) goodStored(l load, o outcome) error {
	var good []sdk.Event
	for i, e := range l.events {
		if !isOdd(i) {
			good = append(good, e)
		}
	}
	return t.holds(good, o.rejected, false)
}

func checkTwice(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	l := t.events(100)
	first, err := p.accepted(l.batch())
	if err != nil {
		return err
	}
	second, err := p.accepted(l.batch())
	if err != nil {
		return fmt.Errorf("second write of the same batch: %w", err)
	}
	if err := tellsNew(first, second, l.events, l.events); err != nil {
		return err
	}
	return t.holds(l.events, nil, first.fresh != nil)
}

func checkOverlap(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	l := t.events(300)
	first, err := p.accepted(l.part(0, 200))
	if err != nil {
		return err
	}
	second, err := p.accepted(l.part(100, 300))
	if err != nil {
		return fmt.Errorf("second batch, which overlaps the first: %w", err)
	}
	if err := tellsNew(first, second, l.events[:200], l.events[100:]); err != nil {
		return err
	}
	inBatch := t.load(append(t.generator.Events(2), l.events[0], l.events[0]))
	if _, err := p.accepted(inBatch.batch()); err != nil {
		return fmt.Errorf("batch that holds an event twice: %w", err)
	}
	return t.holds(append(l.events, inBatch.events[:2]...), nil, first.fresh != nil)
}

// tellsNew holds the sink's word on which events were new against the truth. A sink
// that says nothing of it says nothing wrong.
func tellsNew(first, second outcome, firstEvents, secondEvents []sdk.Event) error {
	if (first.fresh == nil) != (second.fresh == nil) {
		return errors.New("one write tells which events are new, another does not")
	}
	if first.fresh == nil {
		return nil
	}
	known := map[string]bool{}
	for _, e := range firstEvents {
		known[e.ID] = true
		if !first.fresh[e.ID] {
			return fmt.Errorf("it says that the new event %s was stored before", e.ID)
		}
	}
	for _, e := range secondEvents {
		if second.fresh[e.ID] == known[e.ID] {
			return fmt.Errorf("it says new = %t of event %s, which it had stored: %t", second.fresh[e.ID], e.ID, known[e.ID])
		}
	}
	return nil
}

// checkParallel writes as many batches at a time as the sink asks for. Neighbouring
// batches overlap, as they do after a crash.
func checkParallel(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	if p.Parallel < 2 {
		return Skipped{"it takes one write at a time"}
	}
	l := t.events(100 * (p.Parallel + 1))
	outcomes := make([]outcome, p.Parallel)
	errs := make([]error, p.Parallel)
	var wg sync.WaitGroup
	for i := range p.Parallel {
		wg.Go(func() { outcomes[i], errs[i] = p.accepted(l.part(100*i, 100*i+200)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return t.holds(l.events, nil, outcomes[0].fresh != nil)
}

// checkLedger follows splits through the ledger of a sink that keeps one.
func checkLedger(t *trial) error {
	p, err := t.open()
	if err != nil {
		return err
	}
	if !p.Ledger {
		return Skipped{"it keeps no ledger; the agent keeps it"}
	}
	whole, filtered, unread := t.events(10), t.events(10), t.events(0)
	b := filtered.batch()
	b.Completed = []sdk.Completion{filtered.completion(5)}
	for _, b := range []sdk.Batch{whole.batch(), b} {
		if _, err := p.accepted(b); err != nil {
			return err
		}
	}
	p.Kill() // what is known must outlive the process
	if p, err = t.open(); err != nil {
		return err
	}
	return errors.Join(
		p.knows("whose events are all stored", whole.split, fingerprint, sdk.SplitDone),
		p.knows("of which nothing was filtered, under another filter", whole.split, "sdktest-2", sdk.SplitDone),
		p.knows("of which something was filtered, under the same filter", filtered.split, fingerprint, sdk.SplitDone),
		p.knows("of which something was filtered, under another filter", filtered.split, "sdktest-2", sdk.SplitFiltered),
		p.knows("that was never read", unread.split, fingerprint, sdk.SplitNew),
	)
}

func (p *process) knows(what, split, filter string, want sdk.SplitState) error {
	got, err := p.state(split, filter)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the ledger says %d of a split %s, want %d", got, what, want)
	}
	return nil
}

func (p *process) state(split, filter string) (sdk.SplitState, error) {
	states, err := p.Sink().Done(p.trial.ctx, sdk.DoneQuery{
		Pipeline: pipeline, Source: source, Filter: filter, Splits: []string{split},
	})
	if err != nil {
		return 0, fmt.Errorf("ask the ledger: %w", err)
	}
	return states[0], nil
}
