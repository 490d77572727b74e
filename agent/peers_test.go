package main

import (
	"fmt"
	"go/ast"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// Bugs that users of other collectors reported. Those that a test elsewhere covers are
// in docs/reliability.md.

// A registry shared by two inputs: each deleted what the other had noted, and after a
// restart the bucket was read again.
// https://github.com/elastic/beats/issues/52721
func TestPeerTwoPipelinesOnTwoBucketsKeepTheirState(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	other := strings.Replace(s3Block, `"trail"`, `"other"`, 1)
	s.write(t, "agent.hcl", "pipeline \"one\" {\n"+s3Block+rdsBlock+"}\npipeline \"two\" {\n"+other+rdsBlock+"}\n")
	want := s.load(t, s3test.Trail{Seed: 1, Events: 400}.Objects())
	for o := range (s3test.Trail{Seed: 2, Events: 400}).Objects() {
		want.addObject(t, o.Body)
		if err := s.s3.Put("other", o.Key, o.Body); err != nil {
			t.Fatal(err)
		}
	}
	s.once(t)
	s.checkStored(t, want)
	reads := s.s3.Requests(s3test.GetObject)
	for range 3 {
		s.once(t)
	}
	if n := s.s3.Requests(s3test.GetObject); n != reads {
		t.Errorf("restarts read %d objects again", n-reads)
	}
	s.checkStored(t, want)
}

// A unique index and one duplicate in a batch of four: all four were dropped.
// https://github.com/Minipada/ros2_data_collection/issues/309
func TestPeerADuplicateTakesNothingWithIt(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.put(t, "AWSLogs/1/a.json", object("GetObject", "one"))
	s.once(t)
	s.put(t, "AWSLogs/1/b.json", object("GetObject", "two", "one", "three", "four", "four"))
	got := s.once(t)
	if got.count("stored") != 3 || got.count("duplicate") != 2 {
		t.Errorf("a batch with duplicates: %s", got)
	}
	s.checkEventIDs(t, "four", "one", "three", "two")
}

// A brace inside a string ended the record for the splitter, and the rest of the file
// was dropped without a word.
// https://github.com/falcosecurity/plugins/commit/2f0a3bf
func TestPeerBracesInsideStringsHideNothing(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	odd := []string{
		`"}"`, `"{"`, `"}]}"`, `"\"}"`, `"\\"`, `"\\\"{"`, `"\u007d\u005d"`, `"{\"Records\":[{\"eventID\":\"inner\"}]}"`,
		`{"{":"}","[":"]"}`, `["}",{"]":"{"}]`, `"\ud83d\ude00}"`,
	}
	var texts, ids []string
	for i, value := range odd {
		ids = append(ids, fmt.Sprintf("odd%02d", i))
		texts = append(texts, fmt.Sprintf(`{"eventID":%q,"eventName":"Odd","eventTime":"2026-11-01T00:00:00Z","requestParameters":{"a":%s}}`, ids[i], value))
	}
	s.put(t, "AWSLogs/1/a.json", `{"Records":[`+strings.Join(texts, ",")+`]}`)
	s.once(t)
	s.checkEventIDs(t, ids...)
	for i, text := range texts {
		if !ask[bool](t, s, `select record = $1::jsonb from records where record ->> 'eventID' = $2`, text, ids[i]) {
			t.Errorf("%s is not stored as it was written", text)
		}
	}
}

// Objects that share a second with the newest one that was read were taken for read.
// https://github.com/logstash-plugins/logstash-input-s3/issues/57
// https://github.com/logstash-plugins/logstash-input-s3/issues/244
func TestPeerObjectsOfOneSecondAreAllRead(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	key := func(n int) string {
		return fmt.Sprintf("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_%016d.json", n)
	}
	// Every other object comes while the first ones are being read: before, between and
	// behind them by its key, in the same second.
	var ids []string
	put := func(n int) {
		ids = append(ids, fmt.Sprintf("event%02d", n))
		s.put(t, key(n), object("GetObject", ids[len(ids)-1]))
	}
	for n := 1; n < 40; n += 2 {
		put(n)
	}
	late := make(chan struct{})
	s.s3.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		if s3test.OperationOf(r) == s3test.GetObject {
			<-late
		}
		return false
	})
	r := s.start(t)
	r.await(t, "a listing", func() bool { return s.s3.Requests(s3test.GetObject) > 0 })
	for n := 0; n < 40; n += 2 {
		put(n)
	}
	close(late)
	r.await(t, "all objects", func() bool { return s.rows(t) == len(ids) })
	slices.Sort(ids)
	s.checkEventIDs(t, ids...)
}

// Data was cleared and the same command run again: it collected nothing, for its state
// lay elsewhere and said that all was done.
// https://github.com/turbot/tailpipe/issues/204
func TestPeerADatabaseThatWasClearedIsFilledAgain(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	want := s.load(t, s3test.Trail{Events: 300}.Objects())
	s.once(t)
	s.exec(t, `truncate events, cloudtrail, ledger cascade`)
	s.once(t)
	s.checkStored(t, want)
}

// The table of other collectors' bugs names tests; a test that was renamed or removed
// must not be claimed any more.
func TestEachBugOfOthersHasItsTest(t *testing.T) {
	page, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## Bugs of other collectors\n")
	if !found {
		t.Fatal("the page has no such table")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	there := make(map[string]bool)
	for name, file := range goFiles(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				there[f.Name.Name] = true
			}
		}
	}
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| bug") {
			continue
		}
		rows++
		tests := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(line, -1)
		if len(tests) == 0 || !strings.Contains(line, "](https://") {
			t.Errorf("no test, or no link: %s", line)
		}
		for _, m := range tests {
			if !there[m[1]] {
				t.Errorf("there is no %s: %s", m[1], line)
			}
		}
	}
	if rows < 30 {
		t.Errorf("the table has %d rows", rows)
	}
}
