package cloudtrailapi

import (
	"context"
	"slices"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// pageSplits is the most that found is given at once.
const pageSplits = 500

// list lists the splits of streams that lie in a range, up to now.
//
// Their windows lie side by side: each piece of time is in one of them, under the
// latest pass that is due. A pass that nobody took while it was due is not missed, for
// a later one reads the same and more.
//
// Regions take turns, for each has a quota of its own and the agent reads several
// splits at once.
func list(ctx context.Context, streams []stream, r sdk.TimeRange, now time.Time, found func([]sdk.Split) error) error {
	var page []sdk.Split
	flush := func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		full := page
		page = nil
		return found(full)
	}
	for _, w := range windows(r, now) {
		for _, s := range streams {
			if split := s.split(w); r.Contains(split.Time) {
				page = append(page, split)
			}
		}
		if len(page) >= pageSplits {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(page) == 0 {
		return nil
	}
	return flush()
}

// windows are those to list: recent ones first, the newest in front; then the older
// ones, the oldest in front, because they leave the event history first.
//
// If the range reaches further back than the history, the window that left it last is
// among them. Unless it was read in time there is a gap, and reading it says so.
// Without such a range nobody asked for more than CloudTrail has.
func windows(r sdk.TimeRange, now time.Time) []window {
	edge := now.Add(-history)
	from := edge.Truncate(time.Hour)
	switch {
	case r.Since.IsZero():
	case r.Since.Before(edge):
		from = from.Add(-time.Hour)
	default:
		from = r.Since.UTC().Truncate(time.Hour)
	}
	var recent, old, hour []window
	for at := from; at.Before(now); at = at.Add(time.Hour) {
		hour = cover(hour[:0], now, at, final)
		for _, w := range hour {
			if w.pass == final {
				old = append(old, w)
			} else {
				recent = append(recent, w)
			}
		}
	}
	slices.Reverse(recent)
	return append(recent, old...)
}
