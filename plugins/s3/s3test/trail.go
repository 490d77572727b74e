package s3test

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/gzip"
)

// A Trail describes generated CloudTrail objects. Its zero value is small and
// useful; equal trails give equal objects, byte for byte.
type Trail struct {
	Seed uint64
	// Start is the start of the first day, in UTC. Zero means 2026-11-01.
	Start time.Time
	// Days the events spread over. Zero means one.
	Days int
	// Prefix comes before "AWSLogs/" in every key; it ends in a slash or is empty.
	Prefix string
	// Accounts and Regions have one stream of objects for each pair. nil means
	// account 111122223333 and the Regions us-east-1 and ap-northeast-2.
	Accounts, Regions []string
	// Events is how many records there are, copies included. Zero means 1,000.
	Events int
	// EventsPerObject is how many of them an object holds. Zero means 200.
	EventsPerObject int
	// EventBytes is the size of a record, roughly and on average. Zero means
	// 1,500; below some 900 it has no effect.
	EventBytes int
	// Duplicates is the share of records that are copies of a record in an earlier
	// object of the same stream, as CloudTrail and several trails on one bucket
	// make them. A stream's first object has none.
	Duplicates float64
	// Quirks is the share of records that are odd in one of the ways that records
	// in the wild are: no eventID, \u0000, a lone surrogate, bad UTF-8, strings
	// for objects, explicit nulls, numbers beyond float64, a repeated name.
	Quirks float64
}

// An Object is one generated object under its key.
type Object struct {
	Key  string
	Body []byte // gzip
	// Time is the label in the key, the time of delivery.
	Time time.Time
	// Records are all records in the object; Copies of them lie in an earlier
	// object too.
	Records, Copies int
}

// A Manifest says what a trail's objects hold.
type Manifest struct {
	Objects  int
	Records  int // as read
	Distinct int // as rows
	Bytes    int64
	PerKey   map[string]int // records of each object
}

// Add counts o.
func (m *Manifest) Add(o Object) {
	if m.PerKey == nil {
		m.PerKey = make(map[string]int)
	}
	m.Objects++
	m.Records += o.Records
	m.Distinct += o.Records - o.Copies
	m.Bytes += int64(len(o.Body))
	m.PerKey[o.Key] = o.Records
}

// Objects yields the trail's objects in the order of their labels. Nothing is
// kept: a trail of any length takes the memory of one object.
func (t Trail) Objects() iter.Seq[Object] {
	t = t.withDefaults()
	return func(yield func(Object) bool) {
		var plain []byte
		for i := range t.objects() {
			var o Object
			o, plain = t.object(i, plain[:0])
			if !yield(o) {
				return
			}
		}
	}
}

func (t Trail) withDefaults() Trail {
	if t.Start.IsZero() {
		t.Start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	t.Start = t.Start.UTC()
	if t.Days == 0 {
		t.Days = 1
	}
	if t.Accounts == nil {
		t.Accounts = []string{"111122223333"}
	}
	if t.Regions == nil {
		t.Regions = []string{"us-east-1", "ap-northeast-2"}
	}
	if t.Events == 0 {
		t.Events = 1000
	}
	if t.EventsPerObject == 0 {
		t.EventsPerObject = 200
	}
	if t.EventBytes == 0 {
		t.EventBytes = 1500
	}
	return t
}

func (t Trail) streams() int { return len(t.Accounts) * len(t.Regions) }

func (t Trail) objects() int { return (t.Events + t.EventsPerObject - 1) / t.EventsPerObject }

// object makes object i. Objects go round the streams: object i belongs to
// stream i modulo the number of streams.
func (t Trail) object(i int, plain []byte) (Object, []byte) {
	first := i * t.EventsPerObject
	o := Object{Key: t.key(i), Time: t.label(i), Records: min(t.EventsPerObject, t.Events-first)}
	plain = append(plain, `{"Records":[`...)
	w := recordWriter{trail: t}
	for n := first; n < first+o.Records; n++ {
		if n > first {
			plain = append(plain, ',')
		}
		original := t.original(n)
		if original != n {
			o.Copies++
		}
		plain = w.append(plain, original)
	}
	plain = append(plain, "]}"...)
	o.Body = compress(plain)
	return o, plain
}

// original is the record that record n is a copy of: n itself, or the record at
// the same place in an earlier object of its stream.
func (t Trail) original(n int) int {
	if t.Duplicates <= 0 {
		return n
	}
	back := t.streams() * t.EventsPerObject
	for n >= back && t.random(n, drawCopy).Float64() < t.Duplicates {
		n -= back
	}
	return n
}

// label is the time in the key of object i: whole minutes, later with every round
// of the streams.
func (t Trail) label(i int) time.Time {
	rounds := (t.objects() + t.streams() - 1) / t.streams()
	span := time.Duration(t.Days) * 24 * time.Hour
	step := span / time.Duration(rounds)
	return t.Start.Add(time.Duration(i/t.streams()+1) * step).Add(-time.Second).Truncate(time.Minute)
}

func (t Trail) stream(i int) (account, region string) {
	s := i % t.streams()
	return t.Accounts[s/len(t.Regions)], t.Regions[s%len(t.Regions)]
}

func (t Trail) key(i int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	account, region := t.stream(i)
	label := t.label(i)
	var suffix [16]byte
	r := t.random(i, drawKey)
	for j := range suffix {
		suffix[j] = letters[r.IntN(len(letters))]
	}
	return fmt.Sprintf("%sAWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%sZ_%s.json.gz",
		t.Prefix, account, region, label.Format("2006/01/02"), account, region, label.Format("20060102T1504"), suffix[:])
}

// What is drawn has its own random numbers, so that one draw more or less in one
// place changes nothing elsewhere.
const (
	drawRecord = iota + 1
	drawCopy
	drawKey
)

func (t Trail) random(n int, draw uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.Seed<<2|draw, uint64(n)))
}

// compress is gzip at its fastest level, without a name or a time.
func compress(plain []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(plain)/5 + 64)
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is valid
	_, _ = w.Write(plain)                             // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
