package catalog

import (
	"testing"
	"time"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestAPluginThatNeverWorkedIsStartedEverLater(t *testing.T) {
	var r restarts
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000} {
		if got := r.crashed(start.Add(time.Duration(i)*time.Hour), false); got != want*time.Millisecond {
			t.Errorf("wait %d is %s, want %d ms", i, got, want)
		}
	}
}

func TestAPluginThatWorkedIsStartedAtOnceUnlessItIsDegraded(t *testing.T) {
	var r restarts
	now := start
	for i, want := range []time.Duration{100, 100, 100, 100, 200, 400, 800} {
		now = now.Add(time.Minute)
		if got := r.crashed(now, true); got != want*time.Millisecond {
			t.Errorf("wait %d is %s, want %d ms", i, got, want)
		}
		if got, want := r.degraded(now), i >= 4; got != want {
			t.Errorf("degraded after %d crashes: %t", i+1, got)
		}
	}
	now = now.Add(crashWindow)
	if r.degraded(now) || r.count(now) != 1 {
		t.Errorf("%d crashes count after the window", r.count(now))
	}
	if got := r.crashed(now, true); got != minBackoff {
		t.Errorf("wait after a quiet time is %s", got)
	}
}

func TestARefusedStartIsRepeatedSlowlyAndIsNoCrash(t *testing.T) {
	var r restarts
	for i, want := range []time.Duration{2, 4, 8, 16, 30, 30} {
		if got := r.refused(); got != want*time.Second {
			t.Errorf("wait %d is %s, want %d s", i, got, want)
		}
	}
	if r.count(start) != 0 {
		t.Errorf("%d crashes", r.count(start))
	}
}
