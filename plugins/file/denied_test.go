package file

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// TestFetchOfAnUnreadableFileIsDenied stands in for the system, which denies
// nothing to root.
func TestFetchOfAnUnreadableFileIsDenied(t *testing.T) {
	src := &Source{open: func(name string) (fs.File, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}}
	err := src.Fetch(t.Context(), sdk.Split{ID: "/logs/x.json@1-2-3"}, nil)
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "/logs/x.json: permission denied") {
		t.Errorf("Fetch = %v, want a denied error that names the file", err)
	}
}

func TestDiscoverOfAnUnreadableFolderIsDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every folder")
	}
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := Open(t.Context(), Settings{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = src.Discover(t.Context(), sdk.TimeRange{}, func(page []sdk.Split) error {
		found += len(page)
		return nil
	})
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), closed+": permission denied") || found != 1 {
		t.Errorf("Discover = %d splits, %v, want one and a denied error that names the folder", found, err)
	}
}

// changing is a file that somebody writes to while it is read.
type changing struct {
	*bytes.Reader
	stats int
}

func (f *changing) Close() error { return nil }

func (f *changing) Stat() (fs.FileInfo, error) {
	f.stats++
	return info{size: int64(f.stats)}, nil
}

type info struct {
	fs.FileInfo
	size int64
}

func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Unix(0, 2) }
func (i info) Sys() any           { return nil }

func TestFetchOfAFileThatChangesMeanwhileIsGone(t *testing.T) {
	src := &Source{open: func(string) (fs.File, error) {
		return &changing{Reader: bytes.NewReader([]byte(`{"Records":[]}`))}, nil
	}}
	err := src.Fetch(t.Context(), sdk.Split{ID: "/x.json@1-2-0"}, func([]sdk.Event) error { return nil })
	if !sdk.IsGone(err) {
		t.Errorf("Fetch = %v, want it gone", err)
	}
}

func TestValidateNamesBadPatterns(t *testing.T) {
	faults := Settings{Paths: []string{"/ok/*.json", "", "/a/**/b", "/a/[b", "/ok"}}.Validate()
	var got []string
	for _, f := range faults {
		got = append(got, f.Path+" "+f.Summary)
	}
	if got, want := strings.Join(got, "; "), "paths[1] Empty path; paths[2] ** is not understood; paths[3] Bad pattern"; got != want {
		t.Errorf("faults = %s, want %s", got, want)
	}
}

func TestSettingsAreASchema(t *testing.T) {
	block, err := schema.Of(Settings{})
	if err != nil || len(block.Attributes) != 1 || !block.Attributes[0].Required || block.Attributes[0].Doc == "" {
		t.Errorf("schema = %+v, %v, want one required attribute with its documentation", block, err)
	}
}
