package cloudtrail_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// read returns all events of a file, and the error.
func read(file []byte, account string, l cloudtrail.Limits) ([]sdk.Event, error) {
	var events []sdk.Event
	err := cloudtrail.Read(bytes.NewReader(file), account, l, func(page []sdk.Event) error {
		events = append(events, cloudtrailtest.Kept(page)...)
		return nil
	})
	return events, err
}

func mustRead(t *testing.T, file []byte) []sdk.Event {
	t.Helper()
	events, err := read(file, "", cloudtrail.Limits{})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return events
}

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func records(list ...string) string { return `{"Records":[` + strings.Join(list, ",") + `]}` }

const (
	one = `{"eventID":"one"}`
	two = `{"eventID":"two"}`
)

func TestFilesThatAreRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		file []byte
		want []string // IDs
	}{
		{"gzip", zip(records(one, two)), []string{"one", "two"}},
		{"JSON as it is", []byte(records(one, two)), []string{"one", "two"}},
		{"no records", zip(records()), nil},
		{"byte order mark", zip("\ufeff" + records(one)), []string{"one"}},
		{"byte order mark without gzip", []byte("\ufeff" + records(one)), []string{"one"}},
		{"space everywhere", zip(" \r\n{ \"Records\" : [ " + one + " ,\n\t" + two + " ] }\n \n"), []string{"one", "two"}},
		{"Records after other members", zip(`{"a":{"Records":[{"eventID":"not this"}]},"b":[1],"Records":[` + one + `]}`), []string{"one"}},
		{"other members after Records", zip(`{"Records":[` + one + `],"b":{"c":null}}`), []string{"one"}},
		{"a second list of Records", zip(`{"Records":[` + one + `],"Records":[` + two + `]}`), []string{"one", "two"}},
		{"a list at the top", zip(`[` + one + `,` + two + `]`), []string{"one", "two"}},
		{"an empty list at the top", zip(`[]`), nil},
		{"braces and brackets in strings", zip(records(`{"userAgent":"}]{[\"\\","eventID":"one"}`)), []string{"one"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, e := range mustRead(t, tc.file) {
				if e.Reject != "" {
					t.Errorf("event %s rejected: %s", e.ID, e.Reject)
				}
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("event IDs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesThatAreInvalid(t *testing.T) {
	good := zip(records(one, two))
	changed := func(at int, b byte) []byte {
		file := slices.Clone(good)
		if at < 0 {
			at += len(file)
		}
		file[at] = b
		return file
	}
	for _, tc := range []struct {
		name string
		file []byte
		want string // in the reason
	}{
		{"no bytes", nil, "the file is empty"},
		{"one byte", []byte("\x1f"), "not JSON"},
		{"gzip of nothing", zip(""), "no text"},
		{"gzip header alone", good[:10], "truncated"},
		{"gzip magic alone", good[:2], "truncated"},
		{"gzip with another method", changed(2, 7), "bad gzip"},
		{"gzip with a wrong checksum", changed(-8, good[len(good)-8]+1), "bad gzip"},
		{"gzip with a wrong length", changed(-1, 1), "bad gzip"},
		{"gzip with broken data", changed(10, 0xff), "bad gzip"},
		{"gzip within gzip", zip(string(good)), "not JSON"},
		{"a second gzip member", append(slices.Clone(good), good...), "data after the end of the gzip stream"},
		{"a byte after gzip", append(slices.Clone(good), 0), "data after the end of the gzip stream"},
		{"plain text", zip("hello"), "not JSON"},
		{"CSV", zip("a,b\n1,2\n"), "not JSON"},
		{"UTF-16", zip("\xff\xfe{\x00}\x00"), "not JSON"},
		{"JSON that ends too early", zip(`{"Records":[` + one), "truncated"},
		{"JSON that ends in a record", zip(`{"Records":[{"eventID":"o`), "truncated"},
		{"a comma too many", zip(records(one, "")), "not JSON"},
		{"NaN", zip(records(`{"a":NaN}`)), "not JSON"},
		{"a control character in a string", zip(records("{\"a\":\"\x01\"}")), "not JSON"},
		{"a second document", zip(records(one) + records(two)), "after the end of the JSON document"},
		{"text after the document", zip(records(one) + "x"), "not JSON"},
		{"no Records", zip(`{"records":[` + one + `]}`), "no Records"},
		{"an empty object", zip(`{}`), "no Records"},
		{"a digest", zip(`{"awsAccountId":"1","digestStartTime":"2026-11-01T00:00:00Z","logFiles":[]}`), "this is a digest file"},
		{"Records that are null", zip(`{"Records":null}`), "the member holds null"},
		{"Records that are an object", zip(`{"Records":{}}`), "the member holds an object"},
		{"a string", zip(`"Records"`), "the file holds a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := read(tc.file, "", cloudtrail.Limits{})
			if !sdk.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Read = %v, want an invalid error about %q", err, tc.want)
			}
		})
	}
}

func TestEveryTruncationIsInvalid(t *testing.T) {
	for _, file := range [][]byte{zip(records(one, two)), []byte(records(one, two))} {
		for n := range file {
			if _, err := read(file[:n], "", cloudtrail.Limits{}); !sdk.IsInvalid(err) {
				t.Errorf("Read of %d bytes of %d = %v, want an invalid error", n, len(file), err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "0" + strings.Repeat("}", n) }
	for _, tc := range []struct {
		name   string
		file   []byte
		limits cloudtrail.Limits
		want   string // reason; empty: read
	}{
		{"inflated size", zip(records(one, two)), cloudtrail.Limits{Inflated: 40}, "inflated size over the limit of 40 bytes"},
		{"size that is just allowed", zip(records(one)), cloudtrail.Limits{Inflated: int64(len(records(one)))}, ""},
		{"ratio", zip(records(one) + strings.Repeat(" ", 40<<20)), cloudtrail.Limits{Record: 64 << 20}, "compression ratio over the limit of 200:1"},
		{"ratio of a short text", zip(records(one) + strings.Repeat(" ", 3<<20)), cloudtrail.Limits{}, ""},
		{"record that is just allowed", zip(records(one, `{"a":"`+strings.Repeat("x", 92)+`"}`, two)), cloudtrail.Limits{Record: 100}, ""},
		{"space without an end", zip(`{"Records":[` + strings.Repeat(" ", 5<<20) + `]}`), cloudtrail.Limits{}, "a record over the limit of 4 MiB"},
		{"another member than Records", zip(`{"a":"` + strings.Repeat("x", 5<<20) + `","Records":[]}`), cloudtrail.Limits{}, "a record over the limit of 4 MiB"},
		{"records without an ID", zip(records(`{"a":1}`, `{"a":2}`, `{"a":3}`)), cloudtrail.Limits{Unnamed: 2}, "records without an event ID over the limit of 2"},
		{"equal records without an ID", zip(records(`{"a":1}`, `{"a":1}`, `{"a":1}`)), cloudtrail.Limits{Unnamed: 1}, ""},
		{"depth that is just allowed", zip(records(deep(128))), cloudtrail.Limits{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, err := read(tc.file, "", tc.limits)
			if tc.want == "" {
				if err != nil || len(events) == 0 || events[0].Reject != "" {
					t.Errorf("Read = %d events, %v, want them all", len(events), err)
				}
				return
			}
			if !sdk.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Read = %v, want an invalid error about %q", err, tc.want)
			}
		})
	}
}

// Who can put one record into a trail must not be able to hide those around it.
func TestARecordTooLargeOrTooDeepIsRejectedAlone(t *testing.T) {
	list := func(records ...string) string { return "[" + strings.Join(records, ",") + "]" }
	for _, tc := range []struct {
		name, record string
		limits       cloudtrail.Limits
		want         string
	}{
		{"a long string in it", `{"eventID":"x","a":"` + strings.Repeat(`y\\\"`, 1<<20) + `"}`, cloudtrail.Limits{}, "a record over the limit of 4 MiB; its first 64 KiB are kept here"},
		{"a string", `"` + strings.Repeat("x", 5<<20) + `"`, cloudtrail.Limits{}, "a record over the limit of 4 MiB"},
		{"a number", strings.Repeat("1", 5<<20), cloudtrail.Limits{}, "a record over the limit of 4 MiB"},
		{"many members", `{` + strings.Repeat(`"a":[1,{"]":"}"}],`, 400_000) + `"b":1}`, cloudtrail.Limits{}, "a record over the limit of 4 MiB"},
		{"a little too large", `{"a":"` + strings.Repeat("x", 100) + `"}`, cloudtrail.Limits{Record: 100}, "a record over the limit of 100 bytes"},
		{"much too large for a small limit", `{"a":"` + strings.Repeat("x", 100_000) + `"}`, cloudtrail.Limits{Record: 100}, "a record over the limit of 100 bytes"},
		{"deeper than the tokenizer goes", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), cloudtrail.Limits{}, "nested deeper than the limit of 128"},
		{"far deeper", strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), cloudtrail.Limits{}, "nested deeper than the limit of 128"},
	} {
		for _, file := range []string{records(one, tc.record, two, tc.record, one), list(one, tc.record, two, tc.record, one)} {
			t.Run(tc.name, func(t *testing.T) {
				events, err := read(zip(file), "111122223333", tc.limits)
				if err != nil || len(events) != 5 {
					t.Fatalf("Read = %d events, %v; want 5", len(events), err)
				}
				for i, e := range events {
					if bad := i%2 == 1; bad != (e.Reject != "") || bad && !strings.Contains(e.Reject, tc.want) {
						t.Errorf("event %d is rejected: %q", i, e.Reject)
					}
				}
				if a, b := events[1], events[3]; a.ID == b.ID || !strings.HasPrefix(tc.record, string(a.Raw)) || len(a.Raw) == 0 {
					t.Errorf("IDs %s, %s; kept %d bytes that begin %.20q", a.ID, b.ID, len(a.Raw), a.Raw)
				}
			})
		}
	}
}

func TestATruncatedRecordOverTheLimitIsInvalid(t *testing.T) {
	whole := records(one, `{"a":"`+strings.Repeat("x", 5<<20)+`"}`)
	for _, n := range []int{len(whole) - 1, len(whole) - 3, len(whole) - 4, len(whole) - 100} {
		if _, err := read(zip(whole[:n]), "", cloudtrail.Limits{}); !sdk.IsInvalid(err) || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("Read of all but %d bytes = %v, want an invalid error", len(whole)-n, err)
		}
	}
}

func TestARecordThatIsNoGoodEventIsRejectedAlone(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, tc := range []struct{ name, record, want string }{
		{"null", `null`, "the record is null, not an object"},
		{"a list", `[{"eventID":"inner"}]`, "the record is a list, not an object"},
		{"a string", `"x"`, "the record is a string, not an object"},
		{"a number", `-1e400`, "the record is a number, not an object"},
		{"a boolean", `true`, "the record is a boolean, not an object"},
		{"too deep", `{"eventID":"deep","a":` + deep + `}`, "nested deeper than the limit of 128"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, err := read(zip(records(one, tc.record, two)), "111122223333", cloudtrail.Limits{})
			if err != nil || len(events) != 3 {
				t.Fatalf("Read = %d events, %v, want 3", len(events), err)
			}
			got := events[1]
			if got.Reject != tc.want || string(got.Raw) != tc.record || got.ID == "" || got.Account != "111122223333" {
				t.Errorf("event = %+v, want it rejected: %s", got, tc.want)
			}
			if events[0].Reject != "" || events[2].Reject != "" {
				t.Error("its neighbours are rejected, too")
			}
		})
	}
}

