package s3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// organization is a bucket with an object of each hour of two days in each stream.
func organization(accounts, regions int, now time.Time) *simBucket {
	b := &simBucket{}
	var all []string
	for a := range accounts {
		for r := range regions {
			for h := range 48 {
				all = append(all, key(fmt.Sprintf("%012d", a+1), fmt.Sprintf("xx-test-%d", r), now.Add(-time.Duration(h)*time.Hour), "x"))
			}
		}
	}
	b.put(all...)
	return b
}

// Every poll, those included that carry a part of the search for new streams.
func TestAQuietPollCostsOneRequestForEachStream(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(100, 17, time.Now())
		const streams = 100 * 17
		src := b.source(t, Settings{})
		poll := func() (splits, requests int) {
			found, err := discover(t, src, recent())
			if err != nil {
				t.Fatal(err)
			}
			return len(found), b.count()
		}
		splits, first := poll()
		if want := streams * 7; splits != want {
			t.Errorf("splits = %d, want %d", splits, want)
		}
		least, most, all, added := first, 0, 0, 0
		const polls = 12 * 24
		for n := range polls {
			<-time.After(5 * time.Minute)
			if n == polls/2 {
				b.put(key("000000000042", "xx-new-1", time.Now(), "n"), key("999988887777", "us-east-1", time.Now(), "n"))
				added = 2
			}
			_, quiet := poll()
			least, most, all = min(least, quiet), max(most, quiet), all+quiet
			if limit := (streams + added) * 11 / 10; quiet > limit {
				t.Errorf("requests of poll %d = %d, want at most %d", n, quiet, limit)
			}
		}
		t.Logf("%d streams: %d requests at first, then %d to %d at each of %d polls, %.3f a stream", streams, first, least, most, polls, float64(all)/polls/streams)
		if got := len(src.layout.streams); got != streams+added {
			t.Errorf("streams known = %d, want %d", got, streams+added)
		}
		if least < streams || most == least {
			t.Errorf("polls took %d to %d requests: no poll without a search, or none with one", least, most)
		}
	})
}

// The agent counts what late objects bring, however it heard of them.
func TestAnObjectThatComesLongAfterTheTimeInItsNameIsLate(t *testing.T) {
	arrived := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	src := (&simBucket{}).source(t, Settings{})
	n := &notified{Source: src}
	for label, want := range map[time.Time]string{
		arrived.Add(274 * time.Second): "", arrived.Add(-142 * time.Second): "", arrived.Add(-59 * time.Minute): "",
		arrived.Add(-time.Hour): latePass, arrived.Add(-30 * 24 * time.Hour): latePass,
	} {
		k := key("111122223333", "us-east-1", label.Truncate(time.Minute), "n")
		listed, ok := src.split(types.Object{Key: &k, ETag: aws.String("e"), LastModified: aws.Time(arrived.Truncate(time.Minute))}, "", sdk.TimeRange{})
		if !ok || listed.Pass != want {
			t.Errorf("object of %v, listed = %+v, want pass %q", label, listed, want)
		}
		told, err := n.point(t.Context(), object{bucket: bucket, key: k, etag: "e", at: arrived.Truncate(time.Minute), created: true})
		if err != nil || told.split.Pass != want {
			t.Errorf("object of %v, announced = %+v, %v, want pass %q", label, told.split, err, want)
		}
	}
}

// Whatever is denied is asked for at each poll, and it alone: it comes back at once when
// somebody has allowed it, and until then polls cost no more for it.
func TestADeniedFolderCostsOneRequestAPoll(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := organization(20, 17, time.Now())
		b.denied = "AWSLogs/000000000007/"
		src := b.source(t, Settings{})
		if _, err := discover(t, src, recent()); !sdk.IsDenied(err) {
			t.Fatalf("Discover = %v, want a denied error", err)
		}
		b.count()
		for range 3 {
			<-time.After(5 * time.Minute)
			if _, err := discover(t, src, recent()); !sdk.IsDenied(err) {
				t.Fatalf("Discover = %v, want a denied error", err)
			}
			if got := b.count(); got != 19*17+1 {
				t.Errorf("requests of a poll = %d, want one for each of %d streams and one more", got, 19*17)
			}
		}
	})
}

