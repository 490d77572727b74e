package rdsdirect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// What the view gives back is compared by PostgreSQL itself, as jsonb. Of a sanitised
// row only the bytes count.
const selectUnlike = `
select r.id::text || ' ' || coalesce(r.record::text, 'is missing')
from unnest($1::uuid[], $2::bytea[], $3::boolean[]) as want (id, raw, sanitized)
left join records r using (id)
where r.id is null
   or r.sanitized <> want.sanitized
   or case when want.sanitized then r.raw <> want.raw
           else r.record <> convert_from(want.raw, 'UTF8')::jsonb end`

// A reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
	Context() context.Context
}

// checkGivenBack writes events, each with an ID of its own, and reads their records
// back.
func checkGivenBack(t reporter, db *database, sink *Sink, events []sdk.Event, sanitized func(sdk.Event) bool) {
	t.Helper()
	for _, split := range []string{"first", "again"} { // again: or else the stored row would make it a variant
		result, err := sink.Write(t.Context(), batchOf(split, events...))
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Rejected) > 0 {
			t.Fatal(result.Rejected)
		}
	}
	checkStored(t, db, events, sanitized)
}

func checkStored(t reporter, db *database, events []sdk.Event, sanitized func(sdk.Event) bool) {
	t.Helper()
	originals := make(map[string]string, len(events))
	var ids [][16]byte
	var raws [][]byte
	var flags []bool
	for _, e := range events {
		id := rowID(testGroup, e.ID, rowTime(e.Time))
		originals[id.String()] = string(e.Raw)
		ids, raws, flags = append(ids, id), append(raws, e.Raw), append(flags, sanitized(e))
	}
	rows, err := db.owner.Query(t.Context(), selectUnlike, ids, raws, flags)
	if err != nil {
		t.Fatal(err)
	}
	unlike, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range unlike {
		t.Errorf("got  %.2000s\nfrom %.2000s", got, originals[got[:36]])
	}
}

func never(sdk.Event) bool  { return false }
func always(sdk.Event) bool { return true }

func checkNoVariants(t *testing.T, db *database) {
	t.Helper()
	if got := ask[int](t, db, `select count(*) from variants`); got != 0 {
		t.Errorf("variants = %d, want none", got)
	}
}

func TestOddRecordsComeBackEqual(t *testing.T) {
	long := strings.Repeat("정보 ", 3000)
	records := map[string]string{
		"empty":                       `{}`,
		"typical":                     typicalRecord,
		"version 1.0":                 `{"eventVersion":"1.0","userIdentity":{"type":"IAMUser"},` + testTimeText + `,"eventSource":"ec2.amazonaws.com","eventName":"StartInstances","awsRegion":"us-west-2","sourceIPAddress":"205.251.233.176","userAgent":"ec2-api-tools 1.6.12.2","requestParameters":{},"responseElements":{}}`,
		"version 1.11":                `{"eventVersion":"1.11","eventContext":{"tagContext":{"resourceTags":[]}},"annotation":"x",` + testTimeText + `}`,
		"every field null":            everyField(`null`),
		"every field a string":        everyField(`"text"`),
		"every field an empty string": everyField(`""`),
		"every field true":            everyField(`true`),
		"every field a number":        everyField(`12345678901234567890.10`),
		"every field an empty object": everyField(`{}`),
		"every field an empty array":  everyField(`[]`),
		"every field a tree":          everyField(`[{"a":[null,{"b":"\u00e9\ud83d\ude00"}]},1e400,-0,0.10]`),
		"names in another case":       `{"EVENTID":"a","eventId":"b","eventID":"c","Eventname":"d","eventtime":"e"}`,
		"names of columns":            `{"event_id":"a","event_name":"b","id":1,"origin":"x","raw":"y","additional":{"z":1},"sanitized":true,"has_event_time":false,"created_at":null}`,
		"odd names":                   `{"":0," ":1,"\"":2,"\\":3,"\n":4,"이름":5,"\ud83d\ude00":6,"$1":7,"{":8}`,
		"SQL arrays":                  `{"eventName":"{a,NULL,\"b\"}","userAgent":"NULL","errorCode":"\\","requestParameters":"{}","errorMessage":"'); drop table events; --"}`,
		"white space":                 " {\r\n\t\"requestParameters\" : { \"a\" : [ 1 , 2 ] } , \"x\" : \"  \" }\n",
		"long text":                   `{"eventName":"` + long + `","eventID":"` + long + `","userAgent":"` + long + `","x":"` + long + `"}`,
		"time with a fraction":        `{"eventTime":"2026-11-03T04:05:06.000Z"}`,
		"time with an offset":         `{"eventTime":"2026-11-03T13:05:06+09:00"}`,
		"time of another second":      `{"eventTime":"2026-11-03T04:05:07Z"}`,
		"time that is no text":        `{"eventTime":1793678706}`,
		"time that is null":           `{"eventTime":null}`,
		"no eventTime but a time":     `{"eventVersion":"1.0","timeWindow":{"windowStart":"2026-11-03T04:05:06Z"}}`,
		"an escaped backslash":        `{"userAgent":"\\u0000","x":{"\\u0000":"\\\\u0000"}}`,
		"great and small numbers":     `{"a":1e131071,"b":1e-16383,"c":123456789012345678901234567890,"d":1.10,"e":-1E+2}`,
		"deep":                        `{"requestParameters":` + nested(maxDepth-1) + `,"x":` + nested(maxDepth-1) + `}`,
		"a megabyte":                  `{"requestParameters":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`,
	}
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	for name, record := range records {
		t.Run(name, func(t *testing.T) {
			checkGivenBack(t, db, sink, []sdk.Event{testEvent(name, record)}, never)
		})
	}
	noTimes := map[string]sdk.Event{
		"no time":                {ID: "no time", Raw: []byte(`{"eventName":"x"}`)},
		"text that is no time":   {ID: "bad time", Raw: []byte(`{"eventTime":"yesterday"}`)},
		"1970 as AWS writes it":  {ID: "epoch", Time: time.Unix(0, 0), Raw: []byte(`{"eventTime":"1970-01-01T00:00:00Z"}`)},
		"before 1970":            {ID: "1969", Time: time.Unix(-1, 0), Raw: []byte(`{"eventTime":"1969-12-31T23:59:59Z"}`)},
		"the year 9999":          {ID: "9999", Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Raw: []byte(`{"eventTime":"9999-12-31T23:59:59Z"}`)},
		"a fraction of a second": {ID: "fraction", Time: testTime.Add(123456 * time.Microsecond), Raw: []byte(`{"eventTime":"2026-11-03T04:05:06.123456Z"}`)},
	}
	for name, event := range noTimes {
		t.Run(name, func(t *testing.T) { checkGivenBack(t, db, sink, []sdk.Event{event}, never) })
	}
	checkNoVariants(t, db)
}

