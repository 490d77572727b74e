// Package cloudtrailtest gives tests CloudTrail data from the real world, which is
// not part of this repository, and keeps what a source emitted.
package cloudtrailtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Dir is the folder that CLOUDTRAIL_DATA names, or else the one beside the
// repository. The test is skipped if there is none.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CLOUDTRAIL_DATA")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no CloudTrail data here; set CLOUDTRAIL_DATA to the folder that has real-trail/objects.tar.gz")
	}
	return dir
}

// What the objects of RealTrail hold, all in all.
const (
	RealTrailObjects  = 1388
	RealTrailRecords  = 11805
	RealTrailDistinct = 9342
)

// RealTrail are the objects of a real trail, by their keys.
func RealTrail(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(Dir(t), "real-trail", "objects.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	objects := make(map[string][]byte)
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		objects[filepath.ToSlash(filepath.Clean(h.Name))] = body
	}
}

// Records are records of several origins, one text each, by the origin's name.
func Records(t testing.TB) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), "records", "*", "events.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("records = %v, %v, want some files", files, err)
	}
	records := make(map[string][]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		records[filepath.Base(filepath.Dir(file))] = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	return records
}

// Kept returns the events of a page in memory of their own. What a source emits is the
// source's again when emit returns.
func Kept(page []sdk.Event) []sdk.Event {
	kept := slices.Clone(page)
	for i := range kept {
		kept[i].Raw = bytes.Clone(kept[i].Raw)
	}
	return kept
}