func TestListingManyKeysTakesLittleMemory(t *testing.T) {
	credentialed(t)
	b := endless(500_000)
	src := (&simBucket{}).source(t, Settings{Prefix: acct + "CloudTrail/us-east-1/"})
	src.lister = b
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	splits, most := 0, uint64(0)
	err := src.Discover(t.Context(), sdk.TimeRange{}, func(page []sdk.Split) error {
		if splits += len(page); splits%100_000 < len(page) {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || splits != int(b) {
		t.Errorf("Discover = %d splits, %v, want %d", splits, err, b)
	}
	if most > 16<<20 {
		t.Errorf("memory = %d MiB, want at most 16", most>>20)
	}
}

// An endless bucket makes up its keys, as many as it says.
type endless int

func (b endless) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	from, _ := strconv.Atoi(aws.ToString(in.ContinuationToken))
	out := &s3.ListObjectsV2Output{}
	for i := from; i < min(from+1000, int(b)); i++ {
		out.Contents = append(out.Contents, types.Object{
			Key:  aws.String(fmt.Sprintf("%sCloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T1200Z_%016d.json.gz", acct, i)),
			ETag: aws.String("e"), LastModified: aws.Time(time.Now()),
		})
	}
	if next := from + len(out.Contents); next < int(b) {
		out.IsTruncated, out.NextContinuationToken = aws.Bool(true), aws.String(strconv.Itoa(next))
	}
	return out, nil
}

// Forty days of a bucket in which objects arrive as they do in CloudTrail's: their time
// is around their arrival, some come hours late and a few days late, two trails write the
// same events to one prefix, and a Region appears on the third day. Listed and read as the
// agent does, every object is read once and every event there once; what a poll costs is
// shown.
func TestFortyDaysOfLateObjectsAreReadOnceEach(t *testing.T) {
	credentialed(t)
	synctest.Test(t, func(t *testing.T) {
		b := &simBucket{}
		src := sourceOf(t, http.HandlerFunc(simObject), Settings{})
		src.lister = b
		rnd := rand.New(rand.NewPCG(1, 2))
		pending := make(map[int][]string) // keys by the poll before which they arrive
		const polls, every = 40 * 288, 5 * time.Minute
		objects, fetches := 0, 0
		want, rows, ledger := make(map[string]bool), make(map[string]bool), make(map[string]bool)
		requests := make(map[time.Duration][2]int) // polls and requests by how far back they go
		for n := range polls {
			regions := []string{"us-east-1", "eu-west-1"}
			if n >= 3*288 {
				regions = append(regions, "ap-northeast-2")
			}
			for _, region := range regions {
				for trail := range 2 {
					if rnd.IntN(10) > 0 {
						continue
					}
					late, label := lateness(rnd), time.Now().UTC().Add(time.Duration(rnd.IntN(416)-274)*time.Second)
					at := n + int(late/every)
					// Both trails have what happened in the hour; each has its objects.
					pending[at] = append(pending[at], key("111122223333", region, label, fmt.Sprintf("%06d-%d%06d", n/12, trail, n)))
				}
			}
			b.put(pending[n]...)
			objects += len(pending[n])
			for _, k := range pending[n] {
				for _, id := range simEvents(k) {
					want[id] = true
				}
			}
			delete(pending, n)
			back := lookBack(n)
			r := sdk.TimeRange{Since: time.Now().Add(-back)}
			if back == 0 {
				r = sdk.TimeRange{}
			}
			b.count()
			splits, err := discover(t, src, r)
			if err != nil {
				t.Fatal(err)
			}
			requests[back] = [2]int{requests[back][0] + 1, requests[back][1] + b.count()}
			for _, split := range splits {
				if ledger[split.ID] {
					continue
				}
				fetches++
				err := src.Fetch(t.Context(), split, func(page []sdk.Event) error {
					for _, e := range page {
						rows[e.ID] = true
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				ledger[split.ID] = true
			}
			<-time.After(every)
		}
		if len(ledger) != objects || fetches != objects {
			t.Errorf("read %d objects in %d fetches, want %d", len(ledger), fetches, objects)
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		t.Logf("%d objects, %d events", objects, len(rows))
		for back, n := range requests {
			t.Logf("%d listings of the last %v: %.2f requests each", n[0], back, float64(n[1])/float64(n[0]))
		}
	})
}

// simEvents are the IDs of the events in a simulated object: those of its Region and hour.
func simEvents(key string) []string {
	parts := strings.Split(key, "_")
	region, hour := parts[2], parts[4][:6]
	return []string{region + "-" + hour + "-a", region + "-" + hour + "-b", region + "-" + parts[4]}
}

// simObject answers with a simulated object.
func simObject(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/"+bucket+"/")
	var records []string
	for _, id := range simEvents(key) {
		records = append(records, `{"eventID":"`+id+`"}`)
	}
	w.Header().Set("ETag", `"`+strconv.Itoa(len(key))+`"`)
	_, _ = w.Write(zip(`{"Records":[` + strings.Join(records, ",") + `]}`)) // into memory
}

// lateness is how long an object is delayed: 1 % for hours, 0.1 % for days.
func lateness(rnd *rand.Rand) time.Duration {
	switch p := rnd.Float64(); {
	case p < 0.001:
		return time.Duration(rnd.IntN(30*24)) * time.Hour
	case p < 0.011:
		return time.Duration(rnd.IntN(24*60)) * time.Minute
	}
	return 0
}

// lookBack is how far back the agent lists at the nth poll: see sdk.Windowed. The last
// one is of everything.
func lookBack(n int) time.Duration {
	switch {
	case n == 40*288-1:
		return 0
	case n%288 == 287:
		return 35 * 24 * time.Hour
	case n%12 == 11:
		return 3 * 24 * time.Hour
	}
	return 6 * time.Hour
}

// BenchmarkDiscover lists a stream of 5,000 objects over HTTP, once an iteration. Its events
// are those of objects that hold 200 each.
func BenchmarkDiscover(b *testing.B) {
	srv := serve(b)
	const count, perObject = 5000, 200
	for i := range count {
		put(b, srv, fmt.Sprintf("%sCloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T1200Z_%016d.json.gz", acct, i), []byte(two))
	}
	src := source(b, srv, Settings{Prefix: acct + "CloudTrail/us-east-1/"})
	b.ReportAllocs()
	keys := 0
	for b.Loop() {
		err := src.Discover(b.Context(), sdk.TimeRange{}, func(page []sdk.Split) error {
			keys += len(page)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(keys)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric(float64(keys)*perObject/b.Elapsed().Seconds(), "events/s")
}
