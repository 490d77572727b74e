package oracle_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
)

func TestContentIsOneForWhatJSONBCallsEqual(t *testing.T) {
	for _, tc := range []struct {
		a, b  string
		equal bool
	}{
		{`{"a":1,"b":2}`, ` { "b" : 2 , "a" : 1 } `, true},
		{`{"a":1e2}`, `{"a":100}`, true},
		{`{"a":1.50}`, `{"a":1.5}`, true},
		{`{"a":"\u00e9"}`, `{"a":"é"}`, true},
		{`{"a":1,"a":2}`, `{"a":2}`, true},
		{`{"a":12345678901234567890}`, `{"a":12345678901234567891}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":null}`, `{}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`{"a":1}`, `{"A":1}`, false},
	} {
		if got := oracle.Content([]byte(tc.a)) == oracle.Content([]byte(tc.b)); got != tc.equal {
			t.Errorf("content of %s and %s equal: %t, want %t", tc.a, tc.b, got, tc.equal)
		}
	}
	for _, text := range []string{"", "{", `{"a":NaN}`, `{} {}`} {
		if got := oracle.Content([]byte(text)); got != "" {
			t.Errorf("content of %q, which is no JSON, is %s", text, got)
		}
	}
}

func TestAManifestIsOnDiskBeforeAnythingIsUploaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manifest")
	m, err := oracle.NewManifest(path)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle.NewGenerator(1).Object(time.Now(), 10, oracle.Shares{})
	if err := m.Issue(o.Key, o.Records); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 10 {
		t.Errorf("the file has %q, %v; want 10 lines", text, err)
	}
	if _, err := oracle.NewManifest(path); err == nil {
		t.Error("a manifest that is there was begun anew")
	}
}

func TestGeneratorRepeatsItself(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	shares := oracle.Shares{Filtered: 0.2, Copies: 0.3}
	a, b := oracle.NewGenerator(7).Object(at, 100, shares), oracle.NewGenerator(7).Object(at, 100, shares)
	if a.Key != b.Key || string(a.Body) != string(b.Body) {
		t.Error("one seed gave two objects")
	}
	classes := make(map[oracle.Class]int)
	for _, r := range a.Records {
		classes[r.Class]++
	}
	if classes[oracle.Kept] == 0 || classes[oracle.Filtered] == 0 || classes[oracle.Copy] == 0 {
		t.Errorf("classes %v: some never come", classes)
	}
}

// A world is a database with rows as the sink would write them, made by hand.
type world struct {
	*testing.T
	manifest *oracle.Manifest
	conn     *pgx.Conn
	group    string
	object   string
	texts    []string
	issued   []oracle.Issued
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	cluster, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	db, err := cluster.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, group: uuid.NewString()}
	if err := db.AddGroup(ctx, w.group, "test"); err != nil {
		t.Fatal(err)
	}
	if w.conn, err = pgx.Connect(ctx, db.DSN(db.Owner)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.conn.Close(context.WithoutCancel(ctx)) })
	return w
}

// begin issues an object of records of these classes and empties the tables.
func (w *world) begin(classes ...oracle.Class) {
	w.Helper()
	w.exec(`truncate events, cloudtrail, ledger, quarantine cascade`)
	var err error
	if w.manifest, err = oracle.NewManifest(filepath.Join(w.TempDir(), "manifest")); err != nil {
		w.Fatal(err)
	}
	g := oracle.NewGenerator(3)
	w.object, w.texts, w.issued = "AWSLogs/a.json.gz", nil, nil
	for _, class := range classes {
		text, issued := g.Record(time.Now(), class)
		w.texts, w.issued = append(w.texts, text), append(w.issued, issued)
	}
	if err := w.manifest.Issue(w.object, w.issued); err != nil {
		w.Fatal(err)
	}
}

// row stores a record as a row that the view gives back.
func (w *world) row(text string) {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into events (id, event_time, group_id) values ($1, '2000-01-01', $2)`, id, w.group)
	w.exec(`insert into cloudtrail (event_id, event_time, has_event_time, cloudtrail_event_id, additional, origin)
		values ($1, '2000-01-01', false, $2::jsonb ->> 'eventID', $2::jsonb - 'eventID', 'trail/a@1')`, id, text)
}

func (w *world) entry(read int) {
	w.Helper()
	w.exec(`insert into ledger (group_id, pipeline, source, split, filter, read, stored, duplicate, filtered, quarantined, status)
		values ($1, 'p', 's3', $2, '', $3, $3, 0, 0, 0, 'stored')`, w.group, "trail/"+w.object+"@1", read)
}

func (w *world) exec(statement string, args ...any) {
	w.Helper()
	if _, err := w.conn.Exec(w.Context(), statement, args...); err != nil {
		w.Fatalf("%s: %v", statement, err)
	}
}

func (w *world) check() *oracle.Difference {
	w.Helper()
	d, err := w.manifest.Check(w.Context(), w.conn, w.group)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func TestEachDifferenceIsFound(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name    string
		classes []oracle.Class
		store   func()
		want    oracle.Difference
	}{
		{
			"all is well",
			[]oracle.Class{oracle.Kept, oracle.Kept, oracle.Filtered},
			func() { w.row(w.texts[0]); w.row(w.texts[1]); w.entry(3) },
			oracle.Difference{Rows: 2},
		},
		{"an event is lost", []oracle.Class{oracle.Kept, oracle.Kept}, func() { w.row(w.texts[0]); w.entry(2) }, oracle.Difference{Rows: 1, Lost: 1}},
		{"an event is there twice", []oracle.Class{oracle.Kept}, func() { w.row(w.texts[0]); w.row(w.texts[0]); w.entry(1) }, oracle.Difference{Rows: 2, Duplicated: 1}},
		{
			"a row was never issued",
			[]oracle.Class{oracle.Kept},
			func() { w.row(w.texts[0]); w.row(`{"eventID":"made up"}`); w.entry(1) },
			oracle.Difference{Rows: 2, Unknown: 1},
		},
		{
			"a row was to be filtered",
			[]oracle.Class{oracle.Kept, oracle.Filtered},
			func() { w.row(w.texts[0]); w.row(w.texts[1]); w.entry(2) },
			oracle.Difference{Rows: 2, Unknown: 1},
		},
		{
			"a row differs",
			[]oracle.Class{oracle.Kept},
			func() { w.row(strings.Replace(w.texts[0], "us-east-1", "eu-west-1", 1)); w.entry(1) },
			oracle.Difference{Rows: 1, Corrupt: 1},
		},
		{
			"half of a row is missing",
			[]oracle.Class{oracle.Kept},
			func() {
				w.row(w.texts[0])
				w.exec(`insert into events (id, event_time, group_id) values ($1, '2000-01-01', $2)`, uuid.New(), w.group)
				w.entry(1)
			},
			oracle.Difference{Rows: 1, Corrupt: 1},
		},
		{"the ledger miscounts", []oracle.Class{oracle.Kept}, func() { w.row(w.texts[0]); w.entry(7) }, oracle.Difference{Rows: 1, Ledger: 1}},
		{"poison is nowhere", []oracle.Class{oracle.Poison}, func() { w.entry(1) }, oracle.Difference{Lost: 1}},
		{
			"poison is in quarantine",
			[]oracle.Class{oracle.Poison},
			func() {
				w.entry(1)
				w.exec(`insert into quarantine (id, kind, group_id, pipeline, source, split, reason, raw) values ($1, 'record', $2, 'p', 's3', 'x', 'bad', $3)`,
					uuid.New(), w.group, []byte(w.texts[0]))
			},
			oracle.Difference{Quarantined: 1},
		},
		{
			"poison is in quarantine with its object",
			[]oracle.Class{oracle.Poison, oracle.Poison},
			func() {
				w.exec(`insert into quarantine (id, kind, group_id, pipeline, source, split, reason) values ($1, 'split', $2, 'p', 's3', $3, 'bad')`,
					uuid.New(), w.group, "trail/"+w.object+"@1")
			},
			oracle.Difference{Quarantined: 1},
		},
		{
			"an object in quarantine is no excuse for a good event",
			[]oracle.Class{oracle.Kept},
			func() {
				w.exec(`insert into quarantine (id, kind, group_id, pipeline, source, split, reason) values ($1, 'split', $2, 'p', 's3', $3, 'bad')`,
					uuid.New(), w.group, "trail/"+w.object+"@1")
			},
			oracle.Difference{Quarantined: 1, Lost: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.T = t
			w.begin(tc.classes...)
			tc.store()
			got := *w.check()
			tc.want.EventsIn = len(tc.classes)
			got.Examples = nil
			a, _ := json.Marshal(got) // numbers
			b, _ := json.Marshal(tc.want)
			if string(a) != string(b) {
				t.Errorf("got %s\nwant %s", a, b)
			}
		})
	}
}

func TestLinesAreCompared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manifest")
	m, err := oracle.NewManifest(path)
	if err != nil {
		t.Fatal(err)
	}
	g := oracle.NewGenerator(3)
	var texts []string
	var issued []oracle.Issued
	for _, class := range []oracle.Class{oracle.Kept, oracle.Kept, oracle.Filtered, oracle.Kept} {
		text, i := g.Record(time.Now(), class)
		texts, issued = append(texts, text), append(issued, i)
	}
	if err := m.Issue("o", issued); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name                   string
		lines                  []string
		lost, unknown, corrupt int
	}{
		{"all is well, twice", []string{texts[0], texts[1], texts[0]}, 0, 0, 0},
		{"one is lost", []string{texts[0]}, 1, 0, 0},
		{"one was filtered", []string{texts[0], texts[1], texts[2]}, 0, 1, 0},
		{"one was rejected", []string{texts[0], texts[1], texts[3]}, 0, 1, 0},
		{"one is something else", []string{texts[0], texts[1], `{"a":1}`}, 0, 0, 1},
	} {
		file := filepath.Join(t.TempDir(), "lines")
		if err := os.WriteFile(file, []byte(strings.Join(tc.lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := m.CheckLines(file, func(r oracle.Issued) bool { return r.ID == issued[3].ID })
		if err != nil {
			t.Fatal(err)
		}
		if d.Lost != tc.lost || d.Unknown != tc.unknown || d.Corrupt != tc.corrupt {
			t.Errorf("%s: %+v", tc.name, d)
		}
	}
	if d, err := m.CheckLines(filepath.Join(t.TempDir(), "none"), func(oracle.Issued) bool { return false }); err != nil || d.Lost != 3 {
		t.Errorf("no file: %+v, %v", d, err)
	}
}
