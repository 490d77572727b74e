package rdsdirect

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// parameters are those of one statement in the binary form of PostgreSQL, written one
// after the other into memory that is used again. Handed to pgx as Go values they
// would be an interface, a search for a plan and often an allocation for each cell: more
// time than all else that a row takes here.
type parameters struct {
	buf  []byte
	ends []int  // where each one ends in buf
	sent []byte // what the statement's message was put together in
}

// keepMemory is how much a set of parameters may hold between two uses.
const keepMemory = 8 << 20

var parametersPool = sync.Pool{New: func() any { return new(parameters) }}

func newParameters() *parameters {
	p := parametersPool.Get().(*parameters)
	p.buf, p.ends = p.buf[:0], p.ends[:0]
	return p
}

// release gives the memory back; the statement has ended.
func (p *parameters) release() {
	if cap(p.buf)+cap(p.sent) <= keepMemory {
		parametersPool.Put(p)
	}
}

func (p *parameters) value(b []byte) {
	p.buf = append(p.buf, b...)
	p.ends = append(p.ends, len(p.buf))
}

// values are the parameters as pgconn takes them.
func (p *parameters) values() [][]byte {
	values, start := make([][]byte, len(p.ends)), 0
	for i, end := range p.ends {
		values[i] = p.buf[start:end:end]
		start = end
	}
	return values
}

// nullElement is the length of an element that is NULL.
const nullElement = 0xffffffff

// array adds an array with one element for each row; put appends the element's bytes and
// says false for NULL. The form is that of array_recv() in PostgreSQL's
// src/backend/utils/adt/arrayfuncs.c: dimensions, a flag for nulls that the server works
// out anew, the element's type, length and lower bound, then each element with its length.
func (p *parameters) array(element uint32, rows []*row, put func(b []byte, r *row) ([]byte, bool)) {
	b := binary.BigEndian.AppendUint32(p.buf, 1)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, element)
	b = binary.BigEndian.AppendUint32(b, uint32(len(rows)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, r := range rows {
		at := len(b)
		b = binary.BigEndian.AppendUint32(b, nullElement)
		var there bool
		if b, there = put(b, r); there {
			binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
		}
	}
	p.buf, p.ends = b, append(p.ends, len(b))
}

// texts is an array of texts, or of anything whose binary form is its bytes; nil is NULL.
func (p *parameters) texts(element uint32, rows []*row, text func(*row) []byte) {
	p.array(element, rows, func(b []byte, r *row) ([]byte, bool) {
		t := text(r)
		return append(b, t...), t != nil
	})
}

// cells is an array of JSON texts in the form of their column; nil is NULL.
func (p *parameters) cells(f form, rows []*row, cell func(*row) []byte) {
	switch f {
	case asDocument:
		p.documents(rows, cell)
	case asBoolean:
		p.array(pgtype.BoolOID, rows, func(b []byte, r *row) ([]byte, bool) {
			c := cell(r)
			if c == nil {
				return b, false
			}
			return appendBool(b, c[0] == 't'), true
		})
	default:
		p.texts(pgtype.TextOID, rows, cell)
	}
}

// documents is an array of jsonb, whose binary form is a version and the text: see
// jsonb_recv() in src/backend/utils/adt/jsonb.c.
func (p *parameters) documents(rows []*row, text func(*row) []byte) {
	p.array(pgtype.JSONBOID, rows, func(b []byte, r *row) ([]byte, bool) {
		t := text(r)
		if t == nil {
			return b, false
		}
		return append(append(b, 1), t...), true
	})
}

// addresses is an array of inet: see network_recv() in src/backend/utils/adt/network.c.
func (p *parameters) addresses(rows []*row) {
	p.array(pgtype.InetOID, rows, func(b []byte, r *row) ([]byte, bool) {
		if !r.sourceIP.IsValid() {
			return b, false
		}
		family := byte(2) // PGSQL_AF_INET of src/include/utils/inet.h
		if r.sourceIP.Is6() {
			family = 3 // PGSQL_AF_INET6
		}
		address := r.sourceIP.AsSlice()
		b = append(b, family, byte(r.sourceIP.BitLen()), 0, byte(len(address)))
		return append(b, address...), true
	})
}

func (p *parameters) ids(rows []*row) {
	p.array(pgtype.UUIDOID, rows, func(b []byte, r *row) ([]byte, bool) { return append(b, r.id[:]...), true })
}

// postgresEpoch is what PostgreSQL counts the microseconds of a timestamp from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (p *parameters) times(rows []*row) {
	p.array(pgtype.TimestampOID, rows, func(b []byte, r *row) ([]byte, bool) {
		return binary.BigEndian.AppendUint64(b, uint64(r.time.UnixMicro()-postgresEpoch)), true
	})
}

func (p *parameters) booleans(rows []*row, is func(*row) bool) {
	p.array(pgtype.BoolOID, rows, func(b []byte, r *row) ([]byte, bool) {
		return appendBool(b, is(r)), true
	})
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// binaryForm is the code of the form that all parameters and results are in.
var binaryForm = []int16{pgtype.BinaryFormatCode}

// run executes a statement and calls each for each row of its result. Like pgx in mode
// CacheDescribe it uses the unnamed statement, and leaves nothing behind in a pooler.
func (p *parameters) run(ctx context.Context, tx pgx.Tx, statement string, each func(cells [][]byte)) error {
	conn := tx.Conn().PgConn()
	// pgconn puts the message together in a buffer that starts with 1 KB and grows by a
	// quarter, for each statement anew: five times as many bytes copied as sent.
	room := room{p.sent, len(p.buf) + len(statement) + 8*len(p.ends) + 1024}
	conn.Frontend().Send(&room)
	// pgconn lets go of the memory when a long message is sent, but may not have sent it
	// all when the statement fails.
	p.sent = nil
	result := conn.ExecParams(ctx, statement, p.values(), nil, binaryForm, binaryForm)
	for result.NextRow() {
		each(result.Values())
	}
	_, err := result.Close()
	if err == nil && len(p.buf) > pgconnKeeps {
		p.sent = room.memory
	}
	return err
}

// pgconnKeeps is how long a message may be for pgconn to use its memory again: Flush of
// pgproto3.Frontend takes a new buffer after a longer one.
const pgconnKeeps = 1024

// room is a message of no bytes that brings memory for those after it.
type room struct {
	memory []byte
	size   int
}

var _ pgproto3.FrontendMessage = (*room)(nil)

// Frontend says which side sends it.
func (*room) Frontend() {}

// Decode is for messages that are read; this one is not.
func (*room) Decode([]byte) error { return errors.ErrUnsupported }

// Encode moves what is to be sent into more memory.
func (r *room) Encode(sent []byte) ([]byte, error) {
	if need := len(sent) + r.size; cap(r.memory) < need {
		r.memory = make([]byte, 0, need+need/8) // the next batch may be a little longer
	}
	return append(r.memory[:0], sent...), nil
}
