package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataFolder is where records of real and published origin lie. They are not part of
// the repository.
func dataFolder(t *testing.T) string {
	t.Helper()
	folder := cmp.Or(os.Getenv("CLOUDTRAIL_DATA"), filepath.Join("..", "..", "shared", "data"))
	if _, err := os.Stat(folder); err != nil {
		t.Skip("no folder with CloudTrail records: set CLOUDTRAIL_DATA")
	}
	return folder
}

// realTrail calls f with each object of a real trail and its key.
func realTrail(t *testing.T, f func(key string, body []byte)) {
	t.Helper()
	file, err := os.Open(filepath.Join(dataFolder(t), "real-trail", "objects.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		f(filepath.ToSlash(filepath.Clean(entry.Name)), body)
	}
}

func TestARealTrailIsStoredOnceAndGivenBackEqual(t *testing.T) {
	dataFolder(t) // or skip all of it
	for _, tc := range []struct {
		name, source string
		place        func(t *testing.T, s *site, key string, body []byte)
	}{
		{"s3", s3Block, func(t *testing.T, s *site, key string, body []byte) { s.put(t, key, string(body)) }},
		{"file", fileBlock, func(t *testing.T, s *site, key string, body []byte) { s.write(t, "logs/"+key, string(body)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, tc.source, rdsBlock)
			want := newExpectation()
			var records []string
			realTrail(t, func(key string, body []byte) {
				tc.place(t, s, key, body)
				want.addObject(t, body)
				for _, r := range recordsOf(t, body) {
					records = append(records, string(r))
				}
			})
			got := s.once(t)
			for word, n := range map[string]int{
				"read": 11805, "stored": 9342, "duplicate": 2463, "quarantined": 0, "filtered": 0, "splits:": 1388, "left unread": 0,
			} {
				if got.count(word) != n {
					t.Errorf("%s %d, want %d: %s", word, got.count(word), n, got)
				}
			}
			s.checkStored(t, want)
			s.checkGivenBack(t, records)

			again := s.once(t)
			if again.count("splits:") != 0 || again.count("read") != 0 || again.count("stored before") != 1388 {
				t.Errorf("second run: %s", again)
			}
			s.checkStored(t, want)
		})
	}
}

// checkGivenBack fails the test unless each of the records is equal, as jsonb, to one
// that the view gives back, and each that it gives back is equal to one of them.
// PostgreSQL compares.
func (s *site) checkGivenBack(t *testing.T, records []string) {
	t.Helper()
	s.exec(t, `create temporary table original as select distinct r::jsonb as record from unnest($1::text[]) as r`, records)
	defer s.exec(t, `drop table original`)
	for query, what := range map[string]string{
		`select record::text from original except all select record::text from records`: "is not given back",
		`select record::text from records except all select record::text from original`: "is given back, but no original",
	} {
		odd := answers[string](t, s, query)
		for i, record := range odd[:min(len(odd), 3)] {
			t.Errorf("%d of %d: %s: %.1000s", i+1, len(odd), what, record)
		}
	}
}

// Records of several publishers, some edited by hand: each line is stored or in
// quarantine, count for count. Some reuse an eventID for something else; the later one
// is a variant then, which counts as a duplicate.
func TestPublishedRecordsAreStoredOrQuarantinedWithAReason(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dataFolder(t), "records", "*", "events.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	s := newSite(t, fileBlock, rdsBlock)
	var lines []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if !json.Valid([]byte(line)) {
				t.Fatalf("%s: not JSON: %s", file, line)
			}
			s.write(t, fmt.Sprintf("logs/%04d.json", len(lines)), `{"Records":[`+line+`]}`)
			lines = append(lines, line)
		}
	}
	if len(lines) != 926 {
		t.Errorf("there are %d records, want 926", len(lines))
	}

	got := s.once(t)
	if got.count("read") != len(lines) || got.count("stored")+got.count("duplicate")+got.count("quarantined") != len(lines) {
		t.Errorf("of %d records: %s", len(lines), got)
	}
	s.checkLedger(t, len(lines))
	lost := answers[string](t, s, `
		select l from unnest($1::text[]) as l
		where not exists (select from records r where r.record = l::jsonb)
		  and not exists (select from variants v where v.raw = convert_to(l, 'UTF8'))
		  and not exists (select from quarantine q where q.raw = convert_to(l, 'UTF8') and q.reason <> '')`, lines)
	for _, line := range lost {
		t.Errorf("neither stored nor in quarantine: %.1000s", line)
	}
	if n := ask[int](t, s, `select count(*) from records where not record = any(select l::jsonb from unnest($1::text[]) as l)`, lines); n != 0 {
		t.Errorf("%d rows are no record that was read", n)
	}
	if n, want := s.rows(t), got.count("stored"); n != want {
		t.Errorf("%d rows, but %d were reported as stored", n, want)
	}
}
