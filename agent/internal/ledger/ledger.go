// Package ledger is the ledger that the agent keeps for sinks that keep none: a file in
// its state folder.
//
// An entry is written after the sink has acknowledged the events, so a crash in between
// writes them again. Losing the file, or an old copy of it, costs reading again and
// nothing else; that is why a damaged one is set aside and begun anew.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A File is the ledger in one state folder. It is opened for each query alone, so that
// several agents may share the folder, as a run by hand beside the service does. Its
// methods may be called concurrently.
type File struct {
	dir string
	log *slog.Logger
	// turn holds a token while a query of this process has the file. It guards verified.
	turn     chan struct{}
	verified bool
}

// New returns the ledger in a state folder. It touches no file.
func New(dir string, log *slog.Logger) *File {
	return &File{dir: dir, log: log, turn: make(chan struct{}, 1)}
}

func (f *File) path() string { return filepath.Join(f.dir, "ledger.db") }

// The two tables, called buckets by bbolt.
var (
	entries    = []byte("entries")
	quarantine = []byte("quarantine")
)

// Check makes the folder and the file if they are not there, and reports whether the
// ledger can be written.
func (f *File) Check(ctx context.Context) error {
	return f.update(ctx, func(tx *bolt.Tx) error {
		for _, name := range [][]byte{entries, quarantine} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("make table %s: %w", name, err)
			}
		}
		return nil
	})
}

// Done answers as [sdk.Ledger] does, for one sink of the pipeline.
func (f *File) Done(ctx context.Context, sink string, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	states := make([]sdk.SplitState, len(q.Splits))
	err := f.view(ctx, func(tx *bolt.Tx) error {
		table := tx.Bucket(entries)
		if table == nil {
			return nil
		}
		cursor := table.Cursor()
		for i, split := range q.Splits {
			var err error
			if states[i], err = stateOf(cursor, splitKey(q.Pipeline, sink, q.Source, split), q.Filter); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask ledger %s: %w", f.path(), err)
	}
	return states, nil
}

// Record stores finished splits and what was kept aside, together and durably. What is
// there already stays as it is: the split was read again after a crash.
func (f *File) Record(ctx context.Context, sink, pipeline string, completed []sdk.Completion, kept []sdk.Quarantined) error {
	err := f.update(ctx, func(tx *bolt.Tx) error {
		for _, c := range completed {
			e := newEntry(pipeline, sink, c)
			if err := putNew(tx, entries, e.key(), e); err != nil {
				return err
			}
		}
		for _, q := range kept {
			r := newRecord(pipeline, sink, q)
			if err := putNew(tx, quarantine, r.key(), r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write ledger %s: %w", f.path(), err)
	}
	return nil
}
