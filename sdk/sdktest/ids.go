package sdktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// IDs returns the eventID of each line of a file of CloudTrail records, one JSON object
// a line. It serves as Options.Stored of sinks that write such files. A file that does
// not exist holds none, and a last line without its end is not counted: it was not
// acknowledged. Of a line that is JSON but no record the ID is empty.
func IDs(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for n := 1; ; n++ {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			return ids, nil
		}
		var record struct {
			EventID string `json:"eventID"`
		}
		err := json.Unmarshal(line, &record)
		if other := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &other) {
			return nil, fmt.Errorf("%s line %d: %w", path, n, err)
		}
		ids = append(ids, record.EventID)
		text = rest
	}
}
