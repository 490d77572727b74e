package rdsdirect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The rows are the same in pieces of any size, those included that a row does not fit in.
func TestRowsToCopyAreTheSameInPiecesOfAnySize(t *testing.T) {
	var events []sdk.Event
	for i := range 30 {
		events = append(events, testEvent(fmt.Sprint(i), fmt.Sprintf(`{"eventID":"%d",%s,"userAgent":%q}`, i, testTimeText, strings.Repeat("a", 50*i))))
	}
	w, err := newWrite(testGroup, batchOf("split", events...))
	if err != nil {
		t.Fatal(err)
	}
	if len(w.first) != len(events) {
		t.Fatalf("%d rows, want %d", len(w.first), len(events))
	}
	in := func(size int) []byte {
		var text bytes.Buffer
		r := &copyReader{to: cloudtrailTable, rows: w.first}
		for p := make([]byte, size); ; {
			n, err := r.Read(p)
			text.Write(p[:n])
			if errors.Is(err, io.EOF) {
				return text.Bytes()
			}
			if err != nil || n == 0 {
				t.Fatalf("Read = %d, %v with room for %d", n, err, size)
			}
		}
	}
	whole := []byte(copyHeader)
	for _, r := range w.first {
		whole = appendRecord(whole, r)
	}
	whole = append(whole, copyTrailer...)
	for _, size := range []int{1, 2, 3, 18, 19, 20, 100, 701, 4096, len(whole) - 1, len(whole), len(whole) + 1, 1 << 20} {
		if !bytes.Equal(in(size), whole) {
			t.Errorf("in pieces of %d bytes the rows are others", size)
		}
	}
}
