package rdsdirect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Batches of all sizes in turn: the memory of one must not show in the next.
func TestBatchesThatFollowEachOtherStoreTheirOwnRecords(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	n := 0
	for _, size := range []int{1, 300, 2, 1000, 1, 40} {
		var events []sdk.Event
		for range size {
			n++
			events = append(events, testEvent(fmt.Sprint(n), fmt.Sprintf(
				`{"eventID":"%d","eventName":"n%d","userAgent":"a \"%d\" b","errorMessage":"%s",%s}`, n, n, n, strings.Repeat("m", n%200), testTimeText)))
		}
		mustWrite(t, sink, completing(batchOf(fmt.Sprint("split", n), events...)))
	}
	wrong := ask[int](t, db, `select count(*) from cloudtrail where event_name <> 'n' || cloudtrail_event_id
		or user_agent <> format('a "%s" b', cloudtrail_event_id) or length(error_message) <> cloudtrail_event_id::int % 200`)
	if got := ask[int](t, db, `select count(*) from cloudtrail`); got != n || wrong != 0 {
		t.Errorf("%d rows, %d of them wrong; want %d and none", got, wrong, n)
	}
}
