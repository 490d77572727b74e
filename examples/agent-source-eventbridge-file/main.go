// agent-source-eventbridge-file is a source for the agent: it reads files of EventBridge
// events, one JSON object a line, as a Firehose stream or a queue's consumer leaves
// them in a folder. The CloudTrail record is each event's "detail".
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

func main() { plugin.ServeSource("eventbridge_file", "1.0.0", open) }

// Settings are those of a block `source "eventbridge_file"`.
type Settings struct {
	_   struct{} `desc:"Reads files of EventBridge events, one JSON object a line."`
	Dir string   `agent:"dir" desc:"Folder of the files; only names that end in .jsonl are read. A file must be complete when it gets that name."`
}

// A source reads one folder. It keeps no state, so its methods may be called
// concurrently.
type source struct{ dir string }

func open(_ context.Context, s Settings) (sdk.Source, error) {
	dir, err := filepath.Abs(s.Dir) // the same in every run, whatever the working directory
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", s.Dir, err)
	}
	return source{dir}, nil
}

const pageSize = 500

// Discover lists the files. A split is one version of a file: its ID says the size and
// the time of change, so that a file that was replaced is read again.
func (s source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return denied(err)
	}
	var page []sdk.Split
	for _, entry := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".jsonl") {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since the listing
		}
		if err != nil {
			return denied(err)
		}
		split := sdk.Split{ID: s.id(info), Time: info.ModTime().UTC(), Bytes: info.Size()}
		if r.Contains(split.Time) {
			page = append(page, split)
		}
		if len(page) == pageSize {
			if err := found(page); err != nil {
				return err
			}
			page = nil
		}
	}
	if len(page) == 0 {
		return nil
	}
	return found(page)
}

func (s source) id(info fs.FileInfo) string {
	return fmt.Sprintf("%s@%d-%d", filepath.Join(s.dir, info.Name()), info.Size(), info.ModTime().UnixNano())
}

// Fetch reads one file, line by line. A line that is no CloudTrail event goes to
// quarantine with its reason; the others are stored.
func (s source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	at := strings.LastIndexByte(split.ID, '@') // the path may hold an @ as well
	if at < 0 || filepath.Dir(split.ID[:at]) != s.dir {
		return sdk.Invalid(fmt.Errorf("split %q does not name a file in %s", split.ID, s.dir))
	}
	path := split.ID[:at]
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.Gone(fmt.Errorf("file %s does not exist any more", path))
	}
	if err != nil {
		return denied(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s.id(info) != split.ID {
		return sdk.Gone(fmt.Errorf("file %s was replaced; the next listing finds the new one", path))
	}
	return read(ctx, f, emit)
}

// read emits a page for every 500 lines, so that memory does not grow with the file.
func read(ctx context.Context, r io.Reader, emit func([]sdk.Event) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var page []sdk.Event
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			page = append(page, eventOf(line))
		}
		ended := err != nil
		if len(page) == pageSize || ended && len(page) > 0 {
			if err := emit(page); err != nil {
				return err
			}
			page = nil
		}
		switch {
		case ended:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// denied marks what only somebody with rights can mend.
func denied(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return sdk.Denied(err)
	}
	return err
}
