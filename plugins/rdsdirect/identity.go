package rdsdirect

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// idRecipe is hashed in front of group and dedupe key, so that another recipe,
// should one ever be needed, gives other ids.
const idRecipe = "inu-logsmith/event-id/1\x00"

// maxRowTime is the first time that 48 bits of milliseconds cannot hold.
const maxRowTime = 1 << 48

// rowID is the id of an event's rows: the same for the same group, dedupe key and
// time, wherever and whenever the event is read. It is a UUIDv8 (RFC 9562, section
// 5.8):
//
//	bits   0-47   event time, milliseconds since 1970, big endian
//	bits  48-51   1000, the version
//	bits  52-63   hash
//	bits  64-65   10, the variant
//	bits  66-127  hash
//
// where hash is the first 80 bits of SHA-256(recipe, the group's 16 bytes, dedupe
// key), of which version and variant take six. The time in front keeps new rows at
// the end of the index.
//
// The time is part of the identity: two events with one dedupe key and different
// times are two events. at must come from [rowTime].
//
// Stored rows depend on every bit of this; golden vectors hold it.
func rowID(group uuid.UUID, key string, at time.Time) uuid.UUID {
	var stack [128]byte // most dedupe keys are GUIDs and need no allocation
	text := append(stack[:0], idRecipe...)
	text = append(text, group[:]...)
	text = append(text, key...)
	hash := sha256.Sum256(text)
	return uuidV8(at, hash[:])
}

// uuidV8 puts a time that [rowTime] gave in front of the hash's first 80 bits.
func uuidV8(at time.Time, hash []byte) uuid.UUID {
	var id uuid.UUID
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(at.UnixMilli()))
	copy(id[:6], stamp[2:])
	copy(id[6:], hash[:10])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// rowTime is the time that an event's rows are filed under: t in UTC to the
// millisecond, so that equal ids have equal times. A time that is missing, before
// 1970 or beyond 48 bits is 1970-01-01.
func rowTime(t time.Time) time.Time {
	ms := t.UnixMilli()
	if t.IsZero() || ms < 0 || ms >= maxRowTime {
		ms = 0
	}
	return time.UnixMilli(ms).UTC()
}
