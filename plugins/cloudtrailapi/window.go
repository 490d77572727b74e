package cloudtrailapi

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A pass reads every window of one width some time after the window's end.
type pass struct {
	name         string // width/delay, in split IDs
	width, delay time.Duration
}

// passes stand from the last to the first. An event may show up in the event history
// many minutes after it happened, so each window is read again and again, ever later
// and ever wider. A later pass covers all of the earlier ones: of the passes that are
// due only the latest is worth reading.
//
// The grid and the names are part of split IDs; other ones would read everything
// again.
var passes = [...]pass{
	{"1h/24h", time.Hour, 24 * time.Hour},
	{"1h/6h", time.Hour, 6 * time.Hour},
	{"1h/1h", time.Hour, time.Hour},
	{"15m/15m", 15 * time.Minute, 15 * time.Minute},
	{"5m/1m", 5 * time.Minute, time.Minute},
}

// final is the index of the last pass, the only one that a backfill reads.
const final = 0

// history is how far back LookupEvents goes (AWS CloudTrail API reference,
// LookupEvents: "within the last 90 days").
const history = 90 * 24 * time.Hour

// A window is a piece of time on the grid and the pass that reads it.
type window struct {
	start time.Time // UTC, a multiple of the pass's width
	pass  int       // into passes
}

func (w window) end() time.Time { return w.start.Add(passes[w.pass].width) }

// due is from when on the window may be read.
func (w window) due() time.Time { return w.end().Add(passes[w.pass].delay) }

// expired reports whether the whole window has left the event history.
func (w window) expired(now time.Time) bool { return !w.end().After(now.Add(-history)) }

// cover appends windows that together hold all of one hour, or of one window of
// passes[i] within it, each in the latest pass that is due. What is too young for any
// pass is left out.
func cover(windows []window, now, start time.Time, i int) []window {
	w := window{start: start, pass: i}
	if !now.Before(w.due()) {
		return append(windows, w)
	}
	if i == len(passes)-1 {
		return windows
	}
	for t := start; t.Before(w.end()); t = t.Add(passes[i+1].width) {
		windows = cover(windows, now, t, i+1)
	}
	return windows
}

// A stream is what one LookupEvents request can read from: splits of one stream
// differ in their windows only.
type stream struct {
	account, region, category string
	lookup                    string // Key=value; empty for all events
}

// The values of event_category.
const (
	categoryManagement = "management"
	categoryInsight    = "insight"
)

// startLayout is a window's start in split IDs.
const startLayout = "20060102T1504Z"

// id is the ID of the split that reads w.
func (s stream) id(w window) string {
	id := fmt.Sprintf("%s/%s/%s/%s/%s", s.account, s.region, s.category, w.start.Format(startLayout), passes[w.pass].name)
	if s.lookup != "" {
		id += "/" + s.lookup
	}
	return id
}

// split is the split that reads w. Its time is the window's last second, so that a
// range takes in the windows that it begins in.
func (s stream) split(w window) sdk.Split {
	return sdk.Split{ID: s.id(w), Time: w.end().Add(-time.Second), Pass: passes[w.pass].name}
}

// parseID takes a split's ID apart. The value of a lookup may hold slashes.
func parseID(id string) (stream, window, error) {
	bad := fmt.Errorf("split %q does not name a pass over a window", id)
	parts := strings.SplitN(id, "/", 7)
	if len(parts) < 6 {
		return stream{}, window{}, bad
	}
	s := stream{account: parts[0], region: parts[1], category: parts[2]}
	if len(parts) == 7 {
		s.lookup = parts[6]
	}
	start, err := time.Parse(startLayout, parts[3])
	if err != nil {
		return stream{}, window{}, bad
	}
	w := window{start: start, pass: -1}
	for i, p := range passes {
		if p.name == parts[4]+"/"+parts[5] {
			w.pass = i
		}
	}
	_, known := parseLookup(s.lookup)
	switch {
	case w.pass < 0, !known, !start.Equal(start.Truncate(passes[w.pass].width)),
		s.category != categoryManagement && s.category != categoryInsight, s.id(w) != id:
		return stream{}, window{}, bad
	}
	return s, w, nil
}

// eventCategory is the request's parameter. Management events are what comes without.
func (s stream) eventCategory() types.EventCategory {
	if s.category == categoryInsight {
		return types.EventCategoryInsight
	}
	return ""
}
