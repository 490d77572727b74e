package s3

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// inMemory is a client that calls a server's handler in its own goroutine. Without a
// network in between, time in a bubble of synctest passes while all wait.
type inMemory struct{ server http.Handler }

func (c inMemory) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	asked := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), body)
	asked.Header, asked.ContentLength = r.Header, r.ContentLength
	answer := httptest.NewRecorder()
	c.server.ServeHTTP(answer, asked)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	out := answer.Result()
	out.Request = r
	return out, nil
}

// sourceOf is a source that reads from servers that do not listen. sqsServer may be nil.
func sourceOf(t *testing.T, s3Server http.Handler, s Settings) *Source {
	t.Helper()
	s.Bucket = cmp.Or(s.Bucket, bucket)
	s.Endpoint, s.ForcePathStyle = "http://s3.test", true
	src, err := open(t.Context(), s, quick())
	if err != nil {
		t.Fatal(err)
	}
	src.client = s3.New(src.client.Options(), func(o *s3.Options) { o.HTTPClient = inMemory{s3Server} })
	return src
}

func notifiedOf(t *testing.T, s3Server, sqsServer http.Handler, s Settings) *notified {
	t.Helper()
	n, err := newNotified(sourceOf(t, s3Server, s))
	if err != nil {
		t.Fatal(err)
	}
	n.queue.client = sqs.New(n.queue.client.Options(), func(o *sqs.Options) { o.HTTPClient = inMemory{sqsServer} })
	return n
}

// credentialed keeps the configuration of whoever runs the tests out of them.
func credentialed(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	bareEnvironment(t)
}

// A simBucket lists any number of keys that have no content. It counts requests.
type simBucket struct {
	mu       sync.Mutex
	keys     []string // sorted
	requests int
	page     int // keys an answer; 0: 1,000
	denied   string
}

func (b *simBucket) put(keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(keys) > 100 {
		b.keys = append(b.keys, keys...)
		slices.Sort(b.keys)
		return
	}
	for _, k := range keys {
		if i, there := slices.BinarySearch(b.keys, k); !there {
			b.keys = slices.Insert(b.keys, i, k)
		}
	}
}

// count returns the number of requests since the last call.
func (b *simBucket) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.requests
	b.requests = 0
	return n
}

// ServeHTTP answers ListObjectsV2; see its page in the S3 API reference. An object's
// time of upload is now.
func (b *simBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	q := r.URL.Query()
	prefix, after := q.Get("prefix"), q.Get("start-after")
	if b.denied != "" && strings.HasPrefix(prefix, b.denied) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code></Error>`)
		return
	}
	if token := q.Get("continuation-token"); token != "" {
		after = token
	}
	_, _ = io.WriteString(w, b.answer(prefix, after, q.Get("delimiter")))
}

func (b *simBucket) answer(prefix, after, delimiter string) string {
	var out strings.Builder
	out.WriteString(`<ListBucketResult><EncodingType>url</EncodingType>`)
	n, last := 0, ""
	i, _ := slices.BinarySearch(b.keys, max(prefix, after))
	for ; i < len(b.keys); i++ {
		key := b.keys[i]
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if key <= after || delimiter != "" && strings.HasSuffix(after, delimiter) && strings.HasPrefix(key, after) {
			continue // or a folder that was told already
		}
		if n == cmp.Or(b.page, 1000) {
			fmt.Fprintf(&out, `<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>`, xmlText(last))
			break
		}
		n++
		if end := strings.Index(key[len(prefix):], delimiter); delimiter != "" && end >= 0 {
			last = key[:len(prefix)+end+1]
			fmt.Fprintf(&out, `<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>`, url.QueryEscape(last))
			for i+1 < len(b.keys) && strings.HasPrefix(b.keys[i+1], last) {
				i++
			}
			continue
		}
		last = key
		out.WriteString(`<Contents><Key>` + url.QueryEscape(key) + `</Key><ETag>"e` + strconv.Itoa(len(key)) + `"</ETag><Size>9</Size><LastModified>` +
			time.Now().UTC().Format(time.RFC3339) + `</LastModified></Contents>`)
	}
	out.WriteString(`</ListBucketResult>`)
	return out.String()
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

// key is that of an object in a stream.
func key(account, region string, label time.Time, name string) string {
	return fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%[1]s_CloudTrail_%[2]s_%[4]s_%[5]s.json.gz",
		account, region, label.Format("2006/01/02"), label.Format("20060102T1504Z"), name)
}