func TestEveryColumnOfTheTableIsWritten(t *testing.T) {
	db := newDatabase(t, cluster)
	columns := []string{
		"id", "created_at", // made by the server
		"event_id", "event_time", "has_event_time", "origin", "source_ip", "additional", "sanitized", "raw",
	}
	for _, f := range fields {
		columns = append(columns, f.column)
	}
	slices.Sort(columns)
	table := ask[[]string](t, db, `select array_agg(attname::text order by attname::text collate "C") from pg_attribute
		where attrelid = 'cloudtrail'::regclass and attnum > 0 and not attisdropped`)
	if diff := cmp.Diff(columns, table); diff != "" {
		t.Errorf("columns (-written +table):\n%s", diff)
	}
}

// everyField is a record with one value in all fields that have a column.
func everyField(value string) string {
	var b strings.Builder
	b.WriteString(`{"eventTime":` + value)
	for _, f := range fields {
		fmt.Fprintf(&b, `,%q:%s`, f.name, value)
	}
	return b.String() + "}"
}

func TestWhatJSONBCannotHoldComesBackAsItsBytes(t *testing.T) {
	records := map[string]string{
		"NUL":                     `{"eventName":"a\u0000b","x":{"\u0000":["\u0000"]}}`,
		"lone surrogates":         `{"userAgent":"\ud83d","requestParameters":{"a":"\ude00"}}`,
		"bytes that are not text": "{\"userAgent\":\"\xff\",\"\xc0\x80\":\"\xed\xa0\xbd\"}",
		"great numbers":           `{"a":1e131072,"requestParameters":{"b":[1e-16384,` + strings.Repeat("9", 131073) + `]}}`,
		"repeated names":          `{"eventName":"a","eventName":"b","eventID":"c","eventID":null,"requestParameters":{"x":1,"x":2}}`,
		"depth":                   `{"requestParameters":` + nested(9000) + `}`,
	}
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	for name, record := range records {
		t.Run(name, func(t *testing.T) {
			checkGivenBack(t, db, sink, []sdk.Event{testEvent(name, record)}, always)
		})
	}
	checkNoVariants(t, db)
}

