package main

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// smallBatches make a run commit often, so that a kill finds it in all its states.
const smallBatches = `  batch {
    max_events = 50
  }
`

// seedVariable repeats a sequence of kills as far as the machine allows; a failed test
// prints the seed it had.
const seedVariable = "AGENT_KILL_SEED"

// A killer kills processes of runs that are in the middle of storing.
type killer struct {
	*site
	victim string // "agent", or the kind of a plugin
	rnd    *rand.Rand
	want   *expectation // grows with every round
	round  uint64
	hits   int
}

// newKiller makes one for a pipeline from S3 to the sinks, with a seed that the test logs.
func newKiller(t *testing.T, victim string, sinks ...string) *killer {
	t.Helper()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv(seedVariable), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	t.Logf("%s=%d", seedVariable, seed)
	return &killer{
		site: newSite(t, append([]string{smallBatches, s3Block}, sinks...)...), victim: victim,
		rnd: rand.New(rand.NewPCG(seed, uint64(len(victim)))), want: newExpectation(),
	}
}

// Each of three processes is killed at 20 random moments of runs that have begun to
// store and have not finished. Whatever is killed, in the end every event is there
// once. With no failure in 60 kills the rate of failures is below 5 % (95 % confidence).
func TestKill9AtRandomMomentsLeavesEveryEventOnce(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 2
	}
	for _, victim := range []string{"agent", "source", "sink"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, victim, rdsBlock)
			for k.hits < kills {
				k.moreObjects(t)
				k.killUntilStored(t, kills)
			}
			if got := k.once(t); got.count("splits:") != 0 {
				t.Errorf("a run after the end reads again: %s", got)
			}
			k.checkStored(t, k.want)
			k.checkLeftNothing(t)
			t.Logf("%d kills in %d rounds of %d events", k.hits, k.round, k.want.records)
		})
	}
}

// The service is killed while it stores for two groups, each in its own transactions.
func TestKill9OfTheServiceLeavesEveryEventOnceInEachGroup(t *testing.T) {
	k := newKiller(t, "agent", rdsBlock, otherGroupBlock())
	k.moreObjects(t)
	for k.hits < 3 {
		r := k.start(t)
		if k.awaitMoment(t, r) {
			k.kill(t, r)
			continue
		}
		if r.over() {
			t.Fatalf("the service ended by itself: %s", r.wait())
		}
		k.moreObjects(t) // which its next listing finds
		kill9(r.cmd.Process.Pid)
		r.wait()
	}
	k.moreObjects(t)
	r := k.start(t)
	k.awaitStored(t, r, k.want)
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 {
		t.Errorf("service: %s", got)
	}
	k.checkStored(t, k.want)
	k.checkLeftNothing(t)
}

// moreObjects fills the bucket for one more round.
func (k *killer) moreObjects(t *testing.T) {
	t.Helper()
	k.round++
	trail := s3test.Trail{
		Seed: k.rnd.Uint64() >> 2, Prefix: "round" + strconv.FormatUint(k.round, 10) + "/",
		Events: 4000, EventsPerObject: 50, Duplicates: 0.1, Quirks: 0.01,
	}
	more := k.load(t, trail.Objects())
	k.want.add(more)
}

// killUntilStored runs until a run ends by itself, with exit code 0, and kills before
// that as often as it can, but no more than limit times in all.
func (k *killer) killUntilStored(t *testing.T, limit int) {
	t.Helper()
	for {
		r := k.start(t, "-mode", "once")
		for k.hits < limit && k.awaitMoment(t, r) {
			k.kill(t, r)
		}
		switch got := r.wait(); {
		case got.code == 0:
			return
		case k.victim != "agent":
			// The agent lives on, so this run has to come to a good end.
			t.Fatalf("a plugin was killed: %s", got)
		case got.code != -1:
			t.Fatalf("the agent ended by itself: %s", got)
		}
	}
}

// awaitMoment returns at a random moment after the run's first new row, and a little
// later than a COMMIT. It lies in the first half of what is left, so that the second
// half is left for further kills. It reports false if the run ended before.
func (k *killer) awaitMoment(t *testing.T, r *running) bool {
	t.Helper()
	rows, all := k.rows(t), k.want.distinct()*len(k.groups)
	if rows >= all {
		return false
	}
	moment := rows + 1 + k.rnd.IntN((all-rows+1)/2)
	await(t, "the moment to kill", func() bool { return r.over() || k.rows(t) >= moment })
	select {
	case <-time.After(time.Duration(k.rnd.Int64N(int64(10 * time.Millisecond)))):
	case <-r.ended:
	}
	return !r.over()
}

// kill kills the victim. It counts only if that cut off a run that had work left.
func (k *killer) kill(t *testing.T, r *running) {
	t.Helper()
	if k.victim == "agent" {
		_ = r.cmd.Process.Kill() // it may just have ended
		if r.wait().code == -1 {
			k.hits++
		}
		return
	}
	const noticed = "plugin process ended"
	before := strings.Count(r.stderr.String(), noticed)
	if !kill9(k.plugin(t, k.victim)) {
		return
	}
	await(t, "the agent notices", func() bool {
		return r.over() || strings.Count(r.stderr.String(), noticed) > before
	})
	k.hits += strings.Count(r.stderr.String(), noticed) - before
}
