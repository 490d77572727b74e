package rdsdirect

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A row is what the tables events and cloudtrail hold of an event. Its texts lie in
// the event's Raw where they can.
type row struct {
	event  int // index into Batch.Events
	id     uuid.UUID
	time   time.Time
	origin string // the split
	added  bool   // no event had this id before

	cells      [len(fields)]cell // where each field's text lies
	unquoted   []byte            // the texts that had escapes
	sourceIP   netip.Addr        // sourceIPAddress if it is one
	additional []byte            // a JSON object, or nil

	hasTime bool   // the record has eventTime as the column event_time gives it back
	record  []byte // the record as jsonb takes it
	raw     []byte // the record's own bytes, only if record does not say the same
}

// A cell is the place of a field's text: in the row's record or, with the highest bit of
// both set, in its unquoted. The zero cell is SQL NULL. There are no pointers in it, because
// the collector would follow thirty for each row that waits for the server.
type cell struct{ start, end uint32 }

const inUnquoted = 1 << 31

// text is the text of field i, nil for SQL NULL.
func (r *row) text(i int) []byte {
	c := r.cells[i]
	switch {
	case c == cell{}:
		return nil
	case c.start&inUnquoted != 0:
		return r.unquoted[c.start&^inUnquoted : c.end&^inUnquoted]
	}
	return r.record[c.start:c.end]
}

// A rowMaker makes rows of events. It is for one goroutine.
type rowMaker struct {
	group uuid.UUID
	plain jsonscan.Scanner
	scan  scanner
	// following has for each field, and at 0 for the beginning, the one that came next in the
	// last record that had it. Mostly it does again.
	following [1 + len(fields)]int
}

// make fills r from e. It fails if the record is not a JSON object and so can never be
// a row.
func (m *rowMaker) make(r *row, e *sdk.Event) error {
	at := rowTime(e.Time)
	*r = row{id: rowID(m.group, e.ID, at), time: at, record: e.Raw}
	members, err := m.members(r, e.Raw)
	if err != nil {
		return err
	}
	before := -1
	for _, member := range members {
		i := m.field(member.Name, before)
		if err := r.place(member, i); err != nil {
			return fmt.Errorf("field %q: %w", member.Name, err)
		}
		if i >= 0 {
			before = i
		}
	}
	if r.additional != nil {
		r.additional = append(r.additional, '}')
	}
	if address, err := netip.ParseAddr(string(r.text(sourceIPAddress))); err == nil && address.Zone() == "" {
		r.sourceIP = address
	}
	return nil
}

// members are those of a record, or of what can be stored of it.
func (m *rowMaker) members(r *row, record []byte) ([]jsonscan.Member, error) {
	if end, ok := m.plain.Object(record); ok && end == len(record) {
		return m.plain.Members, nil
	}
	if members, err := m.scan.scan(record, false); err == nil {
		return members, nil
	}
	var err error
	if r.record, err = sanitise(record); err != nil {
		return nil, err
	}
	r.raw = record
	members, err := m.scan.scan(r.record, true)
	if err != nil {
		return nil, fmt.Errorf("sanitised record: %w", err)
	}
	return members, nil
}

// field is the field of that name behind another one, or -1.
func (m *rowMaker) field(name []byte, before int) int {
	if i := m.following[1+before]; fields[i].name == string(name) {
		return i
	}
	i, known := fieldIndex[string(name)]
	if !known {
		return -1
	}
	m.following[1+before] = i
	return i
}

// place puts a member where it is given back unchanged. i is its field, or -1.
func (r *row) place(m jsonscan.Member, i int) error {
	if string(m.Name) == "eventTime" && isTime(m.Value, r.time) {
		r.hasTime = true
		return nil
	}
	if i >= 0 {
		if fits, err := r.fill(&r.cells[i], fields[i].form, m); fits || err != nil {
			return err
		}
	}
	return r.add(m)
}

// isTime says that a value is t, in UTC, in the one form in which AWS writes eventTime, and
// in which the view gives it back from the column event_time. It is that of RFC 3339, which
// package time writes without looking at a layout.
func isTime(value []byte, t time.Time) bool {
	var room [40]byte
	text := append(t.AppendFormat(append(room[:0], '"'), time.RFC3339), '"')
	return string(value) == string(text)
}

// fill sets a cell to the text of a member, unless a column of that form cannot give the
// member back.
func (r *row) fill(c *cell, f form, m jsonscan.Member) (fits bool, err error) {
	kind := m.Value[0]
	start, end := uint32(m.At), uint32(m.At+len(m.Value))
	switch {
	case f == asDocument && kind != 'n', f == asBoolean && (kind == 't' || kind == 'f'):
	case kind != '"' || f == asDocument || f == asBoolean:
		return false, nil
	case isPlain(m.Value):
		start, end = start+1, end-1
	default:
		start = uint32(len(r.unquoted)) | inUnquoted
		if r.unquoted, err = jsontext.AppendUnquote(r.unquoted, m.Value); err != nil {
			return false, err
		}
		end = uint32(len(r.unquoted)) | inUnquoted
	}
	if f == asKey && end-start > maxKey {
		return false, nil
	}
	*c = cell{start, end}
	return true, nil
}

func (r *row) add(m jsonscan.Member) (err error) {
	separator := byte(',')
	if r.additional == nil {
		separator = '{'
	}
	r.additional = append(r.additional, separator)
	if r.additional, err = jsontext.AppendQuote(r.additional, m.Name); err != nil {
		return err
	}
	r.additional = append(append(r.additional, ':'), m.Value...)
	return nil
}
