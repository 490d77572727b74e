package wire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

// someEvents have every field, none, and what is long or odd.
func someEvents() []sdk.Event {
	full := sdk.Event{
		ID: "0c7d6a1e", Time: time.Date(2026, 11, 3, 3, 4, 5, 678000, time.UTC), Name: "PutObject", Source: "s3.amazonaws.com",
		Region: "us-east-1", Account: "111122223333", Principal: "arn:aws:iam::111122223333:user/\u00e9", ErrorCode: "AccessDenied",
		ReadOnly: sdk.True, Raw: []byte(`{"a":"\xff"}`), Reject: "no",
	}
	long := full
	long.ID, long.Name, long.Raw = strings.Repeat("i", 300), strings.Repeat("n", 1000), []byte(strings.Repeat("r", 70_000))
	before := full
	before.Time, before.ReadOnly = time.Date(1903, 1, 1, 0, 0, 0, 0, time.UTC), sdk.False
	return []sdk.Event{full, {}, long, before, full}
}

// generated is what the generated code makes of an event.
func generated(e sdk.Event) *pb.Event {
	return &pb.Event{
		Id: e.ID, Time: micros(e.Time), Name: e.Name, Source: e.Source, Region: e.Region, Account: e.Account,
		Principal: e.Principal, ErrorCode: e.ErrorCode, ReadOnly: uint32(e.ReadOnly), Raw: e.Raw, Reject: e.Reject,
	}
}

func someBatch() (sdk.Batch, *pb.WriteRequest) {
	b := sdk.Batch{
		Pipeline: "audit", Events: someEvents(), Spans: []sdk.Span{{Source: "s3", Split: "x", Len: 5}},
		Completed:  []sdk.Completion{{Source: "s3", Split: sdk.Split{ID: "x", Bytes: 7}, Filter: "f1-", Status: sdk.StatusStored, Read: 6, Stored: 5, Quarantined: 1}},
		Quarantine: []sdk.Quarantined{{Source: "s3", Split: "x", EventID: "e", Reason: "odd", Raw: []byte("{")}},
	}
	m := restToWire(b)
	for _, e := range b.Events {
		m.Events = append(m.Events, generated(e))
	}
	return b, m
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := newCodec().Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	return data.Materialize()
}

func unmarshal(data []byte, v any) error {
	// In pieces, as they arrive in frames.
	var pieces mem.BufferSlice
	for len(data) > 1000 {
		pieces, data = append(pieces, mem.SliceBuffer(data[:1000])), data[1000:]
	}
	return newCodec().Unmarshal(append(pieces, mem.SliceBuffer(data)), v)
}

