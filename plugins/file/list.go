package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// pageSize is how many splits found gets at once.
const pageSize = 1000

// lister collects the files of one Discover.
type lister struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Discover
	within sdk.TimeRange
	found  func([]sdk.Split) error

	seen   map[string]bool
	idle   []notice // what may be a mistake
	page   []sdk.Split
	faults []error // what could not be listed
}

// path lists what one path of the settings names.
func (l *lister) path(path string) error {
	if name, ok := literal(path); ok {
		return l.named(name)
	}
	matches, err := filepath.Glob(path)
	if err != nil {
		l.faults = append(l.faults, fmt.Errorf("pattern %s: %w", shown(path), err))
		return nil
	}
	if len(matches) == 0 {
		l.idle = append(l.idle, notice{path, "pattern matches no file"})
	}
	for _, m := range matches {
		if err := l.entry(m); err != nil {
			return err
		}
	}
	return nil
}

// named lists a path without a pattern. Whoever writes one means something, so
// that it is a fault if nothing can come of it.
func (l *lister) named(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.faults = append(l.faults, fmt.Errorf("path %s does not exist", shown(path)))
		return nil
	case err == nil && !info.IsDir() && !cloudtrail.Readable(filepath.ToSlash(path)):
		l.faults = append(l.faults, fmt.Errorf("path %s is not a CloudTrail log: those end in .json or .json.gz, and digests are not logs", shown(path)))
		return nil
	}
	return l.entry(path)
}

// entry lists a file, or a folder with all below it. Links are followed, but not
// those to folders within a folder, which may well lead back.
func (l *lister) entry(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return l.fault(path, err)
	}
	if !info.IsDir() {
		return l.file(path, info)
	}
	// The slash makes WalkDir enter a folder that is named by a link.
	return filepath.WalkDir(path+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		switch {
		case l.ctx.Err() != nil:
			return context.Cause(l.ctx)
		case err != nil:
			return l.fault(path, err)
		case d.IsDir() || !cloudtrail.Readable(filepath.ToSlash(path)):
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			return l.fault(path, err)
		}
		return l.file(path, info)
	})
}

func (l *lister) file(path string, info fs.FileInfo) error {
	path = filepath.Clean(path)
	if !cloudtrail.Readable(filepath.ToSlash(path)) || l.seen[path] {
		return nil
	}
	if !info.Mode().IsRegular() {
		l.idle = append(l.idle, notice{path, "not a file but a pipe, socket or device: it is not read"})
		return nil
	}
	l.seen[path] = true
	if !cloudtrail.Recordable(path) {
		l.faults = append(l.faults, fmt.Errorf("path %q is not UTF-8: rename the file", path))
		return nil
	}
	split := splitOf(path, info)
	if len(split.ID) > sdk.MaxSplitID {
		l.faults = append(l.faults, fmt.Errorf("path %.60q… has %d bytes, too many for the ledger, which has room for about %d: move the file to where its path is shorter",
			path, len(path), sdk.MaxSplitID-versionWidth))
		return nil
	}
	if !l.within.Contains(split.Time) {
		return nil
	}
	l.page = append(l.page, split)
	if len(l.page) < pageSize {
		return nil
	}
	return l.flush()
}

// fault records what cannot be listed. A file that went away meanwhile, or a link
// to nowhere, is none.
func (l *lister) fault(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrPermission):
		l.faults = append(l.faults, fmt.Errorf("list %s: permission denied: let the agent's user read it", shown(filepath.Clean(path))))
	default:
		l.faults = append(l.faults, fmt.Errorf("list %s: %w", shown(filepath.Clean(path)), bare(err)))
	}
	return nil
}

func (l *lister) flush() error {
	if len(l.page) == 0 {
		return nil
	}
	page := l.page
	l.page = nil
	return l.found(page)
}

// literal is the name that path stands for if it is no pattern: one without *, ? and [,
// or with a backslash before each of them.
func literal(path string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case strings.IndexByte("*?[", c) >= 0:
			return "", false
		case c == '\\' && i+1 < len(path):
			i++
		}
		b.WriteByte(path[i])
	}
	return b.String(), true
}

// A notice is about a path that may be a mistake, but need not be: files may come.
type notice struct{ path, what string }

// shown is a path as it may reach a terminal or a log: one with control characters is
// quoted.
func shown(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}

// bare is err without the path that the system's errors repeat as it is.
func bare(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
