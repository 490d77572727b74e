package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
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

// sourceOf is a source of a server that does not listen.
func sourceOf(t testing.TB, server http.Handler, s Settings) *Source {
	t.Helper()
	s.Bucket = cmp.Or(s.Bucket, bucket)
	s.Endpoint, s.ForcePathStyle, s.AllowInsecure = "http://s3.test", true, true
	src, err := open(t.Context(), s, quick())
	if err != nil {
		t.Fatal(err)
	}
	src.client = s3.New(src.client.Options(), func(o *s3.Options) { o.HTTPClient = inMemory{server} })
	src.lister = src.client
	return src
}

func notifiedOf(t testing.TB, s3Server, sqsServer http.Handler, s Settings) *notified {
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

// source is a source that lists b.
func (b *simBucket) source(t *testing.T, s Settings) *Source {
	t.Helper()
	src := sourceOf(t, http.NotFoundHandler(), s)
	src.lister = b
	return src
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

// ListObjectsV2 answers as its page in the S3 API reference says. An object's time of
// upload is now.
func (b *simBucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	prefix, delimiter := aws.ToString(in.Prefix), aws.ToString(in.Delimiter)
	after := cmp.Or(aws.ToString(in.ContinuationToken), aws.ToString(in.StartAfter))
	if b.denied != "" && strings.HasPrefix(prefix, b.denied) {
		return nil, &smithy.GenericAPIError{Code: "AccessDenied"}
	}
	out := &s3.ListObjectsV2Output{}
	last := ""
	i, _ := slices.BinarySearch(b.keys, max(prefix, after))
	for ; i < len(b.keys) && strings.HasPrefix(b.keys[i], prefix); i++ {
		key := b.keys[i]
		if key <= after || delimiter != "" && strings.HasSuffix(after, delimiter) && strings.HasPrefix(key, after) {
			continue // or a folder that was told already
		}
		if len(out.Contents)+len(out.CommonPrefixes) == cmp.Or(b.page, 1000) {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), aws.String(last)
			break
		}
		if end := strings.Index(key[len(prefix):], delimiter); delimiter != "" && end >= 0 {
			last = key[:len(prefix)+end+1]
			out.CommonPrefixes = append(out.CommonPrefixes, types.CommonPrefix{Prefix: aws.String(last)})
			beyond := last[:len(last)-1] + "0" // the character after the slash
			next, _ := slices.BinarySearch(b.keys, beyond)
			i = next - 1
			continue
		}
		last = key
		out.Contents = append(out.Contents, types.Object{
			Key: aws.String(key), ETag: aws.String(`"` + strconv.Itoa(len(key)) + `"`), Size: aws.Int64(9), LastModified: aws.Time(time.Now()),
		})
	}
	return out, nil
}

// key is that of an object in a stream.
func key(account, region string, label time.Time, name string) string {
	return fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%[1]s_CloudTrail_%[2]s_%[4]s_%[5]s.json.gz",
		account, region, label.Format("2006/01/02"), label.Format("20060102T1504Z"), name)
}
