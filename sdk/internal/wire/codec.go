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
var messages = newMessagePool()

// A messagePool hands out first what came back last: of that memory the most is still in the
// processor's cache.
type messagePool struct {
	mu      sync.Mutex
	classes [3]messageClass
}

// A messageClass is messages of about the same size, so that a small one does not take the
// memory of a large one.
type messageClass struct {
	room int // bytes of the largest
	step int // bytes by which they grow
	most int // that are kept
	free []*[]byte
}

// largestPage is what a page of a source has at most, unless a record is huge.
const largestPage = 320 << 10

// newMessagePool has classes for the rests of files, pages, and batches. Of the last it keeps
// as many as are written at a time: more of them, or pages of large records, would be most of
// what a process may have.
func newMessagePool() *messagePool {
	return &messagePool{classes: [...]messageClass{
		{room: 64 << 10, step: 64 << 10, most: 16},
		{room: largestPage, step: largestPage, most: 16},
		{room: smallRequest + largestPage, step: 512 << 10, most: 5},
	}}
}

// class is the one for messages of that size, or nil for a huge event's: its memory is not kept.
func (p *messagePool) class(size int) *messageClass {
	for i := range p.classes {
		if c := &p.classes[i]; size <= c.room {
			return c
		}
	}
	return nil
}

// Get returns a message of that size, which holds anything.
func (p *messagePool) Get(size int) *[]byte {
	c := p.class(size)
	if c == nil {
		b := make([]byte, size)
		return &b
	}
	if b := p.last(c); b != nil && cap(*b) >= size {
		*b = (*b)[:size]
		return b
	}
	b := make([]byte, size, min((size+c.step-1)/c.step*c.step, c.room))
	return &b
}

func (p *messagePool) last(c *messageClass) *[]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(c.free) - 1
	if n < 0 {
		return nil
	}
	b := c.free[n]
	c.free[n], c.free = nil, c.free[:n]
	return b
}

// Put takes back what Get returned.
func (p *messagePool) Put(b *[]byte) {
	c := p.class(cap(*b))
	if c == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(c.free) < c.most {
		c.free = append(c.free, b)
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

// Unmarshal keeps one copy of the message, in which the events' Raw lies. That of a page is
// the agent's for good, that of a batch has to go back to the pool.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *fetchResponse:
		events, _, err := readEvents(joined(data), fetchResponseEvents)
		m.events = events
		return err
	case *writeRequest:
		m.text = messages.Get(data.Len())
		data.CopyTo(*m.text)
		events, other, err := readEvents(*m.text, writeRequestEvents)
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
