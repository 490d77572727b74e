package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A Difference is what differs between what was issued and what is stored.
type Difference struct {
	EventsIn    int `json:"events_in"` // records issued, copies included
	Rows        int `json:"rows"`
	Filtered    int `json:"filtered"`    // as the ledger has it
	Quarantined int `json:"quarantined"` // entries in quarantine

	Lost       int `json:"lost"`       // issued, to be kept, and nowhere
	Duplicated int `json:"duplicated"` // rows beyond the first of an event
	Unknown    int `json:"unknown"`    // rows that nobody issued, or that had to be filtered
	Corrupt    int `json:"corrupt"`    // rows that differ from what was issued
	Ledger     int `json:"ledger"`     // ledger entries that do not say what was issued

	// Examples name a few of what is wrong.
	Examples []string `json:"examples,omitempty"`
}

// Good reports whether nothing is wrong.
func (v *Difference) Good() bool {
	return v.Lost+v.Duplicated+v.Unknown+v.Corrupt+v.Ledger == 0
}

func (v *Difference) example(count *int, format string, args ...any) {
	const shown = 8
	if *count++; *count <= shown {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// stored is what the tables hold.
type stored struct {
	rows    map[string]int    // how many, by eventID or content
	content map[string]string // by the same
	texts   map[string]bool   // contents, and SHA-256 of raw bytes: of rows and of quarantine
	splits  map[string]bool   // objects in quarantine as a whole
}

// Check compares the manifest with the rows of a group. conn must be the owner's.
func (m *Manifest) Check(ctx context.Context, conn *pgx.Conn, group string) (*Difference, error) {
	records, err := m.load()
	if err != nil {
		return nil, err
	}
	v := &Difference{EventsIn: len(records)}
	s := stored{rows: make(map[string]int), content: make(map[string]string), texts: make(map[string]bool), splits: make(map[string]bool)}
	for _, read := range []func(context.Context, *pgx.Conn, string, *stored) error{v.readRows, v.readTables, v.readQuarantine} {
		if err := read(ctx, conn, group, &s); err != nil {
			return nil, err
		}
	}
	v.compare(records, &s)
	return v, m.checkLedger(ctx, conn, group, v)
}

// rowsOf orders by nothing: the check is one of sets.
const rowsOf = `select coalesce(record ->> 'eventID', ''), coalesce(jsonb_typeof(record -> 'eventID'), ''), record::text, sanitized, raw
	from records where group_id = $1::text::uuid`

func (v *Difference) readRows(ctx context.Context, conn *pgx.Conn, group string, s *stored) error {
	rows, err := conn.Query(ctx, rowsOf, group)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	var id, kind, text string
	var sanitized bool
	var raw []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &kind, &text, &sanitized, &raw}, func() error {
		v.Rows++
		content := Content([]byte(text))
		r := Issued{Content: content}
		if sanitized {
			// The columns have less than was issued; the bytes beside them have it all.
			s.texts[Sum(raw)] = true
			content = "raw " + Sum(raw)
		}
		if kind == "string" {
			r.ID = strings.ToLower(id)
		}
		s.texts[r.Content] = true
		s.rows[r.Key()]++
		s.content[r.Key()] = content
		return nil
	})
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// readTables finds rows of one table that the other lacks; the view shows neither.
func (v *Difference) readTables(ctx context.Context, conn *pgx.Conn, group string, _ *stored) error {
	var events, alone int
	err := conn.QueryRow(ctx, `select count(*)::int, count(*) filter (where c.event_id is null)::int from events e
		left join cloudtrail c on c.event_id = e.id and c.event_time = e.event_time where e.group_id = $1::text::uuid`, group).Scan(&events, &alone)
	if err != nil {
		return fmt.Errorf("compare tables: %w", err)
	}
	if alone > 0 || events != v.Rows {
		v.example(&v.Corrupt, "%d of %d rows of events have none in cloudtrail; the view has %d", alone, events, v.Rows)
	}
	return nil
}

func (v *Difference) readQuarantine(ctx context.Context, conn *pgx.Conn, group string, s *stored) error {
	rows, err := conn.Query(ctx, `select kind, split, reason, raw from quarantine where group_id = $1::text::uuid`, group)
	if err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	var kind, split, reason string
	var raw []byte
	_, err = pgx.ForEachRow(rows, []any{&kind, &split, &reason, &raw}, func() error {
		v.Quarantined++
		if reason == "" {
			v.example(&v.Corrupt, "an entry in quarantine has no reason: %s", split)
		}
		if kind == "split" {
			s.splits[objectOf(split)] = true
		} else {
			s.texts[Sum(raw)] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	return nil
}

// objectOf is the key in a split's ID, bucket/key@etag, or what follows AWSLogs in that
// of a file.
func objectOf(split string) string {
	if at := strings.Index(split, "AWSLogs/"); at >= 0 {
		split = "/" + split[at:]
	}
	if at := strings.LastIndexByte(split, '@'); at >= 0 {
		split = split[:at]
	}
	_, key, _ := strings.Cut(split, "/")
	return key
}

func (v *Difference) compare(records []Issued, s *stored) {
	known := make(map[string]Issued, len(records))
	for _, r := range records {
		if first, again := known[r.Key()]; again && (r.Class == Copy || first.Class == r.Class) {
			continue
		}
		known[r.Key()] = r
		switch r.Class {
		case Kept:
			v.expectRow(r, s)
		case Poison:
			if !s.texts[r.Raw] && (r.Content == "" || !s.texts[r.Content]) && !s.splits[r.Object] {
				v.example(&v.Lost, "lost: poison %s of %s is neither a row nor in quarantine", r.Key(), r.Object)
			}
		case Filtered, Copy, Optional:
		}
	}
	contents := make(map[string]bool) // of rows that may have any key: poison
	for _, r := range records {
		if r.Class == Poison {
			contents[r.Content], contents["raw "+r.Raw] = true, true
		}
	}
	for key, n := range s.rows {
		r, issued := known[key]
		switch {
		case !issued && !contents[s.content[key]]:
			v.example(&v.Unknown, "unknown: a row of event %s, which nobody issued", key)
		case r.Class == Filtered:
			v.example(&v.Unknown, "unknown: a row of event %s, which had to be filtered", key)
		}
		for range n - 1 {
			v.example(&v.Duplicated, "duplicated: event %s has %d rows", key, n)
		}
	}
}

func (v *Difference) expectRow(r Issued, s *stored) {
	switch {
	case s.rows[r.Key()] == 0:
		v.example(&v.Lost, "lost: event %s of %s", r.Key(), r.Object)
	case s.content[r.Key()] != r.Content && s.content[r.Key()] != "raw "+r.Raw:
		v.example(&v.Corrupt, "corrupt: event %s of %s is not stored as it was issued", r.Key(), r.Object)
	}
}

// checkLedger compares how many records each object's entry says it had.
func (m *Manifest) checkLedger(ctx context.Context, conn *pgx.Conn, group string, v *Difference) error {
	rows, err := conn.Query(ctx, `select split, status, read, filtered from ledger where group_id = $1::text::uuid and source <> 'cloudtrail_api'`, group)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var split, status string
	var read, filtered int
	_, err = pgx.ForEachRow(rows, []any{&split, &status, &read, &filtered}, func() error {
		v.Filtered += filtered
		counts, issued := m.objects[objectOf(split)]
		switch {
		case !issued:
			v.example(&v.Ledger, "ledger: %s is done, and was never issued", split)
		case status == "stored" && !counts[read]:
			v.example(&v.Ledger, "ledger: %s is said to hold %d records", split, read)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	return nil
}

// CheckLines compares the manifest with a file of records, one a line, as a sink with
// delivery at least once leaves it: copies are fine there, and are not counted. What the
// sink is told to reject must not be there.
func (m *Manifest) CheckLines(path string, rejected func(Issued) bool) (*Difference, error) {
	records, err := m.load()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	contents := make(map[string]bool)
	if err == nil {
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			contents[Content(lines.Bytes())] = true
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	v := &Difference{EventsIn: len(records), Rows: len(contents)}
	issued := make(map[string]bool, len(records))
	for _, r := range records {
		if issued[r.Content] {
			continue
		}
		issued[r.Content] = true
		switch {
		case r.Class == Kept && rejected(r):
			if contents[r.Content] {
				v.example(&v.Unknown, "unknown: event %s in %s was rejected", r.Key(), path)
			}
		case r.Class == Kept && !contents[r.Content]:
			v.example(&v.Lost, "lost: event %s of %s is not in %s", r.Key(), r.Object, path)
		case r.Class == Filtered && contents[r.Content]:
			v.example(&v.Unknown, "unknown: event %s in %s had to be filtered", r.Key(), path)
		}
	}
	for content := range contents {
		if !issued[content] {
			v.example(&v.Corrupt, "corrupt: a line of %s is nothing that was issued", path)
		}
	}
	return v, nil
}
