package catalog

import (
	"slices"
	"time"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	// deniedBackoff is the least wait where somebody has to act first.
	deniedBackoff = 2 * time.Second

	crashWindow    = 10 * time.Minute
	degradingCrash = 5 // this many within the window
)

// restarts decides how long a plugin that has ended stays down: shortly when it had
// worked before, ever longer when it had not, or when it ends again and again.
type restarts struct {
	backoff time.Duration
	crashes []time.Time // within the window
}

// crashed notes an end that nobody asked for, and returns the wait before the next
// start.
func (r *restarts) crashed(now time.Time, worked bool) time.Duration {
	r.crashes = append(r.crashes, now)
	if worked && !r.degraded(now) {
		r.backoff = 0
	}
	return r.next(minBackoff)
}

// refused returns the wait after a start that cannot succeed until somebody acts.
func (r *restarts) refused() time.Duration { return r.next(deniedBackoff) }

func (r *restarts) next(least time.Duration) time.Duration {
	r.backoff = min(max(2*r.backoff, least), maxBackoff)
	return r.backoff
}

// degraded reports whether the plugin crashes so often that somebody should look. Work
// done in between does not hasten its restarts then.
func (r *restarts) degraded(now time.Time) bool {
	return r.count(now) >= degradingCrash
}

// count is how many crashes lie within the window.
func (r *restarts) count(now time.Time) int {
	r.crashes = slices.DeleteFunc(r.crashes, func(t time.Time) bool { return now.Sub(t) > crashWindow })
	return len(r.crashes)
}
