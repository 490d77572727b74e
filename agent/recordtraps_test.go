package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// How a record ends up.
const (
	givenBack = "equal as jsonb"
	withRaw   = "cleaned, and its bytes beside"
	rejected  = "in quarantine"
)

// A recordTrap is one file with records that have led collectors or databases astray.
type recordTrap struct {
	name    string
	file    string   // its content
	records []string // that are read from it, without those that are in it twice
	how     string   // each of them ends up
	reason  string   // why the record, or if invalid the file, is in quarantine
	invalid bool     // the file as a whole is in quarantine
}

// record is one of the given members.
func record(id, members string) string {
	return `{"eventVersion":"1.08","eventTime":"2026-11-03T03:04:05Z","eventName":"Trap","eventID":"` + id + `"` + members + `}`
}

// one is a file with records.
func one(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func member(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func recordTraps(t *testing.T) []recordTrap {
	single := func(name, record, how string) recordTrap {
		return recordTrap{name: name, file: one(record), records: []string{record}, how: how}
	}
	invalid := func(name, file, reason string) recordTrap {
		return recordTrap{name: name, file: file, reason: reason, invalid: true}
	}
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	noID := `{"eventVersion":"1.05","eventTime":"2026-11-03T03:04:05Z","eventName":"NoID","requestParameters":{"n":1}}`
	aggregated := `{"eventId":"aggregated-1","accountId":"111122223333","eventCategory":"Aggregated","timeWindow":{"windowStart":"2026-11-03T03:00:00Z","windowEnd":"2026-11-03T03:05:00Z"},"aggregations":[{"count":7}]}`
	tooDeep := single("nested too deeply", record("deep", `,"requestParameters":`+deep(200)), rejected)
	tooDeep.reason = "nested deeper than the limit of 128"
	notObject := recordTrap{name: "no object", file: one(`"text"`, record("neighbour", "")), records: []string{`"text"`}, how: rejected, reason: "the record is a string, not an object"}
	return []recordTrap{
		single("names that differ by case", record("case", `,"eventid":"x","EventID":"y","requestParameters":{"arn":1,"ARN":2,"Arn":3}`), givenBack),
		single("a name twice", record("twice", `,"requestParameters":{"a":1,"a":2}`), withRaw),
		single("eventID twice", record("first", `,"eventID":"last"`), withRaw),
		single("huge numbers", record("huge", `,"additionalEventData":{"a":123456789012345678901234567890.000000001,"b":9007199254740993,"c":1.688560107857E9}`), givenBack),
		single("a number beyond numeric", record("beyond", `,"additionalEventData":{"a":1e400000}`), withRaw),
		single("NUL", record("nul", `,"userAgent":"a\u0000b"`), withRaw),
		single("a backslash and u0000", record("nonul", `,"userAgent":"a\\u0000b"`), givenBack),
		single("a lone surrogate", record("lone", `,"userAgent":"\ud83d"`), withRaw),
		single("a pair of surrogates", record("pair", `,"userAgent":"\ud83d\ude00"`), givenBack),
		single("bytes that are not UTF-8", record("bytes", ",\"userAgent\":\"\xff\xed\xa0\xbd\""), withRaw),
		single("depth", record("depth", `,"requestParameters":`+deep(100)), givenBack),
		tooDeep,
		notObject,
		{name: "a byte order mark", file: "\ufeff" + one(record("bom", "")), records: []string{record("bom", "")}, how: givenBack},
		{name: "a list at the top", file: "[" + aggregated + "]", records: []string{aggregated}, how: givenBack},
		single("66 KB", record("66k", `,"requestParameters":{"policy":"`+strings.Repeat("x", 66<<10)+`"}`), givenBack),
		single("300 KB", record("300k", `,"requestParameters":{"policy":"`+strings.Repeat("é", 150<<10)+`"}`), givenBack),
		{name: "no eventID, two that are equal", file: one(noID, noID), records: []string{noID, noID}, how: givenBack},
		{name: "the same file again", file: one(noID, noID)},
		{
			name: "the two events of an insight", how: givenBack,
			file:    one(record("insight-start", `,"sharedEventID":"shared","insightDetails":{"state":"Start"}`), record("insight-end", `,"sharedEventID":"shared","insightDetails":{"state":"End"}`)),
			records: []string{record("insight-start", `,"sharedEventID":"shared","insightDetails":{"state":"Start"}`), record("insight-end", `,"sharedEventID":"shared","insightDetails":{"state":"End"}`)},
		},
		{
			name: "an event and its update", how: givenBack,
			file:    one(record("original", ""), record("update", `,"addendum":{"reason":"UPDATED_DATA","updatedFields":"userAgent","originalEventID":"original"}`)),
			records: []string{record("original", ""), record("update", `,"addendum":{"reason":"UPDATED_DATA","updatedFields":"userAgent","originalEventID":"original"}`)},
		},
		{name: "no records", file: one()},
		invalid("a second gzip member", member(t, one(record("member", "")))+member(t, one(record("hidden", ""))), "data after the end of the gzip stream"),
		invalid("bytes behind the gzip stream", member(t, one(record("junk", "")))+"junk", "data after the end of the gzip stream"),
		invalid("text behind the document", one(record("behind", ""))+`{"Records":[]}`, "text after the end of the JSON document"),
	}
}

// Everything that leads parsers and databases astray goes through the agent into
// PostgreSQL: each record is a row, or in quarantine with the reason, count for count.
func TestEveryTrapOfRecordsEndsAsARowOrWithItsReason(t *testing.T) {
	s := newSite(t, fileBlock, rdsBlock)
	traps := recordTraps(t)
	var equal []string
	rows, quarantined := 1, 0 // one good neighbour of a bad record
	equal = append(equal, record("neighbour", ""))
	for i, trap := range traps {
		s.write(t, fmt.Sprintf("logs/%02d.json", i), trap.file)
		for _, r := range trap.records {
			switch trap.how {
			case rejected:
				quarantined++
			case givenBack:
				equal = append(equal, r)
				rows++
			case withRaw:
				rows++
			}
		}
		if trap.invalid {
			quarantined++
		}
	}
	got := s.once(t)
	if s.rows(t) != rows || got.count("stored") != rows || got.count("duplicate") != 2 || got.count("quarantined") != quarantined {
		t.Errorf("%d rows, want %d and 2 duplicates, %d quarantined: %s", s.rows(t), rows, quarantined, got)
	}
	for i, trap := range traps {
		s.checkTrap(t, fmt.Sprintf("logs/%02d.json", i), trap)
	}
	s.exec(t, `create temporary table original as select r::jsonb as record from unnest($1::text[]) as r`, equal)
	for _, odd := range answers[string](t, s, `select record::text from original except all select record::text from records`) {
		t.Errorf("not given back: %.300s", odd)
	}
	for _, odd := range answers[string](t, s, `select record::text from records where not sanitized except all select record::text from original`) {
		t.Errorf("given back, but no original: %.300s", odd)
	}
	if again := s.once(t); again.count("stored") != 0 || s.rows(t) != rows {
		t.Errorf("a second run: %s", again)
	}
}

// checkTrap checks what became of one file.
func (s *site) checkTrap(t *testing.T, file string, trap recordTrap) {
	t.Helper()
	switch trap.how {
	case withRaw:
		raw := answers[[]byte](t, s, `select raw from records where origin like '%' || $1 || '%' and sanitized`, file)
		if len(raw) != 1 || string(raw[0]) != trap.records[0] {
			t.Errorf("%s: the bytes beside the row are %q, want %q", trap.name, raw, trap.records[0])
		}
	case rejected:
		raw := answers[string](t, s, `select convert_from(raw, 'UTF8') || ': ' || reason from quarantine where split like '%' || $1 || '%'`, file)
		if diff := cmp.Diff([]string{trap.records[0] + ": " + trap.reason}, raw); diff != "" {
			t.Errorf("%s: quarantine (-want +got):\n%.2000s", trap.name, diff)
		}
	}
	if trap.invalid {
		reasons := answers[string](t, s, `select kind || substring(reason from ': .*') from quarantine where split like '%' || $1 || '%'`, file)
		if diff := cmp.Diff([]string{"split: " + trap.reason}, reasons); diff != "" {
			t.Errorf("%s: quarantine (-want +got):\n%s", trap.name, diff)
		}
	}
}
