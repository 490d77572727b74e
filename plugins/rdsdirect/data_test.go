package rdsdirect

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// dataFolder is where records of real and published origin lie. They are not part of
// the repository.
func dataFolder(t *testing.T) string {
	t.Helper()
	folder := cmp.Or(os.Getenv("CLOUDTRAIL_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	if _, err := os.Stat(folder); err != nil {
		t.Skip("no folder with records: set CLOUDTRAIL_DATA")
	}
	return folder
}

func TestPublishedRecordsComeBackEqual(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dataFolder(t), "records", "*", "events.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var events []sdk.Event
			lines := bufio.NewScanner(bytes.NewReader(text))
			lines.Buffer(nil, len(text))
			for lines.Scan() {
				// The line's number in the key: some records are there twice.
				events = append(events, recordEvent(fmt.Sprint(file, len(events)), bytes.Clone(lines.Bytes())))
			}
			checkGivenBack(t, db, sink, events, never)
		})
	}
	checkNoVariants(t, db)
}

func TestARealTrailIsStoredOnce(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	var all []sdk.Event
	eachObject(t, filepath.Join(dataFolder(t), "real-trail", "objects.tar.gz"), func(key string, records []json.RawMessage) {
		var events []sdk.Event
		for _, r := range records {
			var id struct{ EventID string }
			if err := json.Unmarshal(r, &id); err != nil {
				t.Fatal(err)
			}
			events = append(events, recordEvent(id.EventID, r))
		}
		all = append(all, events...)
		mustWrite(t, sink, completing(batchOf(key, events...)))
	})
	stored := ask[int](t, db, `select sum(stored)::int from ledger`)
	duplicate := ask[int](t, db, `select sum(duplicate)::int from ledger`)
	if len(all) != 11805 || stored != 9342 || duplicate != 2463 {
		t.Errorf("read, stored, duplicate = %d, %d, %d; want 11805, 9342, 2463", len(all), stored, duplicate)
	}
	if got := db.counts(t); got != (counts{Events: 9342, Cloudtrail: 9342}) {
		t.Errorf("rows = %+v", got)
	}
	checkStored(t, db, all, never)
}

// recordEvent makes an event as a source does, but for the envelope that no sink reads.
func recordEvent(id string, record []byte) sdk.Event {
	var times struct{ EventTime any }
	_ = json.Unmarshal(record, &times)
	text, _ := times.EventTime.(string)
	at, _ := time.Parse(time.RFC3339, text) // the zero time where there is none
	return sdk.Event{ID: id, Time: at, Raw: record}
}

// eachObject reads the log files of an archive in the order of their keys.
func eachObject(t *testing.T, archive string, f func(key string, records []json.RawMessage)) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	objects := make(map[string][]json.RawMessage)
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(entry.Name, ".json.gz") {
			continue
		}
		body, err := gzip.NewReader(entries)
		if err != nil {
			t.Fatal(err)
		}
		var object struct{ Records []json.RawMessage }
		if err := json.NewDecoder(body).Decode(&object); err != nil {
			t.Fatal(err)
		}
		objects[entry.Name] = object.Records
	}
	keys := make([]string, 0, len(objects))
	for key := range objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		f(key, objects[key])
	}
}
