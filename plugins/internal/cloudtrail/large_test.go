package cloudtrail_test

import (
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// TestLargeFileIsStreamed reads 500 MB without keeping them.
func TestLargeFileIsStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 500 MB")
	}
	const count = 50_000
	record := `{"eventID":"7ec7f858-0775-423c-8eeb-d866ca706aaa","requestParameters":{"x":"` + strings.Repeat("0123456789", 1000) + `"}}`
	pr, pw := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { _ = pw.CloseWithError(writeLarge(pw, record, count)) })
	defer wg.Wait()
	defer func() { _ = pr.Close() }()

	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	read, peak := 0, uint64(0)
	err := cloudtrail.Read(pr, "", cloudtrail.Limits{}, func(page []sdk.Event) error {
		read += len(page)
		if read%5000 < len(page) {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || read != count {
		t.Fatalf("Read = %d events, %v, want %d", read, err, count)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("heap grew by %d MiB, want less than 8", grown>>20)
	}
}

func writeLarge(w io.Writer, record string, count int) error {
	gz, err := gzip.NewWriterLevel(w, gzip.NoCompression) // it would only take time
	if err != nil {
		return err
	}
	for i := range count {
		head := ","
		if i == 0 {
			head = `{"Records":[`
		}
		if _, err := io.WriteString(gz, head+record); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(gz, "]}"); err != nil {
		return err
	}
	return gz.Close()
}

func TestRealTrail(t *testing.T) {
	objects := cloudtrailtest.RealTrail(t)
	ids, count := make(map[string]bool), 0
	for key, body := range objects {
		account := cloudtrail.ParseKey(key).Account
		events, err := read(body, account, cloudtrail.Limits{})
		if err != nil {
			t.Errorf("Read %s: %v", key, err)
		}
		for _, e := range events {
			count++
			ids[e.ID] = true
			if e.Reject != "" || e.Time.IsZero() || e.Name == "" || e.Region == "" || e.Account != account || e.Principal == "" {
				t.Errorf("event in %s has gaps: %+v", key, e)
			}
		}
	}
	got := [3]int{len(objects), count, len(ids)}
	want := [3]int{cloudtrailtest.RealTrailObjects, cloudtrailtest.RealTrailRecords, cloudtrailtest.RealTrailDistinct}
	if got != want {
		t.Errorf("objects, records, distinct IDs = %v, want %v", got, want)
	}
}

func TestRealRecords(t *testing.T) {
	for name, lines := range cloudtrailtest.Records(t) {
		events, err := read(zip(records(lines...)), "", cloudtrail.Limits{})
		if err != nil || len(events) != len(lines) {
			t.Errorf("%s: Read = %d events, %v, want %d", name, len(events), err, len(lines))
			continue
		}
		for i, e := range events {
			if string(e.Raw) != lines[i] || e.Reject != "" {
				t.Errorf("%s: line %d came as %+v", name, i+1, e)
			}
		}
	}
}

// A file may hold any number of lists of records, and empty ones fill no page. None of them may
// cost memory for as long as the file is read.
func TestEmptyListsWithoutEndAreRead(t *testing.T) {
	const count = 100_000
	lists := func(yield func(string) bool) {
		if !yield(`{"Records":[` + one + `]`) {
			return
		}
		for i := range count {
			if list := `,"Records":[]`; i%1000 == 999 && !yield(strings.Repeat(list, 1000)) {
				return
			}
		}
		yield(`}`)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := before.HeapAlloc
	pr, pw := io.Pipe()
	go func() {
		for text := range lists {
			if _, err := io.WriteString(pw, text); err != nil {
				return
			}
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		_ = pw.Close()
	}()
	events := 0
	err := cloudtrail.Read(pr, "", cloudtrail.Limits{}, func(page []sdk.Event) error { events += len(page); return nil })
	_ = pr.Close()
	if err != nil || events != 1 {
		t.Fatalf("Read = %d events, %v, want 1", events, err)
	}
	if grown := peak - before.HeapAlloc; grown > 8<<20 {
		t.Errorf("heap grew by %d MiB, want less than 8", grown>>20)
	}
}
