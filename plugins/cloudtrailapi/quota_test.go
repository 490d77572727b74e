package cloudtrailapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// arrivals are the times at which requests came to a server.
type arrivals struct {
	mu    sync.Mutex
	times []time.Time
}

func (a *arrivals) add(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times = append(a.times, t)
}

// count is how many requests came, and how many at most within less than a second.
func (a *arrivals) count(second time.Duration) (all, busiest int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortFunc(a.times, time.Time.Compare)
	first := 0
	for i, t := range a.times {
		for t.Sub(a.times[first]) >= second {
			first++
		}
		busiest = max(busiest, i-first+1)
	}
	return len(a.times), busiest
}

func TestNeverMoreThanTwoRequestsArriveInASecond(t *testing.T) {
	for _, tc := range []struct {
		name     string
		journey  func() time.Duration // one way
		requests float64              // a second that come through, at least
	}{
		{"a near server", func() time.Duration { return 0 }, 1.79},
		{"a far server", func() time.Duration { return 150 * time.Millisecond }, 1.5},
		{"requests that overtake each other", func() time.Duration { return rand.N(900 * time.Millisecond) }, 0.8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "quota")
				var got arrivals
				began := time.Now()
				var wg sync.WaitGroup
				for range 6 { // as if of several processes
					q := newQuota(path, 1.8)
					for range 3 {
						wg.Go(func() {
							for range 10 {
								s, err := q.take(t.Context())
								if err != nil {
									t.Error(err)
									return
								}
								<-time.After(tc.journey())
								got.add(time.Now())
								<-time.After(tc.journey())
								s.giveBack(t.Context(), 0)
							}
						})
					}
				}
				wg.Wait()
				all, busiest := got.count(time.Second)
				if all != 180 || busiest > slots {
					t.Errorf("%d requests, %d of them in one second, want 180 and %d at most", all, busiest, slots)
				}
				if r := float64(all-2) / time.Since(began).Seconds(); r < tc.requests || r > 1.81 {
					t.Errorf("requests a second = %.2f, want %.2f to 1.8", r, tc.requests)
				}
			})
		})
	}
}

func TestRateIsTheUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(filepath.Join(t.TempDir(), "quota"), 0.5)
		began := time.Now()
		for range 21 {
			s, err := q.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.giveBack(t.Context(), 0)
		}
		if took := time.Since(began); took < 40*time.Second || took > 41*time.Second {
			t.Errorf("21 requests took %v, want 40 s", took)
		}
	})
}

func TestASlotThatIsNeverGivenBackComesBackWhenItsLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "quota")
		dead := newQuota(path, 1.8)
		for range slots {
			if _, err := dead.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := newQuota(path, 1.8).take(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < requestTimeout+time.Second || took > latestFree {
			t.Errorf("the slot came back after %v, want a little more than %v", took, requestTimeout)
		}
	})
}

func TestASlotRestsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(filepath.Join(t.TempDir(), "quota"), 2)
		began := time.Now()
		for range slots {
			s, err := q.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.giveBack(t.Context(), 20*time.Second)
		}
		if _, err := q.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 20*time.Second {
			t.Errorf("the next request went after %v, want 20 s", took)
		}
	})
}

func TestAQuotaFileThatMakesNoSenseIsPutRight(t *testing.T) {
	for name, content := range map[string]string{
		"half a file":               "\x00\x00\x00",
		"a clock that was set back": "\x60\x00\x00\x00\x00\x00\x00\x00\x60\x00\x00\x00\x00\x00\x00\x00",
	} {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "quota")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := newQuota(path, 1.8).take(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < time.Second || took > 2*time.Second {
				t.Errorf("%s: the first request went after %v, want a second", name, took)
			}
		})
	}
}

func TestWaitingForASlotEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(filepath.Join(t.TempDir(), "quota"), 0.1)
		for range slots {
			if _, err := q.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 2 { // one waits for a slot, the other for its turn
			wg.Go(func() {
				if _, err := q.take(ctx); !errors.Is(err, stop) {
					t.Errorf("take = %v, want the cause of the end", err)
				}
			})
		}
		synctest.Wait()
		cancel(stop)
		wg.Wait()
	})
}

func TestAQuotaFileThatCannotBeOpenedIsAnError(t *testing.T) {
	q := newQuota(filepath.Join(t.TempDir(), "none", "quota"), 1.8)
	if _, err := q.take(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("take = %v, want the system's error", err)
	}
}

func TestTheFolderOfQuotasIsThisUsersAlone(t *testing.T) {
	temp := t.TempDir()
	dir, err := quotaDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := quotaDir(temp); again != dir || err != nil {
		t.Errorf("quotaDir = %q, %v, want the same again, %q", again, err, dir)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := quotaDir(temp); err == nil {
		t.Error("a folder that everybody may write to was taken")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := quotaDir(temp); err == nil {
		t.Error("a symbolic link was taken")
	}
	if _, err := quotaDir(filepath.Join(temp, "none")); err == nil {
		t.Error("a folder was made in one that does not exist")
	}
}
