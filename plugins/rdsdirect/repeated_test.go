package rdsdirect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The audit holds stored + repeated against the rows by origin.
func TestTheLedgerKnowsWhichDuplicatesAreRowsOfTheSplitItself(t *testing.T) {
	e := testEvents(6)
	tests := []struct {
		name   string
		before []sdk.Batch
		batch  sdk.Batch
		want   []string // split stored duplicate repeated
	}{
		{name: "a split read for the first time", batch: completing(batchOf("one", e[:3]...)), want: []string{"one 3 0 0"}},
		{
			name:   "a split read again",
			before: []sdk.Batch{batchOf("one", e[:2]...)},
			batch:  completing(batchOf("one", e[:3]...)),
			want:   []string{"one 1 2 2"},
		},
		{
			name:   "rows of another split",
			before: []sdk.Batch{batchOf("other", e[:2]...)},
			batch:  completing(batchOf("one", e[:3]...)),
			want:   []string{"one 1 2 0"},
		},
		{
			name:   "each row once, however often its event comes",
			before: []sdk.Batch{batchOf("one", e[:1]...), batchOf("other", e[1:2]...)},
			batch:  completing(batchOf("one", e[0], e[1], e[0], e[1], e[2], e[2])),
			want:   []string{"one 1 5 1"},
		},
		{
			name:   "two splits of one batch that share a row",
			before: []sdk.Batch{batchOf("one", e[:1]...)},
			batch: sdk.Batch{
				Pipeline: "audit", Events: []sdk.Event{e[0], e[0], e[1]},
				Spans:     []sdk.Span{{Source: "s3", Split: "two", Len: 1}, {Source: "s3", Split: "one", Len: 2}},
				Completed: []sdk.Completion{completion("one", 2), completion("two", 1)},
			},
			want: []string{"one 1 1 1", "two 0 1 0"},
		},
		{
			name:   "an earlier write without duplicates",
			before: []sdk.Batch{batchOf("one", e[:2]...)},
			batch:  withEarlier(completing(batchOf("one", e[2])), 2, 0),
			want:   []string{"one 3 0 0"},
		},
		{
			name:   "an event that an earlier write of the same reading stored",
			before: []sdk.Batch{batchOf("one", e[:2]...)},
			batch:  withEarlier(completing(batchOf("one", e[1], e[2])), 2, 0),
			want:   []string{"one 3 1 0"},
		},
		{
			name:   "duplicates of an earlier write",
			before: []sdk.Batch{batchOf("one", e[:2]...)},
			batch:  withEarlier(completing(batchOf("one", e[2])), 0, 2),
			want:   []string{"one 1 2 2"},
		},
		{
			name:   "an earlier reading cut short in the middle of one that spans writes",
			before: []sdk.Batch{batchOf("one", e[:2]...), batchOf("other", e[4:5]...), batchOf("one", e[2])},
			batch:  withEarlier(completing(batchOf("one", e[3], e[4], e[3])), 1, 2),
			want:   []string{"one 2 4 2"},
		},
		{
			name:   "rows that the present filter leaves out are no more than there are duplicates",
			before: []sdk.Batch{batchOf("one", e[:4]...)},
			batch:  filtering(completing(batchOf("one", e[3:5]...)), 3),
			want:   []string{"one 1 1 1"},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			db := newDatabase(t, cluster)
			for _, b := range tc.before {
				mustWrite(t, db.newSink(t), b)
			}
			mustWrite(t, db.newSink(t), tc.batch)
			got := ask[[]string](t, db, `select array_agg(concat_ws(' ', split, stored, duplicate, repeated) order by split) from ledger`)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
		})
	}
}

func completion(split string, read int64) sdk.Completion {
	return sdk.Completion{Source: "s3", Split: sdk.Split{ID: split}, Filter: "all", Status: sdk.StatusStored, Read: read}
}

// withEarlier adds what earlier writes reported of the split that b completes.
func withEarlier(b sdk.Batch, stored, duplicate int64) sdk.Batch {
	c := &b.Completed[0]
	c.Stored, c.Duplicate, c.Read = stored, duplicate, c.Read+stored+duplicate
	return b
}

// filtering adds events that the filter left out of the split that b completes.
func filtering(b sdk.Batch, filtered int64) sdk.Batch {
	b.Completed[0].Filtered = filtered
	b.Completed[0].Read += filtered
	return b
}
