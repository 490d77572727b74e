package main

import (
	"bytes"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
)

// A badRecord is a text between good records that a reader may stumble over without the
// object around it being broken.
type badRecord struct {
	text   string
	issued oracle.Issued
}

// cut says that of a record beyond all limits only the beginning is kept.
func (b *badRecord) cut() {
	const kept = 64 << 10
	b.issued = oracle.NewIssued("", oracle.Poison, b.text[:kept])
}

// badRecords are one of each kind. Each is still what somebody wrote into the trail, so
// that it has to become a row or an entry in quarantine.
func badRecords(g *oracle.Generator) []badRecord {
	deep := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	var bad []badRecord
	// with is a record in which TEXT stands for something odd.
	with := func(members string) {
		id := g.ID()
		text := `{"eventVersion":"1.11","eventTime":"2026-11-20T10:00:00Z","eventName":"Odd","eventID":"` + id + `",` + members + `}`
		bad = append(bad, badRecord{text, oracle.NewIssued(id, oracle.Poison, text)})
	}
	with(`"requestParameters":{"nul":"a\u0000b"}`)
	with(`"requestParameters":{"surrogate":"\ud800"}`)
	with("\"requestParameters\":{\"bytes\":\"\xff\xfe\"}")
	with(`"userAgent":"first","userAgent":"second"`)
	with(`"EVENTID":"spoofed","EventName":"spoofed"`)
	with(`"requestParameters":{"huge":1e400000}`)
	with(`"requestParameters":{"digits":123456789012345678901234567890}`)
	with(`"requestParameters":` + deep)
	with(`"requestParameters":{"long":"` + strings.Repeat("x", 5<<20) + `"}`)
	bad[len(bad)-1].cut()
	with(`"requestParameters":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))
	bad[len(bad)-1].cut()
	with(`"sourceIPAddress":"AWS Internal"`)
	with(`"sourceIPAddress":12`)
	with(`"eventVersion":"99.0"`)
	with(`"userIdentity":"a string"`)
	with(`"requestParameters":"a string","responseElements":[1,2]`)
	with(`"` + strings.Repeat("k", 2000) + `":1`)
	with(`"readOnly":"yes","managementEvent":1`)
	with(`"insightDetails":{"state":"Start","eventSource":"s3.amazonaws.com"}`)
	with(`"awsRegion":null,"errorCode":null`)
	// whole is a record that has no eventID, or no good one.
	whole := func(text string) {
		bad = append(bad, badRecord{text, oracle.NewIssued("", oracle.Poison, text)})
	}
	at := `"eventTime":"2026-11-20T10:00:00Z"`
	whole(`{"eventName":"NoID",` + at + `,"requestID":"` + g.ID() + `"}`)
	whole(`{"eventName":"NumberID",` + at + `,"eventID":12,"requestID":"` + g.ID() + `"}`)
	whole(`{"eventName":"NullID",` + at + `,"eventID":null,"requestID":"` + g.ID() + `"}`)
	whole(`{"eventName":"NoTime","eventID":"` + g.ID() + `"}`)
	whole(`{"eventName":"BadTime","eventTime":"yesterday","eventID":"` + g.ID() + `"}`)
	whole(`{"eventName":"FarTime","eventTime":"9999-01-01T00:00:00Z","eventID":"` + g.ID() + `"}`)
	whole(`{"eventName":"OldTime","eventTime":"0001-01-01T00:00:00Z","eventID":"` + g.ID() + `"}`)
	whole(`{}`)
	whole(`null`)
	whole(`[1,2,"an array"]`)
	whole(`"a string"`)
	whole(`42`)
	return bad
}

// badObjects are objects that are broken as a whole, and a few that only look so. What
// good records a broken one holds count as poison too: rows, or in quarantine with it.
func badObjects(g *oracle.Generator) []oracle.Object {
	now := time.Now()
	var objects []oracle.Object
	// add makes an object around three records; class says what has to become of them.
	add := func(class oracle.Class, body func(records string) []byte) {
		var texts []string
		var issued []oracle.Issued
		for range 3 {
			text, i := g.Record(now, class)
			texts, issued = append(texts, text), append(issued, i)
		}
		objects = append(objects, g.Raw(now, body(strings.Join(texts, ",")), issued...))
	}
	zip := func(format string) func(string) []byte {
		return func(records string) []byte {
			return oracle.Gzip([]byte(strings.ReplaceAll(format, "RECORDS", records)))
		}
	}
	add(oracle.Poison, zip(`{"Records":[RECORDS,]}`))
	add(oracle.Poison, zip(`{"Records":[RECORDS`))
	add(oracle.Poison, zip(`{"Records":[RECORDS,NaN]}`))
	add(oracle.Poison, zip(`{"Records":{"a":[RECORDS]}}`))
	add(oracle.Poison, zip(`{"NoRecords":[RECORDS]}`))
	add(oracle.Kept, zip("\xef\xbb\xbf"+`{"Records":[RECORDS]}`))
	add(oracle.Kept, zip(` { "Version" : 1 , "Records" : [ RECORDS ] , "After" : {} } `))
	add(oracle.Kept, func(records string) []byte { return []byte(`{"Records":[` + records + `]}`) }) // plain, though named .gz
	// CloudTrail writes one member; a second is data that somebody appended.
	add(oracle.Poison, func(records string) []byte {
		return append(oracle.Gzip([]byte(`{"Records":[`)), oracle.Gzip([]byte(records+`]}`))...)
	})
	cut := func(n int) func(string) []byte {
		return func(records string) []byte {
			whole := oracle.Gzip([]byte(`{"Records":[` + records + `]}`))
			return whole[:len(whole)-n]
		}
	}
	add(oracle.Poison, cut(1))
	add(oracle.Poison, cut(8))
	add(oracle.Poison, cut(100))
	add(oracle.Poison, func(records string) []byte { // the checksum is wrong
		whole := bytes.Clone(oracle.Gzip([]byte(`{"Records":[` + records + `]}`)))
		whole[len(whole)-6] ^= 1
		return whole
	})
	add(oracle.Poison, func(records string) []byte { // something follows
		return append(oracle.Gzip([]byte(`{"Records":[`+records+`]}`)), "junk"...)
	})
	objects = append(objects,
		g.Raw(now, oracle.Gzip([]byte(`{"Records":[]}`))),
		g.Raw(now, []byte{}),
		g.Raw(now, oracle.Gzip([]byte(`{"digestVersion":"1.0","logFiles":[]}`))),
		g.Raw(now, oracle.Gzip([]byte(`{"some":"other JSON"}`))),
	)
	return objects
}
