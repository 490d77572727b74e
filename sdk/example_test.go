package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A memory sink knows what it has stored, so a repeat adds nothing.
type memory struct {
	stored map[string][]byte
}

func (m *memory) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	var result sdk.Result
	result.New = make([]bool, len(b.Events))
	for i, e := range b.Events {
		if len(e.Raw) > 1<<20 {
			result.Rejected = append(result.Rejected, sdk.Reject{Index: i, Reason: "record is larger than 1 MiB"})
			continue
		}
		_, repeated := m.stored[e.ID]
		result.New[i] = !repeated
		m.stored[e.ID] = bytes.Clone(e.Raw) // the batch's bytes are not ours to keep
	}
	return result, nil
}

// The agent writes a batch again after an error or a crash. A sink that recognises
// event IDs makes each event one row; it then says which events were new.
func ExampleSink() {
	sink := &memory{stored: make(map[string][]byte)}
	batch := sdk.Batch{Events: []sdk.Event{{ID: "a", Raw: []byte(`{"eventID":"a"}`)}, {ID: "b", Raw: []byte(`{"eventID":"b"}`)}}}
	for range 2 {
		result, err := sink.Write(context.Background(), batch)
		fmt.Println(result.New, err)
	}
	fmt.Println(len(sink.stored), "events")
	// Output:
	// [true true] <nil>
	// [false false] <nil>
	// 2 events
}

// A calendar is a source whose splits are days.
type calendar struct{ first, end time.Time }

func (c calendar) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	var page []sdk.Split
	for day := c.first; day.Before(c.end); day = day.AddDate(0, 0, 1) {
		if r.Contains(day) {
			page = append(page, sdk.Split{ID: day.Format(time.DateOnly), Time: day})
		}
	}
	return found(page)
}

func (c calendar) Fetch(_ context.Context, s sdk.Split, emit func([]sdk.Event) error) error {
	day, err := time.Parse(time.DateOnly, s.ID)
	if err != nil {
		return sdk.Invalid(fmt.Errorf("split %q is not a day", s.ID))
	}
	if day.Before(c.first) {
		return sdk.Gone(fmt.Errorf("%s is no longer kept", s.ID))
	}
	return emit([]sdk.Event{{ID: s.ID + "/1", Time: day, Name: "NewDay", Raw: []byte(`{"eventName":"NewDay"}`)}})
}

// A source lists everything in the range each time: the agent knows which splits are
// done. What it says of one that cannot be read decides what happens to it.
func ExampleSource() {
	ctx := context.Background()
	source := calendar{time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC)}
	_ = source.Discover(ctx, sdk.TimeRange{Since: source.first.AddDate(0, 0, 1)}, func(page []sdk.Split) error {
		for _, split := range page {
			fmt.Println(split.ID)
		}
		return nil
	})
	print := func(page []sdk.Event) error {
		fmt.Println(page[0].ID, page[0].Name)
		return nil
	}
	fmt.Println(source.Fetch(ctx, sdk.Split{ID: "2026-11-02"}, print))
	fmt.Println(sdk.IsGone(source.Fetch(ctx, sdk.Split{ID: "2026-10-01"}, print)))
	// Output:
	// 2026-11-02
	// 2026-11-03
	// 2026-11-02/1 NewDay
	// <nil>
	// true
}

// What the agent does about an error depends on its class. The class goes through
// wrapping, and through the wire.
func ExampleDenied() {
	err := fmt.Errorf("write batch: %w", sdk.Denied(errors.New("password refused")))
	fmt.Println(err)
	fmt.Println(sdk.IsDenied(err), sdk.IsInvalid(err))
	// Output:
	// write batch: password refused
	// true false
}

func ExampleTimeRange_Contains() {
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := sdk.TimeRange{Since: day}
	fmt.Println(r.Contains(day), r.Contains(day.Add(-1)), r.Contains(time.Time{}))
	// Output:
	// true false true
}