func TestBatchesAreWhatTheGeneratedCodeWritesAndReads(t *testing.T) {
	batch, message := someBatch()

	got := new(pb.WriteRequest)
	if err := proto.Unmarshal(marshal(t, &writeRequest{batch: batch}), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(message, got) {
		t.Errorf("written: %v\nwant: %v", got, message)
	}

	bytes, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var read writeRequest
	if err := unmarshal(bytes, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(batch, read.batch, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestPagesAreWhatTheGeneratedCodeWritesAndReads(t *testing.T) {
	events := someEvents()
	message := new(pb.FetchResponse)
	for _, e := range events {
		message.Events = append(message.Events, generated(e))
	}
	got := new(pb.FetchResponse)
	if err := proto.Unmarshal(marshal(t, &fetchResponse{events: events}), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(message, got) {
		t.Errorf("written: %v\nwant: %v", got, message)
	}
	bytes, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var read fetchResponse
	if err := unmarshal(bytes, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events, read.events, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// A plugin of a later version may send fields that this one does not know, and the
// last of a repeated field counts.
func TestUnknownAndRepeatedFieldsAreReadLikeAnyProtobuf(t *testing.T) {
	var event []byte
	event = appendText(event, 99, "from tomorrow")
	event = appendText(event, eventName, "first")
	event = appendNumber(event, 98, 7)
	event = appendText(event, eventName, "last")
	event = appendNumber(event, eventRegion, 7) // of another type: unknown
	var page []byte
	page = appendText(page, 12, "also from tomorrow")
	page = protowire.AppendBytes(protowire.AppendTag(page, fetchResponseEvents, protowire.BytesType), event)

	var got fetchResponse
	if err := unmarshal(page, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sdk.Event{{Name: "last"}}, got.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestTextThatIsNotUTF8DoesNotTravel(t *testing.T) {
	if _, err := newCodec().Marshal(&fetchResponse{events: []sdk.Event{{Principal: "\xff"}}}); err == nil {
		t.Error("written without an error")
	}
	event := appendText(nil, eventPrincipal, "\xff")
	page := protowire.AppendBytes(protowire.AppendTag(nil, fetchResponseEvents, protowire.BytesType), event)
	if err := unmarshal(page, new(fetchResponse)); err == nil {
		t.Error("read without an error")
	}
}

// An event that is kept must not keep the message it came in.
func TestTextsDoNotLieInTheMessage(t *testing.T) {
	data := marshal(t, &fetchResponse{events: []sdk.Event{{ID: "id", Name: strings.Repeat("n", 300), Region: "region"}}})
	events, _, err := readEvents(nil, data, fetchResponseEvents)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if e := events[0]; e.ID != "id" || e.Name != strings.Repeat("n", 300) || e.Region != "region" {
		t.Errorf("event changed with the message: %+v", e)
	}
}

// Whatever a plugin sends, it is read as the generated code would, or refused.
func FuzzReadBatch(f *testing.F) {
	batch, _ := someBatch()
	batch.Events = batch.Events[:2]
	whole := marshal(f, &writeRequest{batch: batch})
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0x13, 0x14, 0x12, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		want := new(pb.WriteRequest)
		wantErr := proto.Unmarshal(data, want)
		var got writeRequest
		if err := unmarshal(data, &got); (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if wantErr != nil {
			return
		}
		if len(got.batch.Events) != len(want.GetEvents()) {
			t.Fatalf("%d events, want %d", len(got.batch.Events), len(want.GetEvents()))
		}
		for i, e := range got.batch.Events {
			m := want.GetEvents()[i]
			m.ReadOnly = min(m.GetReadOnly(), uint32(sdk.True))
			if m = proto.CloneOf(m); len(m.ProtoReflect().GetUnknown()) > 0 {
				m.ProtoReflect().SetUnknown(nil)
			}
			if w := generated(e); !proto.Equal(w, m) {
				t.Errorf("event %d: %v, want %v", i, w, m)
			}
		}
	})
}

// However many splits were read at once, only a few messages are kept, and no large ones that
// the collector cannot have.
func TestThePoolKeepsAFewMessages(t *testing.T) {
	var p messagePool
	for _, size := range []int{1, largestRest, largestRest + 1, largestPage, largestPage + 1, largestBatch, largestBatch + 1} {
		var all []*[]byte
		for range 3 * mostMessages {
			all = append(all, p.Get(size))
		}
		for _, b := range all {
			p.Put(b)
		}
	}
	if rests, pages := len(p.rests.free), len(p.pages.free); rests != mostMessages || pages != mostMessages {
		t.Errorf("%d rests and %d pages are kept, want %d of each", rests, pages, mostMessages)
	}
	for _, b := range slices.Concat(p.rests.free, p.pages.free) {
		if cap(*b) > largestPage {
			t.Errorf("a message of %d bytes is kept for good", cap(*b))
		}
	}
}

// Sizes that take turns do not get each other's room.
func TestAMessageOfThePoolHasItsSize(t *testing.T) {
	var p messagePool
	for _, size := range []int{0, 1, largestRest, largestRest + 1, largestPage, largestPage + 1, 3 << 20, largestPage + 1, 4 << 20, largestBatch, 10 << 20, 1} {
		b := p.Get(size)
		if len(*b) != size {
			t.Errorf("a message of %d bytes, want %d", len(*b), size)
		}
		p.Put(b)
	}
}
