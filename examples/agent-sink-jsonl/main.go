// agent-sink-jsonl is a sink for the agent: it appends each CloudTrail record to a
// file, one JSON object a line, ready for jq, DuckDB or a log shipper.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

func main() { plugin.ServeSink("jsonl", "1.0.0", open) }

// Settings are those of a block `sink "jsonl"`.
type Settings struct {
	_    struct{} `desc:"Appends each record to a file, one JSON object a line."`
	Path string   `agent:"path" desc:"File to append to. It is made, readable by its owner only, if it does not exist."`
}

// A sink appends to one file. Writes come one at a time, so it needs no lock.
type sink struct{ file *os.File }

func open(_ context.Context, s Settings) (sdk.Sink, error) {
	f, err := os.OpenFile(s.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil, sdk.Denied(err) // somebody has to act, so the agent says so
	}
	if err != nil {
		return nil, err
	}
	if err := cutTornLine(f); err != nil {
		return nil, fmt.Errorf("repair %s: %w", s.Path, errors.Join(err, f.Close()))
	}
	return &sink{file: f}, nil
}

// Write appends the batch and returns when it is on disk. Delivery is at least once: a
// batch that is written again after a crash is in the file twice, under the same
// eventIDs.
func (s *sink) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	var result sdk.Result
	var lines bytes.Buffer
	for i, e := range b.Events {
		// Compact keeps a record that spans lines on one, and refuses what is no JSON.
		if err := json.Compact(&lines, e.Raw); err != nil {
			result.Rejected = append(result.Rejected, sdk.Reject{Index: i, Reason: "record is not JSON: " + err.Error()})
			continue
		}
		lines.WriteByte('\n')
	}
	info, err := s.file.Stat()
	if err != nil {
		return sdk.Result{}, err
	}
	if _, err := s.file.Write(lines.Bytes()); err != nil {
		// A full disk may have taken a part of the lines.
		return sdk.Result{}, errors.Join(err, s.file.Truncate(info.Size()))
	}
	return result, s.file.Sync()
}

// Close is called once all writes have returned.
func (s *sink) Close() error { return s.file.Close() }

// cutTornLine removes what a kill in the middle of a write left of the last line. It
// was not acknowledged, so the agent writes the record again.
func cutTornLine(f *os.File) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	whole, err := endOfLastLine(f, end)
	if err != nil || whole == end {
		return err
	}
	return f.Truncate(whole)
}

// endOfLastLine looks for the last line break before end.
func endOfLastLine(f io.ReaderAt, end int64) (int64, error) {
	chunk := make([]byte, 64<<10)
	for end > 0 {
		from := max(0, end-int64(len(chunk)))
		n, err := f.ReadAt(chunk[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}
