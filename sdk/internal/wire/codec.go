package wire

import (
	"bytes"
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
type fetchResponse struct{ events []sdk.Event }

// A writeRequest is pb.WriteRequest on the wire.
type writeRequest struct{ batch sdk.Batch }

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
// A sync.Pool would lose them at each collection, which is when they are worth most.
var messages = new(messagePool)

// A messagePool hands out first what came back last: of that memory the most is still in the
// processor's cache.
type messagePool struct {
	mu   sync.Mutex
	free []*[]byte
}

// smallestMessage is what a pooled message has room for at least: a page of a source.
// The pool holds so many messages, and of large ones only so many as are written at a time:
// more batches, or pages of large records, would be most of what a process may have.
const (
	smallestMessage = 320 << 10
	mostMessages    = 16
	largeMessages   = 4
)

// Get returns a message of that size, which holds anything.
func (p *messagePool) Get(size int) *[]byte {
	b := p.last()
	if b == nil || cap(*b) < size {
		fresh := make([]byte, 0, max(size, smallestMessage))
		b = &fresh
	}
	*b = (*b)[:size]
	return b
}

func (p *messagePool) last() *[]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free) - 1
	if n < 0 {
		return nil
	}
	b := p.free[n]
	p.free[n], p.free = nil, p.free[:n]
	return b
}

// Put takes back what Get returned.
func (p *messagePool) Put(b *[]byte) {
	if cap(*b) > smallRequest+smallestMessage {
		return // a huge event's memory is not kept
	}
	most := mostMessages
	if cap(*b) > 2*smallestMessage {
		most = largeMessages
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < most {
		p.free = append(p.free, b)
	}
}

// joined is the message in one piece. Materialize of package mem would clear the memory
// before it is written, which bytes.Join does not.
func joined(data mem.BufferSlice) []byte {
	pieces := make([][]byte, len(data))
	for i, b := range data {
		pieces[i] = b.ReadOnlyData()
	}
	return bytes.Join(pieces, nil)
}

// Unmarshal keeps one copy of the message, in which the events' Raw lies.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *fetchResponse:
		events, _, err := readEvents(joined(data), fetchResponseEvents)
		m.events = events
		return err
	case *writeRequest:
		events, other, err := readEvents(joined(data), writeRequestEvents)
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
