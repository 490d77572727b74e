package rdsdirect

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// What a statement was put together in is used for the next one. That is right only while
// pgconn writes a long message out and then never touches its memory.
func TestPgconnLetsGoOfTheMemoryOfALongMessage(t *testing.T) {
	var wire bytes.Buffer
	f := pgproto3.NewFrontend(nil, &wire)
	r := room{size: 1 << 20}
	f.Send(&r)
	f.SendQuery(&pgproto3.Query{String: strings.Repeat("x", pgconnKeeps)})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Clone(wire.Bytes())
	if !bytes.Equal(r.memory[:len(sent)], sent) {
		t.Fatal("the message was not put together in the memory it was given")
	}
	for range 3 { // short ones and a long one
		f.SendQuery(&pgproto3.Query{String: "select 1"})
		f.SendQuery(&pgproto3.Query{String: strings.Repeat("y", 2*pgconnKeeps)})
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(r.memory[:len(sent)], sent) {
		t.Error("later messages were written into the memory of an earlier one")
	}
}

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
