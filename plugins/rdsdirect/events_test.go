package rdsdirect

import (
	"fmt"
	"slices"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Whatever the sink expects of a batch, each event is one row, and the answer says which
// were new.
func TestBatchesOfOldAndNewEventsInTurnAreAnsweredExactly(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	stored := make(map[int]bool)
	event := func(n int) sdk.Event {
		return testEvent(fmt.Sprint(n), fmt.Sprintf(`{"eventID":"%d",%s}`, n, testTimeText))
	}
	for i, numbers := range [][]int{
		{1, 2, 3}, {3}, {4}, {2, 5, 1}, {6, 6, 7}, {7, 7}, // wrong guesses, and repeats within a batch
		{10}, {11}, {12}, {13}, {14}, {15}, {16}, {17}, {18}, {18, 19}, {20}, {20, 3}, {21},
	} {
		var events []sdk.Event
		var want []bool
		for _, n := range numbers {
			events = append(events, event(n))
			want = append(want, !stored[n])
			stored[n] = true
		}
		result := mustWrite(t, sink, completing(batchOf(fmt.Sprint("split", i), events...)))
		if !slices.Equal(result.New, want) {
			t.Errorf("batch %d of %v: new %v, want %v", i, numbers, result.New, want)
		}
	}
	if events, records := ask[int](t, db, `select count(*) from events`), ask[int](t, db, `select count(*) from cloudtrail`); events != len(stored) || records != len(stored) {
		t.Errorf("%d events and %d records, want %d of each", events, records, len(stored))
	}
	if wrong := ask[int](t, db, `select count(*) from ledger where read <> stored + duplicate`); wrong != 0 {
		t.Errorf("%d ledger entries do not add up", wrong)
	}
}

func TestAWrongGuessIsNotRepeatedSoon(t *testing.T) {
	var (
		h     history
		fresh = []*row{{added: true}}
		mixed = []*row{{added: true}, {}}
	)
	cleanUntilExpected := func() (n int) {
		for ; !h.expectsNew(); n++ {
			h.saw(fresh)
		}
		return n
	}
	if !h.expectsNew() {
		t.Error("the first batch is not expected to be new")
	}
	for _, want := range []int{8, 16, 32, 64, 128, 256, 512, 1024, 1024} {
		h.wasWrong()
		h.saw(mixed)
		if got := cleanUntilExpected(); got != want {
			t.Errorf("new events are expected after %d batches of them, want %d", got, want)
		}
	}
	h.saw(mixed)
	h.saw(nil)
	if got := cleanUntilExpected(); got != 1024 {
		t.Errorf("after old events, new ones are expected after %d batches of them, want 1024", got)
	}
	for range 2 * mostClean {
		h.saw(fresh)
	}
	h.wasWrong()
	if got := cleanUntilExpected(); got != 8 {
		t.Errorf("long after the last wrong guess, new events are expected after %d batches of them, want 8", got)
	}
}
