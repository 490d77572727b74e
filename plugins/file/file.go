// Package file is the source "file": CloudTrail files in local folders, for
// forensics and for trying things out. A split is one version of one file.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Source reads CloudTrail files. It keeps nothing between calls but what it has warned of.
type Source struct {
	paths []string // absolute; patterns, folders and files
	open  func(name string) (fs.File, error)

	mu     sync.Mutex
	warned map[notice]bool
}

var _ sdk.Source = (*Source)(nil)

// Open makes the source that s describes. Relative paths are taken from the
// working directory now, for a split's ID must mean the same in every run.
func Open(_ context.Context, s Settings) (sdk.Source, error) {
	src := &Source{open: func(name string) (fs.File, error) { return os.Open(name) }}
	for _, p := range s.Paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", p, err)
		}
		src.paths = append(src.paths, abs)
	}
	return src, nil
}

// Discover lists the files of all paths. A file that several paths name is listed
// once. What cannot be listed does not keep the rest from being listed; it is
// reported in the end, as [sdk.Denied] because somebody has to act.
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	l := &lister{ctx: ctx, within: r, found: found, seen: make(map[string]bool)}
	for _, p := range s.paths {
		if err := l.path(p); err != nil {
			return err
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	s.warn(ctx, l.idle)
	return sdk.Denied(errors.Join(l.faults...))
}

// warn tells once of each thing that may be a mistake, and again after it was mended.
func (s *Source) warn(ctx context.Context, now []notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	warned := make(map[notice]bool, len(now))
	for _, n := range now {
		if !s.warned[n] && !warned[n] {
			slog.WarnContext(ctx, "nothing is read of a path", "path", shown(n.path), "why", n.what)
		}
		warned[n] = true
	}
	s.warned = warned
}

// Fetch reads one file. A file that has been changed since it was listed is
// [sdk.Gone], like one that was removed: the version that the split names cannot
// be read any more, and the next Discover lists the new one.
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	path, want, ok := parseID(split.ID)
	if !ok {
		return sdk.Invalid(fmt.Errorf("split %q does not name a version of a file", split.ID))
	}
	f, err := s.open(path)
	if err != nil {
		return openError(path, err)
	}
	defer func() { _ = f.Close() }() // what it held has been read, or will be again
	if err := verify(f, path, want); err != nil {
		return err
	}
	account := cloudtrail.ParseKey(filepath.ToSlash(path)).Account
	err = cloudtrail.Read(contextReader{ctx, f}, account, cloudtrail.Limits{}, emit)
	if err == nil || sdk.IsInvalid(err) {
		// Half of one version and half of another is no file.
		if changed := verify(f, path, want); changed != nil {
			return changed
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", shown(path), err)
	}
	return nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sdk.Gone(fmt.Errorf("file %s does not exist any more", shown(path)))
	case errors.Is(err, fs.ErrPermission):
		return sdk.Denied(fmt.Errorf("open %s: permission denied: let the agent's user read it", shown(path)))
	}
	return fmt.Errorf("open %s: %w", shown(path), bare(err))
}

func verify(f fs.File, path string, want version) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat %s: %w", shown(path), bare(err))
	}
	if versionOf(info) != want {
		return sdk.Gone(fmt.Errorf("file %s has changed since it was listed", shown(path)))
	}
	return nil
}

// contextReader ends reading when the context ends.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of Fetch
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// version tells one content of a file from another, as far as that can be known
// without reading it.
type version struct {
	size  int64
	mtime int64 // nanoseconds since 1970
	inode uint64
}

func versionOf(info fs.FileInfo) version {
	v := version{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode = st.Ino
	}
	return v
}

// versionWidth is how many bytes of a split's ID the version takes at most.
const versionWidth = len("@-9223372036854775808") * 3

// splitOf is the split of a file. Its time is the one in its name or folder, if it
// still has CloudTrail's: copies have other times of change than the originals.
func splitOf(path string, info fs.FileInfo) sdk.Split {
	v := versionOf(info)
	at := cloudtrail.ParseKey(filepath.ToSlash(path)).Time()
	if at.IsZero() {
		at = info.ModTime().UTC().Truncate(time.Second)
	}
	return sdk.Split{ID: fmt.Sprintf("%s@%d-%d-%d", path, v.size, v.mtime, v.inode), Time: at, Bytes: v.size}
}

// parseID takes a split's ID apart. The path may hold an @ as well.
func parseID(id string) (path string, v version, ok bool) {
	at := strings.LastIndexByte(id, '@')
	if at <= 0 {
		return "", version{}, false
	}
	size, rest, _ := strings.Cut(id[at+1:], "-")
	dash := strings.LastIndexByte(rest, '-') // the time may be negative
	if dash < 0 {
		return "", version{}, false
	}
	var errs [3]error
	v.size, errs[0] = strconv.ParseInt(size, 10, 64)
	v.mtime, errs[1] = strconv.ParseInt(rest[:dash], 10, 64)
	v.inode, errs[2] = strconv.ParseUint(rest[dash+1:], 10, 64)
	return id[:at], v, errors.Join(errs[:]...) == nil
}
