package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// An entry says how one split ended.
type entry struct {
	Pipeline string     `json:"pipeline"`
	Sink     string     `json:"sink"`
	Source   string     `json:"source"`
	Split    string     `json:"split"`
	Filter   string     `json:"filter"`
	Time     time.Time  `json:"split_time,omitzero"`
	Bytes    int64      `json:"bytes,omitempty"`
	Status   sdk.Status `json:"status"`
	Reason   string     `json:"reason,omitempty"`

	Read        int64 `json:"read"`
	Stored      int64 `json:"stored"`
	Duplicate   int64 `json:"duplicate"`
	Filtered    int64 `json:"filtered"`
	Quarantined int64 `json:"quarantined"`
}

func newEntry(pipeline, sink string, c sdk.Completion) entry {
	return entry{
		Pipeline: pipeline, Sink: sink, Source: c.Source, Split: c.Split.ID, Filter: c.Filter,
		Time: c.Split.Time, Bytes: c.Split.Bytes, Status: c.Status, Reason: c.Reason,
		Read: c.Read, Stored: c.Stored, Duplicate: c.Duplicate, Filtered: c.Filtered, Quarantined: c.Quarantined,
	}
}

func (e entry) key() []byte {
	key := appendPart(splitKey(e.Pipeline, e.Sink, e.Source, e.Split), e.Filter)
	if e.Status == sdk.StatusGone {
		key = appendPart(key, string(e.Status)) // a later reading has an entry of its own
	}
	return key
}

// A record is one that was kept aside with its reason.
type record struct {
	Pipeline string    `json:"pipeline"`
	Sink     string    `json:"sink"`
	Source   string    `json:"source"`
	Split    string    `json:"split"`
	EventID  string    `json:"event_id,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Reason   string    `json:"reason"`
	Raw      []byte    `json:"raw"`
	Recorded time.Time `json:"recorded,omitzero"`
}

func newRecord(pipeline, sink string, q sdk.Quarantined) record {
	return record{
		Pipeline: pipeline, Sink: sink, Source: q.Source, Split: q.Split,
		EventID: q.EventID, Time: q.Time, Reason: q.Reason, Raw: q.Raw, Recorded: time.Now().UTC(),
	}
}

func (r record) quarantined() sdk.Quarantined {
	return sdk.Quarantined{Source: r.Source, Split: r.Split, EventID: r.EventID, Time: r.Time, Reason: r.Reason, Raw: r.Raw}
}

// key is the same whenever the same record is kept aside. The reason is no part of it:
// a newer program may find a better one.
func (r record) key() []byte {
	sum := sha256.Sum256(r.Raw)
	return appendPart(appendPart(splitKey(r.Pipeline, r.Sink, r.Source, r.Split), r.EventID), string(sum[:]))
}

// splitKey is what the keys of all entries of one split start with.
func splitKey(pipeline, sink, source, split string) []byte {
	var key []byte
	for _, part := range []string{pipeline, sink, source, split} {
		key = appendPart(key, part)
	}
	return key
}

// longestPart keeps keys below bbolt's limit of 32 KiB.
const longestPart = 4 << 10

// appendPart adds a text with its length before it, so that no two lists of texts make
// the same key. Of one that is too long the hash stands for it.
func appendPart(key []byte, part string) []byte {
	if len(part) > longestPart {
		sum := sha256.Sum256([]byte(part))
		part = "sha256:" + hex.EncodeToString(sum[:])
	}
	key = binary.AppendUvarint(key, uint64(len(part)))
	return append(key, part...)
}

// stateOf answers for the split whose keys start with prefix.
func stateOf(cursor *bolt.Cursor, prefix []byte, filter string) (sdk.SplitState, error) {
	state := sdk.SplitNew
	for key, value := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		var e entry
		if err := unseal(key, value, &e); err != nil {
			return 0, err
		}
		if e.Status == sdk.StatusGone {
			continue // it was not there then; that it is asked for says that it is there again
		}
		if e.Filtered == 0 || e.Filter == filter {
			return sdk.SplitDone, nil
		}
		state = sdk.SplitFiltered
	}
	return state, nil
}

// A value is JSON behind its checksum, which covers the key too: bbolt itself checks
// its two meta pages only, and an entry must never be one that nobody wrote.
const checksumSize = 4

func checksum(key, text []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(key, table), table, text)
}

// putNew stores v under key in a table, unless the key is there already.
func putNew(tx *bolt.Tx, table, key []byte, v any) error {
	b, err := tx.CreateBucketIfNotExists(table)
	if err != nil {
		return fmt.Errorf("make table %s: %w", table, err)
	}
	if b.Get(key) != nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode entry: %w", err)
	}
	return b.Put(key, append(binary.BigEndian.AppendUint32(nil, checksum(key, text)), text...))
}

// unseal decodes what putNew stored.
func unseal(key, value []byte, into any) error {
	if len(value) < checksumSize {
		return damaged("an entry of %d bytes", len(value))
	}
	text := value[checksumSize:]
	if binary.BigEndian.Uint32(value) != checksum(key, text) {
		return damaged("an entry does not match its checksum")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return damaged("an entry cannot be read: %v", err)
	}
	return nil
}
