package rdsdirect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Events get into their table in one of two ways. INSERT … ON CONFLICT answers for each
// whether it was there before. COPY costs the server a tenth less for the event as a
// whole, but ends with an error at the first one that was there. As nearly all batches
// hold nothing but new events, the sink guesses from the batches before.

const eventsTable = "events"

const insertEvents = `
insert into public.events (id, event_time, group_id, source_product, source_ip, user_agent)
select unnest($3::uuid[]), unnest($4::timestamp[]), $1::uuid, $2::text, unnest($5::inet[]), unnest($6::text[])
on conflict do nothing
returning id`

// insertEvents stores the events that are not there, and marks their rows. unnest keeps the
// order of [newWrite], so that the server need not sort. Two writers with the same
// event meet here: the second waits for the first's COMMIT and then finds the row.
func (s *Sink) insertEvents(ctx context.Context, tx pgx.Tx, rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	p := newParameters()
	defer p.release()
	p.value(s.group[:])
	p.value([]byte(storable(s.settings.SourceProduct)))
	p.ids(rows)
	p.times(rows)
	p.addresses(rows)
	p.texts(rows, userAgent)
	var unknown error
	err := p.run(ctx, tx, insertEvents, func(cells [][]byte) {
		i, found := slices.BinarySearchFunc(rows, cells[0], func(r *row, id []byte) int { return bytes.Compare(r.id[:], id) })
		if !found {
			unknown = fmt.Errorf("insert into events: the server answers with id %x, which it was not given", cells[0])
			return
		}
		rows[i].added = true
	})
	if err != nil {
		return dataError("insert into events", err)
	}
	return unknown
}

// errPresent says that at least one of the events is there already.
var errPresent = errors.New("an event is there already")

// copyEvents stores events of which none is there, and marks their rows; otherwise it fails
// with errPresent. Two writers with the same event meet here as in insertEvents.
func (s *Sink) copyEvents(ctx context.Context, tx pgx.Tx, rows []*row) error {
	product := storable(s.settings.SourceProduct)
	to := newTarget(eventsTable, []string{"id", "event_time", "group_id", "source_product", "source_ip", "user_agent"},
		func(b []byte, r *row) []byte {
			b = binary.BigEndian.AppendUint16(b, 6)
			b = append(appendLength(b, len(r.id)), r.id[:]...)
			b = appendTime(appendLength(b, 8), r.time)
			b = append(appendLength(b, len(s.group)), s.group[:]...)
			b = append(appendLength(b, len(product)), product...)
			b = appendAddressCell(b, r.sourceIP)
			return appendCell(b, asText, r.text(userAgent))
		})
	err := copyRows(ctx, tx, to, rows)
	// Not if the unique index is somebody else's: insertEvents finds that out.
	if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == codeUnique {
		return errPresent
	}
	if err != nil {
		return err
	}
	for _, r := range rows {
		r.added = true
	}
	return nil
}

// history is what the batches before were like. Its methods may be called concurrently.
type history struct {
	mu     sync.Mutex
	clean  int // batches in a row that held new events only
	needed int // as many make the sink expect another one
}

// Bounds of history.needed after a wrong guess. Each costs the work of a batch, and leaves a
// line in the server's log and rows for its vacuum.
const (
	fewestClean = 8
	mostClean   = 1024
)

// expectsNew says whether the next batch is likely to hold new events only.
func (h *history) expectsNew() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clean >= h.needed
}

// saw adds a batch that was stored.
func (h *history) saw(rows []*row) {
	if len(rows) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clean++
	if slices.ContainsFunc(rows, func(r *row) bool { return !r.added }) {
		h.clean = 0
	}
}

// wasWrong makes the sink twice as careful, unless the last wrong guess is long ago.
func (h *history) wasWrong() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.needed == 0 || h.clean > 2*mostClean {
		h.needed = fewestClean
	} else {
		h.needed = min(2*h.needed, mostClean)
	}
	h.clean = 0
}