func TestRawBytesPassAsTheyAre(t *testing.T) {
	for _, record := range []string{
		`{"eventID":"a","x":"\u0000 and \\u0000"}`,
		`{"eventID":"a","\u0000":1}`,
		`{"eventID":"a","x":"\ud83d and \ude00 and \ud83d\ud83d"}`,
		"{\"eventID\":\"a\",\"x\":\"\xff \xed\xa0\xbd \xc0\x80\"}",
		`{"eventID":"a","n":[1e400,1e-20000,123456789012345678901234567890,1.688560107857E9,-0.0]}`,
		`{ "eventID" : "a" , "eventID":"a",  "x":{"y":1,"y":2}}`,
		`{"eventID":"a","x":"<>&\/\u003c` + "\u2028" + `"}`,
		`{"eventID":"a","x":{}, "y":[ ],"":null}`,
	} {
		events := mustRead(t, zip(records(one, record, two)))
		if len(events) != 3 || string(events[1].Raw) != record || events[1].ID != "a" {
			t.Errorf("record %q came as %+v", record, events)
		}
	}
}

func TestPagesAreBounded(t *testing.T) {
	small, large := `{"eventID":"s","x":"`+strings.Repeat("x", 80)+`"}`, `{"eventID":"l","x":"`+strings.Repeat("x", 1180)+`"}`
	file := zip(records(append(slices.Repeat([]string{small}, 25), append(slices.Repeat([]string{large}, 3), one)...)...))
	var got []int
	err := cloudtrail.Read(bytes.NewReader(file), "", cloudtrail.Limits{PageEvents: 10, PageBytes: 1000}, func(page []sdk.Event) error {
		got = append(got, len(page))
		return nil
	})
	want := []int{9, 9, 7, 1, 1, 1, 1} // 9 small ones are below 1,000 bytes
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("sizes of pages, error %v (-want +got):\n%s", err, diff)
	}
}

