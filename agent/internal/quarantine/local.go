package quarantine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
)

// A Local is the quarantine in a state folder: what is kept aside for sinks that keep no
// ledger of their own. Its methods do what those of [Quarantine] do; a service that runs
// with the same folder is not in the way. What is discarded is gone.
type Local struct{ file *ledger.File }

// OpenLocal opens the quarantine of a state folder, which has to be there and to belong to
// this user: a file that root made in it would keep the agent out.
func OpenLocal(dir string, log *slog.Logger) (*Local, error) {
	f := ledger.New(dir, log)
	if !f.Exists() {
		return nil, fmt.Errorf("there is no ledger in %s: no sink without one of its own has run with this state_dir", dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("folder %s belongs to user %d: run this as that user, as in sudo -u '#%d' agent quarantine list -state-dir %s", dir, st.Uid, st.Uid, dir)
	}
	return &Local{f}, nil
}

// List calls each with the entries that f chooses, the oldest first.
func (l *Local) List(ctx context.Context, f Filter, each func(Entry) error) error {
	all, err := l.entries(ctx, f)
	if err != nil {
		return err
	}
	for _, e := range all {
		e.Raw = nil
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// Find answers the entry with the ID, or ErrNotFound.
func (l *Local) Find(ctx context.Context, id uuid.UUID) (Entry, error) {
	all, err := l.entries(ctx, Filter{})
	if err != nil {
		return Entry{}, err
	}
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("%s: %w", id, ErrNotFound)
}

// Retry is [Quarantine.Retry]. The sink gets all events of the splits again.
func (l *Local) Retry(ctx context.Context, ids []uuid.UUID, each func(Retried) error) error {
	all, err := l.entries(ctx, Filter{})
	if err != nil {
		return err
	}
	for _, e := range all {
		if isQueueMessage(e) && slices.Contains(ids, e.ID) {
			return fmt.Errorf("%s, %s: %w", e.ID, e.Split, ErrMessage)
		}
	}
	return l.retry(ctx, ids, each)
}

// retry has the splits of entries read again, none of which is a message.
func (l *Local) retry(ctx context.Context, ids []uuid.UUID, each func(Retried) error) error {
	splits, err := l.file.Retry(ctx, ids...)
	if err != nil {
		return err
	}
	for _, s := range splits {
		err := each(Retried{Pipeline: s.Pipeline, Source: s.Source, Split: s.Split, Entries: s.Records, LedgerEntries: s.Entries})
		if err != nil {
			return err
		}
	}
	return nil
}

// RetryAll is Retry for the entries that f chooses, but for messages, which stay.
func (l *Local) RetryAll(ctx context.Context, f Filter, each func(Retried) error) error {
	all, err := l.entries(ctx, f)
	if err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, e := range all {
		if !isQueueMessage(e) {
			ids = append(ids, e.ID)
		}
	}
	return l.retry(ctx, ids, each)
}

// Discard is [Quarantine.Discard].
func (l *Local) Discard(ctx context.Context, ids []uuid.UUID, each func(Entry) error) error {
	gone, err := l.file.Discard(ctx, ids...)
	if err != nil {
		return err
	}
	for _, k := range gone {
		if err := each(entryOf(k)); err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing: the file is opened for each call.
func (l *Local) Close(context.Context) {}

func (l *Local) entries(ctx context.Context, f Filter) (all []Entry, err error) {
	err = l.file.Quarantine(ctx, func(k ledger.Kept) error {
		if e := entryOf(k); f.chooses(e) {
			all = append(all, e)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(a.Recorded.Compare(b.Recorded), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return all, err
}

func entryOf(k ledger.Kept) Entry {
	e := Entry{
		ID: k.ID, Kind: KindSplit, Sink: k.Sink, Pipeline: k.Pipeline, Source: k.Source, Split: k.Split, EventID: k.EventID,
		Time: k.Time, Reason: k.Reason, Recorded: k.Recorded, Size: int64(len(k.Raw)), Raw: k.Raw,
	}
	if k.EventID != "" {
		e.Kind = KindRecord
	}
	return e
}

func (f Filter) chooses(e Entry) bool {
	return (f.Pipeline == "" || f.Pipeline == e.Pipeline) && (f.Source == "" || f.Source == e.Source) &&
		(f.Kind == "" || f.Kind == e.Kind) && !e.Recorded.Before(f.Since)
}

// isQueueMessage is isMessage for an entry.
func isQueueMessage(e Entry) bool { return e.Source == "s3" && strings.HasPrefix(e.Split, "sqs:") }
