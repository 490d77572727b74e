package pipeline_test

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/pipeline"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// recordOf is a record of an event, of a size that follows from its id: mostly a few KB, and
// now and then more than the memory that is used again comes in.
func recordOf(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	n := h.Sum32()
	size := n % 5_000
	if n%40 == 0 {
		size = n % 700_000
	}
	return `{"eventID":"` + id + `","pad":"` + strings.Repeat(id+" ", int(size)/(len(id)+1)) + `"}`
}

// Memory for records is used again as soon as every sink has them. Whatever fails and is
// repeated meanwhile, no sink may see another record in it.
func TestEverySinkSeesEachRecordAsItWasRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		source := newSource()
		source.whole = rapid.Bool().Draw(rt, "pages of many events")
		var ids []string
		for i := range rapid.IntRange(1, 12).Draw(rt, "splits") {
			var page []sdk.Event
			for j := range rapid.IntRange(1, 60).Draw(rt, "events") {
				id := fmt.Sprintf("%d-%d", i, j)
				ids = append(ids, id)
				e := sdk.Event{ID: id, Name: "Event", Raw: []byte(recordOf(id))}
				if j%13 == 7 {
					e.Reject = "odd"
				}
				page = append(page, e)
			}
			source.addEvents(fmt.Sprint(i), page...)
		}
		midway := rapid.SampledFrom([]int{0, 2, 3}).Draw(rt, "every so many readings fail midway")
		source.midway = func(_ string, attempt int) error {
			if midway > 0 && attempt%midway == 1 {
				return errDown
			}
			return nil
		}
		sinks := []*fakeSink{newSink(), newSink()}
		for _, s := range sinks {
			s.raw = recordOf
			s.writers = rapid.IntRange(1, 4).Draw(rt, "writers")
			fails := rapid.IntRange(2, 6).Draw(rt, "every so many writes fail")
			s.write = func(n int, b sdk.Batch) error {
				switch {
				case n%fails == 1:
					return errDown
				case n%(7*fails) == 2 && len(b.Events) > 0:
					return sdk.Invalid(errDown) // halves it, or quarantines the one event
				}
				return nil
			}
			s.lost = func(n int) error {
				if n%(3*fails) == 0 {
					return errDown
				}
				return nil
			}
		}
		synctest.Test(t, func(t *testing.T) {
			c := config(source, sinks...)
			c.Batch.MaxEvents = rapid.IntRange(1, 100).Draw(rt, "events in a batch")
			c.Batch.MaxBytes = int64(rapid.SampledFrom([]int{4 << 10, 64 << 10, 1 << 20}).Draw(rt, "bytes in a batch"))
			c.Memory = int64(rapid.SampledFrom([]int{64 << 10, 1 << 20, 32 << 20}).Draw(rt, "memory"))
			if err := pipeline.New(c).Run(t.Context()); err != nil {
				t.Error(err)
			}
			for _, s := range sinks {
				s.check(t, len(s.rows)) // that nothing odd happened
				for _, id := range ids {
					if s.rows[id] == "" && s.quarantine[id] == "" {
						t.Errorf("event %s is neither stored nor in quarantine", id)
					}
				}
			}
		})
	})
}
