package ledger_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/ledger"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// holdLock takes the lock as another agent would.
func holdLock(t *testing.T, dir string) (unlock func()) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, "ledger.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = file.Close() }
}

// recorded is a file with so many splits that its tables have several levels.
func recorded(t *testing.T) (db []byte, splits []string) {
	t.Helper()
	dir := t.TempDir()
	f := newFile(dir)
	for round := range 3 {
		var completed []sdk.Completion
		var kept []sdk.Quarantined
		for i := range 60 {
			id := fmt.Sprintf("bucket/AWSLogs/123456789012/CloudTrail/%d/%d.json.gz@%032d", round, i, i)
			splits = append(splits, id)
			completed = append(completed, ended(id, "f1", 0))
			if i%4 > 0 {
				continue
			}
			kept = append(kept, sdk.Quarantined{Source: "s3", Split: id, EventID: "e", Reason: "odd", Raw: bytes.Repeat([]byte("x"), 40)})
		}
		if err := f.Record(t.Context(), "out", "audit", completed, kept); err != nil {
			t.Fatal(err)
		}
	}
	db, err := os.ReadFile(filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db, splits
}

// survives opens a ledger with these contents and holds the agent's part of the bargain:
// no panic, no split called done that never was, and an entry written now is found.
// It returns how many splits are still known.
func survives(t *testing.T, db []byte, splits []string) int {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFile(dir)
	for i, s := range done(t, f, "f9", "never stored", splits[0]+"x") {
		if s != sdk.SplitNew {
			t.Errorf("unknown split %d is in state %d", i, s)
		}
	}
	if err := f.Quarantine(t.Context(), func(ledger.Kept) error { return nil }); err != nil {
		t.Error(err)
	}
	record(t, f, ended("new", "f1", 0))
	again := newFile(dir)
	if s := done(t, again, "f1", "new"); s[0] != sdk.SplitDone {
		t.Error("an entry written after the damage is lost")
	}
	known := 0
	for _, s := range done(t, again, "f1", splits...) {
		if s == sdk.SplitDone {
			known++
		}
	}
	return known
}

func TestADamagedFileIsBegunAnew(t *testing.T) {
	db, splits := recorded(t)
	if n := survives(t, db, splits); n != len(splits) {
		t.Fatalf("%d of %d splits in a file in order", n, len(splits))
	}
	for name, content := range map[string][]byte{
		"empty":           {},
		"zeroed":          make([]byte, len(db)),
		"zeroed meta":     append(make([]byte, 8192), db[8192:]...),
		"zeroed tables":   append(bytes.Clone(db[:8192]), make([]byte, len(db)-8192)...),
		"of another kind": []byte(strings.Repeat("this is no ledger\n", 2000)),
		"one byte":        {1},
	} {
		t.Run(name, func(t *testing.T) {
			if n := survives(t, content, splits); n != 0 {
				t.Errorf("%d splits known", n)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		for size := 4096; size < len(db); size += 4096 {
			survives(t, db[:size], splits)
			survives(t, db[:size-100], splits)
		}
	})
}

func TestNoSingleWrongBitHurts(t *testing.T) {
	db, splits := recorded(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n := 300
	if testing.Short() {
		n = 20
	}
	for range n {
		bit := random.IntN(len(db) * 8)
		flipped := bytes.Clone(db)
		flipped[bit/8] ^= 1 << (bit % 8)
		survives(t, flipped, splits)
		if t.Failed() {
			t.Fatalf("bit %d of byte %d", bit%8, bit/8)
		}
	}
}

// Nothing but the page numbers in branch pages could lead bbolt in a circle.
func TestPagesThatLeadInACircleAreDamage(t *testing.T) {
	db, splits := recorded(t)
	const pageSize = 4096
	found := 0
	for id := uint64(2); id < uint64(len(db)/pageSize); id++ {
		page := db[id*pageSize:]
		if binary.LittleEndian.Uint16(page[8:]) != 1 {
			continue
		}
		found++
		bent := bytes.Clone(db)
		binary.LittleEndian.PutUint64(bent[id*pageSize+16+8:], id)
		survives(t, bent, splits)
	}
	if found == 0 {
		t.Fatal("the file has no branch page")
	}
}

func TestADamagedFileIsKeptAndToldOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	f := ledger.New(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err := f.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || len(kept) != 10_000 {
		t.Errorf("kept %d bytes, %v", len(kept), err)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "begun anew") {
		t.Errorf("log: %s", log.String())
	}
}

func TestAnOlderCopyOnlyCostsReadingAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	f := newFile(dir)
	record(t, f, ended("yesterday", "f1", 0))
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record(t, f, ended("today", "f1", 0))
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := done(t, newFile(dir), "f1", "yesterday", "today"); s[0] != sdk.SplitDone || s[1] != sdk.SplitNew {
		t.Errorf("states %v", s)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if s := done(t, f, "f1", "yesterday"); s[0] != sdk.SplitNew {
		t.Errorf("states without a file %v", s)
	}
}

// A file in order must never be taken for a damaged one.
func TestAFileInOrderStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		var completed []sdk.Completion
		for i := range 200 {
			completed = append(completed, ended(fmt.Sprint(random.Uint64(), strings.Repeat("k", random.IntN(300)), round, i), "f1", 0))
		}
		kept := []sdk.Quarantined{{Source: "s3", Split: fmt.Sprint(round), Reason: "odd", Raw: make([]byte, random.IntN(100_000))}}
		if err := newFile(dir).Record(t.Context(), "out", "audit", completed, kept); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ledger.db.damaged")); err == nil {
		t.Error("set aside")
	}
}
