package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// awaitStored returns when there are as many rows as expected, in the ledger too.
func (s *site) awaitStored(t *testing.T, r *running, want *expectation) {
	t.Helper()
	s.connect(t)
	r.await(t, "everything is stored", func() bool {
		return s.rows(t) == want.distinct()*len(s.groups) &&
			ask[int](t, s, `select coalesce(sum(read), 0)::int from ledger`) == want.records*len(s.groups)
	})
}

func TestServiceStoresNewObjectsAtTheNextPoll(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	// Every poll lists the last hours; the further past has its turn less often.
	yesterday := time.Now().Add(-24 * time.Hour)
	want := s.load(t, s3test.Trail{Start: yesterday, Seed: 1, Events: 300}.Objects())
	r := s.start(t)
	s.awaitStored(t, r, want)
	for seed := range uint64(3) { // new keys of the same minute, in front of the old ones or behind
		want.add(s.load(t, s3test.Trail{Start: yesterday, Seed: 2 + seed, Events: 300}.Objects()))
		s.awaitStored(t, r, want)
	}
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 {
		t.Errorf("service: %s", got)
	}
	s.checkStored(t, want)
	s.checkLeftNothing(t)
}

// Nothing but the ledger and the rows' identity keeps the two apart.
func TestOnceBesideARunningServiceAddsNothingTwice(t *testing.T) {
	s := newSite(t, smallBatches, s3Block, rdsBlock)
	want := s.load(t, s3test.Trail{Events: 4000, EventsPerObject: 100, Duplicates: 0.1, Quirks: 0.01}.Objects())
	g := s.gate(4) // both have splits in hand before either gets far
	service := s.start(t)
	service.await(t, "rows of the service", func() bool { return s.rows(t) > 0 })
	once := s.start(t, "-mode", "once")
	reads := s.s3.Requests(s3test.GetObject)
	once.await(t, "reads of the other run", func() bool { return s.s3.Requests(s3test.GetObject) >= reads+16 })
	g.open()
	if got := once.wait(); got.code != 0 {
		t.Errorf("once: %s", got)
	}
	s.awaitStored(t, service, want)
	service.signal(t, syscall.SIGTERM)
	if got := service.wait(); got.code != 0 {
		t.Errorf("service: %s", got)
	}
	s.checkStored(t, want)
	s.checkLeftNothing(t)
}
