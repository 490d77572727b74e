package rdsdirect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const (
	kindRecord = "record"
	kindSplit  = "split"
)

// quarantined is a row of table quarantine.
type quarantined struct {
	id      uuid.UUID
	kind    string
	group   uuid.UUID
	time    *time.Time
	eventID *string
	raw     []byte

	pipeline, source, split, reason string
}

func newQuarantined(group uuid.UUID, pipeline string, q sdk.Quarantined) quarantined {
	entry := quarantined{
		id:       quarantineID(group, pipeline, q),
		kind:     kindSplit,
		group:    group,
		time:     optionalTime(q.Time),
		raw:      q.Raw,
		pipeline: storable(pipeline),
		source:   storable(q.Source),
		split:    storable(q.Split),
		reason:   storable(q.Reason),
	}
	if q.EventID != "" {
		id := storable(q.EventID)
		entry.kind, entry.eventID = kindRecord, &id
		if entry.raw == nil {
			entry.raw = []byte{}
		}
	}
	return entry
}

const quarantineRecipe = "inu-logsmith/quarantine-id/1\x00"

// quarantineID is the same whenever the same record or split is quarantined. The
// reason is not part of it: a newer program may find a better one.
func quarantineID(group uuid.UUID, pipeline string, q sdk.Quarantined) uuid.UUID {
	hash := sha256.New()
	hash.Write([]byte(quarantineRecipe))
	hash.Write(group[:])
	for _, part := range [][]byte{[]byte(pipeline), []byte(q.Source), []byte(q.Split), []byte(q.EventID), q.Raw} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		hash.Write(size[:])
		hash.Write(part)
	}
	return uuidV8(rowTime(q.Time), hash.Sum(nil))
}

const insertQuarantined = `
insert into public.quarantine (id, kind, group_id, pipeline, source, split, event_id, event_time, reason, raw)
select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamp[], $9::text[], $10::bytea[])
order by 1
on conflict do nothing`

func insertQuarantine(ctx context.Context, tx pgx.Tx, rows []quarantined) error {
	if len(rows) == 0 {
		return nil
	}
	var (
		ids, groups                              pgtype.FlatArray[[16]byte]
		kinds, pipelines, sources, splits, texts []string
		eventIDs                                 []*string
		times                                    []*time.Time
		raws                                     pgtype.FlatArray[[]byte]
	)
	for _, q := range rows {
		ids, groups = append(ids, q.id), append(groups, q.group)
		kinds, pipelines = append(kinds, q.kind), append(pipelines, q.pipeline)
		sources, splits = append(sources, q.source), append(splits, q.split)
		eventIDs, times = append(eventIDs, q.eventID), append(times, q.time)
		texts, raws = append(texts, q.reason), append(raws, q.raw)
	}
	_, err := tx.Exec(ctx, insertQuarantined, ids, kinds, groups, pipelines, sources, splits, eventIDs, times, texts, raws)
	if err != nil {
		return fmt.Errorf("insert into quarantine: %w", err)
	}
	return nil
}

// storable is s as a text column can hold it: NUL and what is not UTF-8 become U+FFFD.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// optionalTime is t for a column where a time that is unknown or out of range is NULL.
func optionalTime(t time.Time) *time.Time {
	at := rowTime(t)
	if at.UnixMilli() == 0 {
		return nil
	}
	return &at
}