// What a page lies in is used again only when emit has returned, whatever the sizes of
// records and pages, and however the text arrives.
func TestAPageIsWholeUntilEmitReturns(t *testing.T) {
	var all []string
	for i := range 3000 {
		pad := strings.Repeat("x", i*i%3000)
		if i%500 == 499 {
			pad = strings.Repeat("y", 200<<10) // more than a window
		}
		all = append(all, fmt.Sprintf(`{"eventID":"n%d","pad":"%s","again":"n%d"}`, i, pad, i))
	}
	text := records(all...)
	for _, l := range []cloudtrail.Limits{{}, {PageEvents: 1}, {PageEvents: 7, PageBytes: 5000}, {PageBytes: 1 << 20}} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "halved": iotest.HalfReader(strings.NewReader(text))} {
			n := 0
			err := cloudtrail.Read(r, "", l, func(page []sdk.Event) error {
				for _, e := range page {
					if string(e.Raw) != all[n] || e.ID != fmt.Sprintf("n%d", n) {
						t.Fatalf("%s, %+v: record %d is %.80s", name, l, n, e.Raw)
					}
					n++
				}
				return nil
			})
			if err != nil || n != len(all) {
				t.Errorf("%s, %+v: %d records, %v", name, l, n, err)
			}
		}
	}
}

