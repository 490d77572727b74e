package wire

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

// codec is gRPC's own for protobuf, but for the two messages that carry events: it
// writes and reads them without a generated message in between. That takes a
// third of the processor time, and the bytes are the same: a plugin in another
// language, or of another version, does not notice.
type codec struct{ encoding.CodecV2 }

func newCodec() encoding.CodecV2 { return codec{encoding.GetCodecV2(protocodec.Name)} }

// The numbers of the field "events".
const (
	fetchResponseEvents protowire.Number = 1
	writeRequestEvents  protowire.Number = 2
)

// A fetchResponse is pb.FetchResponse on the wire.
type fetchResponse struct {
	events []sdk.Event
	text   *[]byte // of messages, in which the events' Raw lies in a response that was read
}

// A writeRequest is pb.WriteRequest on the wire.
type writeRequest struct {
	batch sdk.Batch
	text  *[]byte // of messages, in which the events' Raw lies in a request that was read
}

// Marshal takes memory from a pool, which gets it back when the message is sent.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *fetchResponse:
		return pooled(sizeOfEvents(fetchResponseEvents, m.events), func(b []byte) ([]byte, error) {
			return appendEvents(b, fetchResponseEvents, m.events)
		})
	case *writeRequest:
		// A message is its fields one after the other, in any order.
		rest := restToWire(m.batch)
		return pooled(sizeOfEvents(writeRequestEvents, m.batch.Events)+proto.Size(rest), func(b []byte) ([]byte, error) {
			b, err := appendEvents(b, writeRequestEvents, m.batch.Events)
			if err != nil {
				return nil, err
			}
			return proto.MarshalOptions{}.MarshalAppend(b, rest)
		})
	}
	return c.CodecV2.Marshal(v)
}

// inOne is the message in one piece of memory from the pool.
func inOne(data mem.BufferSlice) *[]byte {
	b := messages.Get(data.Len())
	data.CopyTo(*b)
	return b
}

func pooled(size int, marshal func([]byte) ([]byte, error)) (mem.BufferSlice, error) {
	b := messages.Get(size)
	out, err := marshal((*b)[:0])
	if err != nil {
		messages.Put(b)
		return nil, err
	}
	if len(out) != size {
		messages.Put(b)
		return nil, fmt.Errorf("message has %d bytes, not %d as computed", len(out), size)
	}
	return mem.BufferSlice{mem.NewBuffer(b, messages)}, nil
}

// messages is the pool of messages with events. gRPC's own clears what it hands out,
// which for messages that are written from end to end is a tenth of a source's time.
var messages = new(messagePool)

// A messagePool has messages that are used again, which hold anything. The zero value is ready.
type messagePool struct {
	rests, pages messageList
	// The collector takes what a process does not need for a while: a few batches, or pages of
	// large records, would be most of what it may have.
	batches sync.Pool
}

// The most that a message of each kind has: a page of a source unless a record is huge, the rest
// of a file behind its last whole page, and a batch by default and a little more. The memory of
// larger ones is not kept.
const (
	largestRest  = 64 << 10
	largestPage  = 320 << 10
	largestBatch = smallRequest + largestPage
)

// batchStep is by how much the memory for batches grows, so that it fits the next one as well.
const batchStep = 512 << 10

// Get returns a message of that size.
func (p *messagePool) Get(size int) *[]byte {
	var b *[]byte
	room := size
	switch {
	case size <= largestRest:
		b, room = p.rests.last(), largestRest
	case size <= largestPage:
		b, room = p.pages.last(), largestPage
	case size <= largestBatch:
		b, _ = p.batches.Get().(*[]byte)
		room = min((size+batchStep-1)/batchStep*batchStep, largestBatch)
	}
	if b == nil || cap(*b) < size {
		fresh := make([]byte, size, room)
		return &fresh
	}
	*b = (*b)[:size]
	return b
}

// Put takes back what Get returned.
func (p *messagePool) Put(b *[]byte) {
	switch room := cap(*b); {
	case room <= largestRest:
		p.rests.keep(b)
	case room <= largestPage:
		p.pages.keep(b)
	case room <= largestBatch:
		p.batches.Put(b)
	}
}

// A messageList hands out first what came back last: of that memory the most is still in the
// processor's cache. A sync.Pool would lose them at each collection, of which a source has many.
type messageList struct {
	mu   sync.Mutex
	free []*[]byte
}

// mostMessages is how many of a kind are kept: one for each split that is read at a time.
const mostMessages = 16

func (l *messageList) last() *[]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free) - 1
	if n < 0 {
		return nil
	}
	b := l.free[n]
	l.free[n], l.free = nil, l.free[:n]
	return b
}

func (l *messageList) keep(b *[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < mostMessages {
		l.free = append(l.free, b)
	}
}

// Unmarshal makes one copy of a message with events, in which their Raw lies. Whoever has read them
// gives the copy, text, back to the pool, or leaves it to the collector.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *fetchResponse:
		m.text = inOne(data)
		events, _, err := readEvents(m.events[:0], *m.text, fetchResponseEvents)
		m.events = events
		return err
	case *writeRequest:
		m.text = inOne(data)
		events, other, err := readEvents(nil, *m.text, writeRequestEvents)
		if err != nil {
			return err
		}
		rest := new(pb.WriteRequest)
		if err := proto.Unmarshal(other, rest); err != nil {
			return err
		}
		m.batch = restFromWire(rest)
		m.batch.Events = events
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
