package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// damage is what a file holds that the agent did not write.
type damage struct{ what string }

func (d *damage) Error() string { return "the ledger is damaged: " + d.what }

func damaged(format string, args ...any) error { return &damage{fmt.Sprintf(format, args...)} }

func (f *File) update(ctx context.Context, query func(*bolt.Tx) error) error {
	return f.run(ctx, func(db *bolt.DB) error { return db.Update(query) })
}

// view queries a file that need not be there, which says nothing then.
func (f *File) view(ctx context.Context, query func(*bolt.Tx) error) error {
	return f.run(ctx, func(db *bolt.DB) error { return db.View(query) })
}

// run opens the file, makes one query, and closes it. A damaged file is set aside, and
// the query made of a new one.
func (f *File) run(ctx context.Context, query func(*bolt.DB) error) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = f.query(query)
	if d := (*damage)(nil); !errors.As(err, &d) {
		return err
	}
	aside := f.path() + ".damaged"
	if renameErr := os.Rename(f.path(), aside); renameErr != nil {
		return errors.Join(err, fmt.Errorf("set the damaged ledger aside: %w", renameErr))
	}
	f.verified = false
	f.log.Error("the ledger is damaged and begun anew: what the sources still hold is read and written again",
		"ledger", f.path(), "kept_as", aside, "err", err)
	return f.query(query)
}

// query makes one query of the file, which this process has locked. Whatever a damaged
// file makes bbolt do comes back as an error: it answers some damage with a panic, and
// a file cut short with a fault, because it reads through a memory map.
func (f *File) query(query func(*bolt.DB) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File
	defer func() {
		if p := recover(); p != nil {
			// The database is in no state to be closed. Its memory map stays.
			if file != nil {
				_ = file.Close()
			}
			err = damaged("%v", p)
		}
	}()
	if !f.verified {
		if err := verify(f.path()); err != nil {
			return err
		}
	}
	db, err := bolt.Open(f.path(), 0o600, &bolt.Options{
		Timeout:      time.Second, // nobody else should hold it, for all take the lock before
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(path, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return openError(err)
	}
	err = query(db)
	if closeErr := db.Close(); err == nil && closeErr != nil {
		return fmt.Errorf("close: %w", closeErr)
	}
	if err == nil && !f.verified {
		f.verified = true
		return syncFolder(f.dir)
	}
	return err
}

// openError tells damage from what the operating system refuses.
func openError(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) || errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("open: %w", err)
	}
	return damaged("%v", err)
}

// syncFolder makes a new file's name durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open state folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync state folder %s: %w", dir, err)
	}
	return nil
}

// lockPoll is how often a lock that another process holds is asked for.
const lockPoll = 5 * time.Millisecond

// lock waits for the turn among this process's queries, then among the processes. The
// lock is on a file of its own, because the ledger may be replaced by a new one.
func (f *File) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-f.turn
		}
	}()
	file, err := f.openLock()
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close(); <-f.turn }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			_ = file.Close()
			return nil, context.Cause(ctx)
		}
	}
}

func (f *File) openLock() (*os.File, error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, f.unusable(err)
	}
	file, err := os.OpenFile(filepath.Join(f.dir, "ledger.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, f.unusable(err)
	}
	return file, nil
}

// unusable explains a state folder that the agent cannot write to. It needs one for
// sinks that keep no ledger, and only for those.
func (f *File) unusable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrExist) {
		return sdk.Denied(fmt.Errorf("the state folder %s cannot be written to, and a sink of this configuration needs a ledger in it: give it to the agent's user, or set state_dir in the agent block: %w", f.dir, err))
	}
	return fmt.Errorf("open state folder %s: %w", f.dir, err)
}