func TestErrorsOfReaderAndEmitComeBackAsTheyAre(t *testing.T) {
	broken := errors.New("connection reset")
	file := zip(records(one, two))
	for n := range file {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		err := cloudtrail.Read(r, "", cloudtrail.Limits{}, func([]sdk.Event) error { return nil })
		if !errors.Is(err, broken) {
			t.Errorf("Read of a reader that breaks at %d = %v, want %v", n, err, broken)
		}
	}
	full := fmt.Errorf("agent: %w", errors.New("stopping"))
	if err := cloudtrail.Read(bytes.NewReader(file), "", cloudtrail.Limits{}, func([]sdk.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("Read with an emit that fails = %v, want %v", err, full)
	}
}

func TestReadingByTheByteIsTheSame(t *testing.T) {
	file := zip(records(one, `{"a":"\u00e9"}`, two))
	want := mustRead(t, file)
	var got []sdk.Event
	err := cloudtrail.Read(iotest.OneByteReader(bytes.NewReader(file)), "", cloudtrail.Limits{}, func(page []sdk.Event) error {
		got = append(got, cloudtrailtest.Kept(page)...)
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("events, error %v (-want +got):\n%s", err, diff)
	}
}

// A server that hangs up gives net/http an error that wraps io.EOF. Taken for the end of
// the file, it made whole objects invalid: "the file is empty", "truncated".
func TestAnErrorThatWrapsEOFIsNoEndOfTheFile(t *testing.T) {
	hungUp := fmt.Errorf("Get \"http://127.0.0.1\": %w", io.EOF)
	for _, whole := range [][]byte{zip(records(one, two)), []byte(records(one, two))} {
		for _, n := range []int{0, 1, 2, 10, len(whole) / 2, len(whole) - 1, len(whole)} {
			r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(hungUp))
			err := cloudtrail.Read(r, "", cloudtrail.Limits{}, func([]sdk.Event) error { return nil })
			if sdk.IsInvalid(err) || !errors.Is(err, hungUp) {
				t.Errorf("after %d of %d bytes: %v, want the reader's error", n, len(whole), err)
			}
		}
	}
}
