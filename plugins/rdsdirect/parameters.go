package rdsdirect

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// parameters are those of one statement in the binary form of PostgreSQL, written one
// after the other into memory that is used again. Handed to pgx as Go values they
// would be an interface, a search for a plan and often an allocation for each cell: more
// time than all else that a row of events takes here.
type parameters struct {
	buf  []byte
	ends []int // where each one ends in buf
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
	if cap(p.buf) <= keepMemory {
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

// array adds an array with one element for each row; put appends the element's bytes and
// says false for NULL. The form is that of array_recv() in PostgreSQL's
// src/backend/utils/adt/arrayfuncs.c: dimensions, a flag for nulls that the server works
// out anew, the element's type, length and lower bound, then each element with its length.
func (p *parameters) array(element uint32, rows []*row, put func(b []byte, r *row) ([]byte, bool)) {
	b := appendLength(appendLength(p.buf, 1), 1)
	b = binary.BigEndian.AppendUint32(b, element)
	b = appendLength(appendLength(b, len(rows)), 1)
	for _, r := range rows {
		at := len(b)
		b = appendLength(b, nullElement)
		var there bool
		if b, there = put(b, r); there {
			binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
		}
	}
	p.buf, p.ends = b, append(p.ends, len(b))
}

// texts is a field of each row.
func (p *parameters) texts(rows []*row, field int) {
	p.array(pgtype.TextOID, rows, func(b []byte, r *row) ([]byte, bool) {
		text := r.text(field)
		return append(b, text...), text != nil
	})
}

func (p *parameters) addresses(rows []*row) {
	p.array(pgtype.InetOID, rows, func(b []byte, r *row) ([]byte, bool) {
		return appendAddress(b, r.sourceIP), r.sourceIP.IsValid()
	})
}

func (p *parameters) ids(rows []*row) {
	p.array(pgtype.UUIDOID, rows, func(b []byte, r *row) ([]byte, bool) { return append(b, r.id[:]...), true })
}

func (p *parameters) times(rows []*row) {
	p.array(pgtype.TimestampOID, rows, func(b []byte, r *row) ([]byte, bool) { return appendTime(b, r.time), true })
}

// binaryForm is the code of the form that all parameters and results are in.
var binaryForm = []int16{pgtype.BinaryFormatCode}

// run executes a statement and calls each for each row of its result. Like pgx in mode
// CacheDescribe it uses the unnamed statement, and leaves nothing behind in a pooler.
func (p *parameters) run(ctx context.Context, tx pgx.Tx, statement string, each func(cells [][]byte)) error {
	conn := tx.Conn().PgConn()
	// pgconn puts the message together in a buffer that starts with 1 KB and grows by a
	// quarter, for each statement anew: five times as many bytes copied as sent. The memory
	// is pgconn's from then on, which may go on using it, so that it is never ours again.
	conn.Frontend().Send(room(len(p.buf) + len(statement) + 8*len(p.ends) + 1024))
	result := conn.ExecParams(ctx, statement, p.values(), nil, binaryForm, binaryForm)
	for result.NextRow() {
		each(result.Values())
	}
	_, err := result.Close()
	return err
}

// room is a message of no bytes that brings memory for those after it.
type room int

var _ pgproto3.FrontendMessage = room(0)

// Frontend says which side sends it.
func (room) Frontend() {}

// Decode is for messages that are read; this one is not.
func (room) Decode([]byte) error { return errors.ErrUnsupported }

// Encode moves what is to be sent into more memory.
func (r room) Encode(sent []byte) ([]byte, error) {
	return append(make([]byte, 0, len(sent)+int(r)), sent...), nil
}
