package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// eventsOf makes events of CloudTrail records in a text, by the file source, as a
// pipeline would. The text may be a log file, a list of records, or records one after
// another.
func (p *Program) eventsOf(text []byte) ([]sdk.Event, error) {
	log, err := asLog(text)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "records.json")
	if err := os.WriteFile(file, log, 0o600); err != nil {
		return nil, fmt.Errorf("write a temporary file: %w", err)
	}
	var events []sdk.Event
	invalid, err := p.readFiles([]string{file}, func(page []sdk.Event) error {
		for _, e := range page {
			e.Raw = bytes.Clone(e.Raw) // the page is the source's again
			events = append(events, e)
		}
		return nil
	})
	if err == nil && len(invalid) > 0 {
		// Its own words name the temporary file, which says nothing to anybody.
		err = invalid[0]
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
	}
	return events, err
}

// asLog puts records into the form of a log file. It leaves their bytes alone.
func asLog(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var records []json.RawMessage
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		var list []json.RawMessage
		var file map[string]json.RawMessage
		switch {
		case value[0] == '[' && json.Unmarshal(value, &list) == nil:
			records = append(records, list...)
		case json.Unmarshal(value, &file) == nil && file["Records"] != nil:
			if err := json.Unmarshal(file["Records"], &list); err != nil {
				return nil, errors.New("its Records are not a list")
			}
			records = append(records, list...)
		default:
			records = append(records, value)
		}
	}
	if len(records) == 0 {
		return nil, errors.New("it holds no record")
	}
	return append(append([]byte(`{"Records":[`), bytes.Join(raw(records), []byte(","))...), `]}`...), nil
}

func raw(records []json.RawMessage) [][]byte {
	all := make([][]byte, len(records))
	for i, r := range records {
		all[i] = r
	}
	return all
}

// gunzip inflates a file that is small enough to look at.
func gunzip(text []byte) ([]byte, error) {
	gz, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	inflated, err := io.ReadAll(io.LimitReader(gz, maxExplained+1))
	if err == nil && len(inflated) > maxExplained {
		err = fmt.Errorf("larger than %d MiB; agent filter counts what happens to files of any size", maxExplained>>20)
	}
	return inflated, err
}
