package file

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// logged is what f logs.
func logged(t *testing.T, f func()) string {
	t.Helper()
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&b, nil)))
	defer slog.SetDefault(before)
	f()
	return b.String()
}

func discoverAll(t *testing.T, src sdk.Source) (splits []sdk.Split, err error) {
	t.Helper()
	err = src.Discover(t.Context(), sdk.TimeRange{}, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	return splits, err
}

func TestAPatternThatMatchesNothingAndAPipeAreToldOnce(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo.json")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(dir, "*.json.gz")
	src, err := Open(t.Context(), Settings{Paths: []string{pattern, fifo, dir}})
	if err != nil {
		t.Fatal(err)
	}
	list := func() {
		if splits, err := discoverAll(t, src); len(splits) != 0 || err != nil {
			t.Errorf("Discover = %v, %v", splits, err)
		}
	}
	text := logged(t, list)
	for _, want := range []string{"pattern matches no file", pattern, "it is not read", fifo} {
		if strings.Count(text, want) != 1 {
			t.Errorf("the log has %q %d times, want once:\n%s", want, strings.Count(text, want), text)
		}
	}
	if text := logged(t, list); text != "" {
		t.Errorf("told again: %s", text)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.json.gz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if splits, err := discoverAll(t, src); len(splits) != 1 || err != nil {
		t.Errorf("Discover = %v, %v, want the file that came", splits, err)
	}
}

func TestControlCharactersOfNamesAreNeverPrinted(t *testing.T) {
	src, err := Open(t.Context(), Settings{Paths: []string{
		"/nowhere\x1b[2J", "/tmp/no-folder\x1b]0;/x.json", "/nowhere\x1b*.json", "/dev/null/\x1b.json",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var found error
	text := logged(t, func() { _, found = discoverAll(t, src) })
	fetched := src.Fetch(t.Context(), sdk.Split{ID: "/nowhere\x1b.json@1-2-3"}, nil)
	for _, shown := range []string{text, found.Error(), fetched.Error()} {
		if strings.ContainsRune(shown, '\x1b') || !strings.Contains(shown, `x1b`) && !strings.Contains(shown, `u001b`) {
			t.Errorf("shown: %q", shown)
		}
	}
}

func TestABackslashMakesALiteral(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a[1].json", "a1.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := Open(t.Context(), Settings{Paths: []string{dir + `/a\[1].json`}})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := discoverAll(t, src)
	if err != nil || len(splits) != 1 || !strings.Contains(splits[0].ID, "a[1].json") {
		t.Errorf("Discover = %v, %v, want the file of that very name", splits, err)
	}
}
