package main

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// An organisation's bucket as its listing shows it: nothing is stored, every answer is
// computed. It has the same number of objects in each stream, all of the last day.
type organisation struct {
	accounts, regions, perStream int
	end                          time.Time
	requests                     atomic.Int64
}

func (o *organisation) objects() int { return o.accounts * o.regions * o.perStream }

// key is the i-th of the bucket, in the order of a listing.
func (o *organisation) key(i int) string {
	stream, n := i/o.perStream, i%o.perStream
	account, region := fmt.Sprintf("%012d", 100000000000+stream/o.regions), fmt.Sprintf("region-%02d", stream%o.regions)
	at := o.end.Add(-24 * time.Hour).Add(24 * time.Hour * time.Duration(n) / time.Duration(o.perStream))
	return fmt.Sprintf("AWSLogs/o-exampleorg/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016d.json.gz",
		account, region, at.Format("2006/01/02"), account, region, at.Format("20060102T1504Z"), n)
}

// etag is that of every object.
const organisationETag = "d41d8cd98f00b204e9800998ecf8427e"

type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listed
	CommonPrefixes        []folder
}

type listed struct {
	Key, LastModified, ETag string
	Size                    int
}

type folder struct{ Prefix string }

// ServeHTTP answers ListObjectsV2 as the API reference describes it.
func (o *organisation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || q.Get("list-type") != "2" {
		http.Error(w, "only listings are answered", http.StatusNotImplemented)
		return
	}
	o.requests.Add(1)
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	most := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(n, most)
	}
	out := listing{EncodingType: "url"}
	i := sort.Search(o.objects(), func(i int) bool { return o.key(i) > after && o.key(i) >= prefix })
	for ; i < o.objects() && strings.HasPrefix(o.key(i), prefix); i++ {
		if len(out.Contents)+len(out.CommonPrefixes) == most {
			out.IsTruncated, out.NextContinuationToken = true, after
			break
		}
		after = o.key(i)
		if head, _, found := strings.Cut(after[len(prefix):], delimiter); delimiter != "" && found {
			out.CommonPrefixes = append(out.CommonPrefixes, folder{url.QueryEscape(prefix + head + delimiter)})
			after = prefix + head + delimiter + "\xff"
			i = sort.Search(o.objects(), func(i int) bool { return o.key(i) > after }) - 1
			continue
		}
		out.Contents = append(out.Contents, listed{
			Key: url.QueryEscape(after), LastModified: o.end.Format(time.RFC3339), ETag: `"` + organisationETag + `"`, Size: 1000,
		})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out) // the client has gone if it fails
}

// fillLedger says that every object is stored.
func (o *organisation) fillLedger(t *testing.T, s *site) {
	t.Helper()
	var filter string
	if err := s.owner.QueryRow(t.Context(), `delete from ledger returning filter`).Scan(&filter); err != nil {
		t.Fatal(err)
	}
	columns := []string{"group_id", "pipeline", "source", "split", "filter", "read", "stored", "duplicate", "filtered", "quarantined", "status"}
	_, err := s.owner.CopyFrom(t.Context(), pgx.Identifier{"ledger"}, columns, pgx.CopyFromSlice(o.objects(), func(i int) ([]any, error) {
		return []any{s.groups[0], "audit", "s3", "trail/" + o.key(i) + "@" + organisationETag, filter, 1, 1, 0, 0, 0, "stored"}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// The memory of the agent does not grow with what lies in the bucket. ORGANISATION_KEYS
// is how many keys the last day has; the figure for 2,000,000 is in docs/performance.md.
func TestTheMemoryOfAQuietOrganisationStaysSmall(t *testing.T) {
	keys := 200_000
	if text := os.Getenv("ORGANISATION_KEYS"); text != "" {
		var err error
		if keys, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	o := &organisation{accounts: 100, regions: 17, end: time.Now().UTC().Truncate(time.Minute)}
	o.perStream = keys / (o.accounts * o.regions)
	s := newSite(t, s3Block, rdsBlock)
	s.program = agentAsShipped(t)
	s.put(t, "one.json", object("Good", "a"))
	s.once(t) // so that the ledger shows what an entry looks like
	o.fillLedger(t, s)

	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	s.env = append(slices.Clone(s.env), "S3_ENDPOINT="+server.URL)
	var agent, all int64 // at most
	watch := func(r *running) {
		agent = max(agent, proportionalSetSize(t, r.cmd.Process.Pid))
		all = max(all, s.proportionalSetSize(t))
	}
	r := s.start(t, "-mode", "once")
	await(t, "the end of the full listing", func() bool { watch(r); return r.over() })
	if got := r.wait(); got.code != 0 || got.count("stored before") != o.objects() {
		t.Fatalf("a full listing of %d objects: %s", o.objects(), got)
	}
	full := o.requests.Load()
	service := s.start(t)
	polls := full + full + 2*int64(o.accounts*o.regions) // a full one, and then two of what is recent
	await(t, "some polls", func() bool { watch(service); return o.requests.Load() > polls || service.over() })
	if service.over() {
		t.Fatalf("the service: %s", service.wait())
	}
	service.signal(t, syscall.SIGTERM)
	service.wait()
	t.Logf("%d keys, %d requests for a full listing; at most, MiB: agent %d, all processes %d",
		o.objects(), full, agent>>20, all>>20)
	if limit := int64(128 << 20); agent > limit {
		t.Errorf("the agent took %d MiB, want at most %d", agent>>20, limit>>20)
	}
	if all > memoryPromise {
		t.Errorf("all processes took %d MiB, want at most %d", all>>20, memoryPromise>>20)
	}
	if want := int64(o.objects()/1000 + 2*o.accounts*o.regions + 200); full > want {
		t.Errorf("a full listing took %d requests, want at most %d", full, want)
	}
}
