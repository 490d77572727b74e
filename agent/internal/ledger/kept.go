package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Kept is a record, or a whole split, that was kept aside for a sink.
type Kept struct {
	sdk.Quarantined

	ID             uuid.UUID // the same whenever the same record is kept aside
	Pipeline, Sink string
	Recorded       time.Time // when it was kept aside, UTC; zero if an older version did it
}

func newKept(key []byte, r record) Kept {
	id := uuid.NewHash(sha256.New(), uuid.Nil, key, 8) // for own recipes (RFC 9562, section 5.8)
	return Kept{Quarantined: r.quarantined(), ID: id, Pipeline: r.Pipeline, Sink: r.Sink, Recorded: r.Recorded}
}

// ErrNotKept says that nothing with an ID is kept aside.
var ErrNotKept = errors.New("not in the quarantine")

// Exists reports whether there is a ledger in the folder.
func (f *File) Exists() bool {
	_, err := os.Stat(f.path())
	return !errors.Is(err, fs.ErrNotExist)
}

// Quarantine calls each with all that is kept aside, in the order of sinks and splits.
func (f *File) Quarantine(ctx context.Context, each func(Kept) error) error {
	var kept []Kept
	err := f.view(ctx, func(tx *bolt.Tx) error {
		kept = nil
		return eachRecord(tx, func(key []byte, r record) error {
			kept = append(kept, newKept(key, r))
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("read quarantine of ledger %s: %w", f.path(), err)
	}
	for _, k := range kept {
		if err := each(k); err != nil {
			return err
		}
	}
	return nil
}

func eachRecord(tx *bolt.Tx, do func(key []byte, r record) error) error {
	table := tx.Bucket(quarantine)
	if table == nil {
		return nil
	}
	return table.ForEach(func(key, value []byte) error {
		var r record
		if err := unseal(key, value, &r); err != nil {
			return err
		}
		return do(key, r)
	})
}

// Discard takes records out of the quarantine for good, and answers what they were. It
// changes nothing if one of the IDs is not there.
func (f *File) Discard(ctx context.Context, ids ...uuid.UUID) (gone []Kept, err error) {
	err = f.change(ctx, "discard", func(tx *bolt.Tx) error {
		gone = nil
		found, err := find(tx, ids)
		if err != nil {
			return err
		}
		for _, r := range found {
			gone = append(gone, r.kept)
			if err := tx.Bucket(quarantine).Delete(r.key); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// A Forgotten split counts as never read by its sink.
type Forgotten struct {
	Pipeline, Sink, Source, Split string

	Records int // that left the quarantine
	Entries int // that left the ledger, one for each filter it was read under
}

// Retry forgets the splits of the records with these IDs, so that the next listing has
// them read and written again as a whole. Every record of such a split leaves the
// quarantine. It changes nothing if one of the IDs is not there.
func (f *File) Retry(ctx context.Context, ids ...uuid.UUID) (splits []Forgotten, err error) {
	err = f.change(ctx, "retry", func(tx *bolt.Tx) error {
		splits = nil
		found, err := find(tx, ids)
		if err != nil {
			return err
		}
		done := make(map[string]bool)
		for _, r := range found {
			k := r.kept
			prefix := splitKey(k.Pipeline, k.Sink, k.Source, k.Split)
			if done[string(prefix)] {
				continue
			}
			done[string(prefix)] = true
			s := Forgotten{Pipeline: k.Pipeline, Sink: k.Sink, Source: k.Source, Split: k.Split}
			if s.Records, err = deletePrefix(tx.Bucket(quarantine), prefix); err != nil {
				return err
			}
			if s.Entries, err = deletePrefix(tx.Bucket(entries), prefix); err != nil {
				return err
			}
			splits = append(splits, s)
		}
		return nil
	})
	return splits, err
}

func (f *File) change(ctx context.Context, doing string, do func(*bolt.Tx) error) error {
	if err := f.update(ctx, do); err != nil {
		return fmt.Errorf("%s changed nothing: ledger %s: %w", doing, f.path(), err)
	}
	return nil
}

type keyed struct {
	key  []byte
	kept Kept
}

// find answers the records with all these IDs.
func find(tx *bolt.Tx, ids []uuid.UUID) (found []keyed, err error) {
	missing := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	err = eachRecord(tx, func(key []byte, r record) error {
		if k := newKept(key, r); missing[k.ID] {
			delete(missing, k.ID)
			found = append(found, keyed{bytes.Clone(key), k})
		}
		return nil
	})
	for _, id := range ids {
		if err == nil && missing[id] {
			err = fmt.Errorf("%s: %w", id, ErrNotKept)
		}
	}
	return found, err
}

func deletePrefix(table *bolt.Bucket, prefix []byte) (n int, err error) {
	if table == nil {
		return 0, nil
	}
	var keys [][]byte // a cursor must not be moved on while what it is at is deleted
	cursor := table.Cursor()
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := table.Delete(key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
