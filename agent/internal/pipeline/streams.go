package pipeline

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Stream is what one account and Region bring through one source. Filtered events
// count too: a stream is there, whatever is kept of it.
type Stream struct {
	Account, Region string
	Newest          time.Time // the newest eventTime that is durable
	Events          int64
	// Usual is the mean time between its events, by minutes that had any, and Quiet how
	// long it may be quiet before that is against its habit. Both are zero while too
	// little is known.
	Usual, Quiet time.Duration
	// Live says that its newest event was less than a week old when it was stored, and
	// Current that it was less than minQuiet old at some time.
	Live, Current bool
}

const (
	// maxStreams bounds how many streams a source tells apart. Account and Region stand
	// in the records, so whoever can write to a bucket can make up any number.
	maxStreams = 2000
	maxName    = 64
	// habitMinutes is how far back a habit goes: a week has weekends.
	habitMinutes = 7 * 24 * 60
	minQuiet     = 30 * time.Minute
	usualTimes   = 6
	// ahead is how far an event may lie in the future. Beyond, its time is not believed:
	// one such record would hide every silence after it.
	ahead = 10 * time.Minute
	// seenStreams bounds what one split may bring.
	seenStreams = 64
)

type streamKey struct{ account, region string }

// seen is what an attempt saw of one stream.
type seen struct {
	streamKey
	newest  time.Time
	events  int64
	last    int64              // the minute of the latest event
	minutes map[int64]struct{} // minutes that had events
}

// sees gathers what an attempt's events tell of their streams.
type sees struct {
	streams []seen
	latest  int
	others  int64 // events of streams beyond seenStreams
}

// note notes one event.
func (s *sees) note(e *sdk.Event) {
	k := streamKey{e.Account, e.Region}
	if s.latest >= len(s.streams) || s.streams[s.latest].streamKey != k {
		i := slices.IndexFunc(s.streams, func(x seen) bool { return x.streamKey == k })
		switch {
		case i >= 0:
			s.latest = i
		case len(s.streams) == seenStreams:
			s.others++
			return
		default:
			s.latest = len(s.streams)
			s.streams = append(s.streams, seen{streamKey: k, last: -1, minutes: make(map[int64]struct{})})
		}
	}
	x := &s.streams[s.latest]
	x.events++
	if e.Time.IsZero() {
		return
	}
	if e.Time.After(x.newest) {
		x.newest = e.Time
	}
	if m := e.Time.Unix() / 60; m != x.last {
		x.last = m
		if len(x.minutes) < habitMinutes {
			x.minutes[m] = struct{}{}
		}
	}
}

// stream is a Stream with the minutes that had events in the week before the newest, as
// a ring of bits.
type stream struct {
	Stream
	head  int64 // the newest minute
	bits  [(habitMinutes + 63) / 64]uint64
	dirty bool
}

func (s *stream) at(minute int64) (word *uint64, bit uint64) {
	i := minute % habitMinutes
	return &s.bits[i/64], 1 << (i % 64)
}

func (s *stream) set(minute int64) {
	switch {
	case minute <= s.head-habitMinutes || minute < 0:
		return
	case minute >= s.head+habitMinutes:
		clear(s.bits[:])
		s.head = minute
	case minute > s.head:
		for m := s.head + 1; m <= minute; m++ {
			word, bit := s.at(m)
			*word &^= bit
		}
		s.head = minute
	}
	word, bit := s.at(minute)
	*word |= bit
	s.dirty = true
}

// learn works out the habit.
//
// Nights and weekends are habits too, so a stream may be quiet for half as long again as
// the second longest quiet of the week: an outage that happened once is no habit.
func (s *stream) learn() {
	if !s.dirty {
		return
	}
	s.dirty = false
	n := 0
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	s.Usual, s.Quiet = 0, 0
	if n < 3 {
		return
	}
	var first, last, longest, second int64
	first, last = -1, -1
	for m := s.head - habitMinutes + 1; m <= s.head; m++ {
		if m < 0 {
			continue
		}
		if word, bit := s.at(m); *word&bit == 0 {
			continue
		}
		if first < 0 {
			first = m
		} else if gap := m - last; gap > longest {
			longest, second = gap, longest
		} else if gap > second {
			second = gap
		}
		last = m
	}
	s.Usual = time.Duration(last-first) * time.Minute / time.Duration(n-1)
	s.Quiet = max(minQuiet, usualTimes*s.Usual, time.Duration(second)*time.Minute*3/2)
}

// meet adds what a settled attempt saw.
func (so *sourceObserved) meet(s sees, now time.Time) {
	so.stats.Unwatched += s.others
	for _, x := range s.streams {
		k := streamKey{streamName(x.account), streamName(x.region)}
		st := so.streams[k]
		if st == nil {
			if len(so.streams) == maxStreams {
				so.stats.Unwatched += x.events
				continue
			}
			st = &stream{Stream: Stream{Account: k.account, Region: k.region}, head: -1}
			so.streams[k] = st
		}
		st.add(x, now)
	}
}

func (s *stream) add(x seen, now time.Time) {
	s.Events += x.events
	latest := now.Add(ahead)
	if x.newest.After(latest) {
		x.newest = time.Time{} // the minutes still hold what is believable
	}
	for m := range x.minutes {
		if t := time.Unix(m*60, 0); !t.After(latest) {
			s.set(m)
			if x.newest.IsZero() && t.After(s.Newest) {
				s.Newest = t
			}
		}
	}
	if x.newest.After(s.Newest) {
		s.Newest = x.newest
	}
	age := now.Sub(s.Newest)
	s.Live = s.Live || age < habitMinutes*time.Minute
	s.Current = s.Current || age < minQuiet
}

// streamName is an account or Region as it is told: what no account or Region looks like is
// not repeated.
func streamName(s string) string {
	if s == "" {
		return "none"
	}
	odd := func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-'
	}
	for i := range len(s) {
		if len(s) > maxName || odd(s[i]) {
			return "odd"
		}
	}
	return s
}

func (so *sourceObserved) streamList() []Stream {
	list := make([]Stream, 0, len(so.streams))
	for _, s := range so.streams {
		s.learn()
		list = append(list, s.Stream)
	}
	slices.SortFunc(list, func(a, b Stream) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return list
}
