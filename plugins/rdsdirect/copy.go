package rdsdirect

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A target is a table that COPY fills, and how a row becomes one of its.
type target struct {
	table     string
	statement string
	appendRow func(b []byte, r *row) []byte // the number of columns, and each with its length
}

func newTarget(table string, columns []string, appendRow func([]byte, *row) []byte) target {
	return target{table, fmt.Sprintf("copy public.%s (%s) from stdin (format binary)", table, strings.Join(columns, ", ")), appendRow}
}

// rowColumns are the columns of table cloudtrail that are no field of the record; those of
// fields follow them.
var rowColumns = [...]string{"event_id", "event_time", "has_event_time", "origin", "source_ip", "additional", "sanitized", "raw"}

var cloudtrailTable = func() target {
	columns := rowColumns[:]
	for _, f := range fields {
		columns = append(columns, f.column)
	}
	return newTarget("cloudtrail", columns, appendRecord)
}()

// copyRows stores rows in a table. COPY knows nothing of conflicts and answers nothing for a
// row, and so it fills whole pages of the table and of the log at a time, which saves a
// fifth of the sink's work and a part of the server's.
func copyRows(ctx context.Context, tx pgx.Tx, to target, rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{to: to, rows: rows}, to.statement)
	if err != nil {
		return dataError("copy into "+to.table, err)
	}
	if tag.RowsAffected() != int64(len(rows)) {
		return errSwallowed(to.table)
	}
	return nil
}

// A copyReader reads as rows in the binary form of COPY, which it makes one at a time
// (postgresql.org/docs/current/sql-copy.html, "Binary Format").
type copyReader struct {
	to           target
	rows         []*row // to be read
	begun, ended bool
	rest         []byte // what of the last one had no room
}

const (
	// copyHeader is the signature, no flags, and no extension.
	copyHeader  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = "\xff\xff" // a row of -1 fields
)

// Read implements io.Reader.
func (c *copyReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(c.rest) == 0 {
			// Encoded where it is to be, unless that is too small: then append has taken
			// other memory.
			b, more := c.next(p[n:n:len(p)])
			switch {
			case !more:
				return n, io.EOF
			case len(b) <= len(p)-n:
				n += len(b)
				continue
			}
			c.rest = b
		}
		copied := copy(p[n:], c.rest)
		c.rest = c.rest[copied:]
		n += copied
	}
	return n, nil
}

// next appends what is to be read next. It says false at the end.
func (c *copyReader) next(b []byte) ([]byte, bool) {
	switch {
	case !c.begun:
		c.begun = true
		return append(b, copyHeader...), true
	case len(c.rows) > 0:
		b = c.to.appendRow(b, c.rows[0])
		c.rows = c.rows[1:]
		return b, true
	case !c.ended:
		c.ended = true
		return append(b, copyTrailer...), true
	}
	return b, false
}

// appendRecord appends a row of table cloudtrail.
func appendRecord(b []byte, r *row) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(rowColumns)+len(fields)))
	b = append(appendLength(b, len(r.id)), r.id[:]...)
	b = appendTime(appendLength(b, 8), r.time)
	b = appendBool(appendLength(b, 1), r.hasTime)
	b = append(appendLength(b, len(r.origin)), r.origin...)
	b = appendAddressCell(b, r.sourceIP)
	b = appendCell(b, asDocument, r.additional)
	b = appendBool(appendLength(b, 1), r.raw != nil)
	b = appendCell(b, asText, r.raw) // bytea's binary form is its bytes, like that of text
	for i, f := range fields {
		b = appendCell(b, f.form, r.text(i))
	}
	return b
}

// appendCell appends a text in the form of its column; nil is NULL.
func appendCell(b []byte, f form, text []byte) []byte {
	switch {
	case text == nil:
		return appendLength(b, nullElement)
	case f == asDocument: // a version and the text: jsonb_recv() in src/backend/utils/adt/jsonb.c
		return append(append(appendLength(b, 1+len(text)), 1), text...)
	case f == asBoolean:
		return appendBool(appendLength(b, 1), text[0] == 't')
	}
	return append(appendLength(b, len(text)), text...)
}

func appendAddressCell(b []byte, address netip.Addr) []byte {
	if !address.IsValid() {
		return appendLength(b, nullElement)
	}
	return appendAddress(appendLength(b, 4+address.BitLen()/8), address)
}