// The limits of jsonb are PostgreSQL's: whatever number this program holds for good
// must be one that the server takes, and the other way round.
func TestTheNumbersThatJSONBTakes(t *testing.T) {
	db := newDatabase(t, cluster)
	serverTakes := func(number string) bool {
		return ask[bool](t, db, `select pg_temp.takes($1)`, number)
	}
	db.exec(t, `create function pg_temp.takes(n text) returns boolean language plpgsql as $$
		begin perform n::jsonb; return true; exception when numeric_value_out_of_range then return false; end $$`)
	check := func(t interface{ Errorf(string, ...any) }, number string) {
		if got, want := jsonbTakesNumber([]byte(number)), serverTakes(number); got != want {
			t.Errorf("jsonbTakesNumber(%.40s…, %d characters) = %v, but the server says %v", number, len(number), got, want)
		}
	}
	known := []string{
		"0", "-0", "0.0", "1e131071", "1e131072", "-9.99e131071", "10e131071", "0.1e131072", "0.01e131073", "0e999999", "0e-16383", "0e-16384",
		"1e-16383", "1e-16384", "0.1e-16382", "0.1e-16383", "1E+131071", "0e1073741822", "0e1073741823", "0e-1073741823", "0e99999999999999999999",
		"1e99999999999999999999", "1e-99999999999999999999", strings.Repeat("9", 131072), strings.Repeat("9", 131073),
		"0." + strings.Repeat("0", 16383), "0." + strings.Repeat("0", 16384), "0." + strings.Repeat("0", 16384) + "e1", "1" + strings.Repeat("0", 16384) + "e-16384",
	}
	t.Run("known", func(t *testing.T) {
		for _, number := range known {
			check(t, number)
		}
	})
	t.Run("generated", rapid.MakeCheck(func(t *rapid.T) {
		number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?`).Draw(t, "mantissa")
		if rapid.Bool().Draw(t, "has exponent") {
			limit := rapid.SampledFrom([]int{0, maxNumericLead, -maxNumericScale}).Draw(t, "near")
			number += fmt.Sprintf("e%d", limit+rapid.IntRange(-40, 40).Draw(t, "exponent"))
		}
		check(t, number)
	}))
}

func TestGeneratedRecordsComeBack(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t)
	rapid.Check(t, func(t *rapid.T) {
		var events []sdk.Event
		sanitized := make(map[string]bool)
		for range rapid.IntRange(1, 8).Draw(t, "records") {
			d := draft{t: t, tame: rapid.Bool().Draw(t, "tame")}
			e := sdk.Event{ID: uuid.NewString(), Time: testTime, Raw: []byte(d.record())}
			events = append(events, e)
			sanitized[e.ID] = d.loses
		}
		checkGivenBack(t, db, sink, events, func(e sdk.Event) bool { return sanitized[e.ID] })
	})
	checkNoVariants(t, db)
}

// A draft is a generated record. Unless it is tame it has what JSON allows and jsonb
// refuses or loses, and then says so.
type draft struct {
	t     *rapid.T
	tame  bool
	loses bool
}

var (
	draftNames   = []string{"eventTime", "x", "EVENTNAME", "", "이름", "a\nb", `"`}
	draftNumbers = []string{"0", "-0.0", "1e2", "12345678901234567890", "1e400", "0.10", "1E-7"}
	draftStrings = []string{``, `2026-11-03T04:05:06Z`, `203.0.113.7`, `\u0041`, `\\u0000`, `\ud83d\ude00`, `\"`, `{`, `NULL`, `'`}
	wildNumbers  = []string{"1e131072", "-1e-16384"}
	wildStrings  = []string{`\u0000`, `\\\u0000`, `\ud83d`, `\ude00\ud83d`, "\xff", "\xed\xa0\xbd"}
)

// record has known and unknown fields of any type.
func (d *draft) record() string {
	names := slices.Clone(draftNames)
	for _, f := range fields {
		names = append(names, f.name)
	}
	return d.object(names, 12, 3)
}

func (d *draft) object(names []string, size, depth int) string {
	var members []string
	seen := make(map[string]bool)
	for range rapid.IntRange(0, size).Draw(d.t, "members") {
		name := rapid.SampledFrom(names).Draw(d.t, "name")
		if seen[name] {
			if d.tame {
				continue
			}
			d.loses = true
		}
		seen[name] = true
		quoted, _ := json.Marshal(name)
		members = append(members, string(quoted)+" : "+d.value(depth))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func (d *draft) value(depth int) string {
	kinds := []string{"null", "bool", "number", "string", "text"}
	if depth > 0 {
		kinds = append(kinds, "array", "object")
	}
	switch rapid.SampledFrom(kinds).Draw(d.t, "kind") {
	case "bool":
		return rapid.SampledFrom([]string{"true", "false"}).Draw(d.t, "bool")
	case "number":
		return d.pick(draftNumbers, wildNumbers)
	case "string":
		return `"` + d.pick(draftStrings, wildStrings) + `"`
	case "text":
		quoted, _ := json.Marshal(strings.ReplaceAll(rapid.String().Draw(d.t, "text"), "\x00", ""))
		return string(quoted)
	case "array":
		var items []string
		for range rapid.IntRange(0, 3).Draw(d.t, "items") {
			items = append(items, d.value(depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	case "object":
		return d.object(draftNames, 3, depth-1)
	default:
		return "null"
	}
}

func (d *draft) pick(tame, wild []string) string {
	if !d.tame && rapid.IntRange(0, 9).Draw(d.t, "wild") == 0 {
		d.loses = true
		return rapid.SampledFrom(wild).Draw(d.t, "leaf")
	}
	return rapid.SampledFrom(tame).Draw(d.t, "leaf")
}
