package cloudtrailapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var errKilled = errors.New("killed")

// database is what a kill leaves: rows by event, and the splits that are done.
type database struct {
	mu     sync.Mutex
	ledger map[string]bool
	rows   map[string]string
}

func (d *database) done(split sdk.Split) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ledger[split.ID]
}

// store adds rows, and marks a split as done if there is one.
func (d *database) store(t *testing.T, events []sdk.Event, done *sdk.Split) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range events {
		if row, ok := d.rows[e.ID]; ok && row != string(e.Raw) {
			t.Errorf("event %s was %s and is %s", e.ID, row, e.Raw)
		}
		d.rows[e.ID] = string(e.Raw)
	}
	if done != nil {
		d.ledger[done.ID] = true
	}
}

// agent is one life of a process that reads a source into a database: as the real one
// does, it stores some events before their split is done.
type agent struct {
	t      *testing.T
	source *Source
	db     *database
	since  time.Time
}

// run polls every five minutes until ctx ends.
func (a *agent) run(ctx context.Context) {
	for ctx.Err() == nil {
		var fetches sync.WaitGroup
		fetchers := make(chan struct{}, 16)
		err := a.source.Discover(ctx, sdk.TimeRange{Since: a.since}, func(page []sdk.Split) error {
			for _, split := range page {
				if a.db.done(split) {
					continue
				}
				select {
				case fetchers <- struct{}{}:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				fetches.Go(func() { a.fetch(ctx, split); <-fetchers })
			}
			return nil
		})
		fetches.Wait()
		a.expectAnEndOrATry("Discover", err)
		_ = pause(ctx, 5*time.Minute) // the loop looks at ctx
	}
}

func (a *agent) fetch(ctx context.Context, split sdk.Split) {
	var events []sdk.Event
	err := a.source.Fetch(ctx, split, func(page []sdk.Event) error {
		events = append(events, cloudtrailtest.Kept(page)...)
		if rand.IntN(2) == 0 && ctx.Err() == nil {
			a.db.store(a.t, events, nil)
		}
		return pause(ctx, rand.N(time.Second)) // the sink takes its time
	})
	if err == nil && ctx.Err() == nil {
		a.db.store(a.t, events, &split)
	}
	a.expectAnEndOrATry("Fetch of "+split.ID, err)
}

// expectAnEndOrATry checks an error: nothing in the simulation is final.
func (a *agent) expectAnEndOrATry(what string, err error) {
	if err != nil && !errors.Is(err, errKilled) && !plain(err) {
		a.t.Errorf("%s = %v, want an error to try again after", what, err)
	}
}

// TestEveryEventIsReadOnceWhateverKillsTheAgent kills the agent at 1,000 random
// moments. The service shows events up to 15 minutes late, gives short and empty pages,
// lets tokens expire and is throttled by somebody else, too.
func TestEveryEventIsReadOnceWhateverKillsTheAgent(t *testing.T) {
	const kills = 1000
	afterTwoDays(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(2026, 11))
		srv := lookuptest.New(lookuptest.Options{
			TokenLife: 30 * time.Second,
			Page:      func() (int, bool) { return min(50, random.IntN(70)), random.IntN(4) == 0 },
		})
		srv.Refuse(func(lookuptest.Request) string {
			if random.IntN(50) == 0 {
				return "ThrottlingException"
			}
			return ""
		})
		start := time.Now()
		want := fillHistory(random, start, srv)
		db := &database{ledger: make(map[string]bool), rows: make(map[string]string)}
		client := lookuptest.Client{Service: srv, Delay: func() time.Duration { return rand.N(200 * time.Millisecond) }}
		temp := t.TempDir()
		live := func(d time.Duration) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(d, func() { cancel(errKilled) })
			a := &agent{t: t, source: sourceOver(t, client, Settings{Regions: []string{seoul, virginia}}, temp), db: db, since: start.Add(-time.Hour)}
			a.run(ctx)
		}
		for range kills {
			live(rand.N(10 * time.Minute))
			<-time.After(rand.N(time.Minute)) // until it is started again
		}
		if got := time.Since(start); got < simulated/2 {
			t.Errorf("the kills took %v of %v", got, simulated)
		}
		<-time.After(max(0, simulated-time.Since(start)))
		live(26 * time.Hour)
		if diff := cmp.Diff(want, db.rows); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if n := srv.Busiest(); n > 2 {
			t.Errorf("requests in one second = %d, want 2 at most", n)
		}
		t.Logf("%d kills, %d events, %d splits, %d lookups", kills, len(want), len(db.ledger), len(srv.Requests()))
	})
}

// simulated is how long events go on in the simulation.
const simulated = 100 * time.Hour

// fillHistory fills two Regions with events, now and then many in one second.
func fillHistory(random *rand.Rand, start time.Time, srv *lookuptest.Service) map[string]string {
	records := make(map[string]string)
	for _, region := range []string{seoul, virginia} {
		var all []lookuptest.Event
		for at, n := start, 0; at.Before(start.Add(simulated)); at = at.Add(time.Duration(random.IntN(240)) * time.Second) {
			burst := 1
			if random.IntN(200) == 0 {
				burst = 110
			}
			for range burst {
				e := record(fmt.Sprintf("%s-%06d", region, n), at)
				n++
				e.Visible = at.Add(latency(random))
				all = append(all, e)
				records[e.ID] = e.Record
			}
		}
		srv.Add(region, all...)
	}
	return records
}

// latency is how late an event shows up: mostly within a minute, at most 15.
func latency(random *rand.Rand) time.Duration {
	switch random.IntN(10) {
	case 0:
		return time.Duration(random.Int64N(int64(15 * time.Minute)))
	case 1, 2:
		return time.Duration(random.Int64N(int64(5 * time.Minute)))
	}
	return time.Duration(random.Int64N(int64(time.Minute)))
}
