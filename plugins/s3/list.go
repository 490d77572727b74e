package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const (
	// recentDays is how far back a range may begin to be listed stream by stream. What
	// begins earlier is listed as a whole, and so finds keys that lie anywhere.
	recentDays = 40 * 24 * time.Hour
	// listers is how many listings run at a time: an organization has some thousand
	// streams, and most answers are empty.
	listers = 8
)

// Windowed implements [sdk.Windowed]: a recent range takes one request for each stream
// that has fewer than 1,000 objects in it.
func (s *Source) Windowed() {}

// Discover lists the objects under the prefixes, of every category of CloudTrail log
// but digests. Recent objects are looked for where CloudTrail puts them, see [layout];
// a range that begins long ago, or is open, is listed whatever the keys look like.
//
// What is denied does not keep the rest from being listed; it is reported in the end.
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	if err := s.access.Authenticate(ctx); err != nil {
		return err
	}
	c := &collector{found: found, last: time.Now()}
	err := s.discover(ctx, r, c)
	if err != nil && !sdk.IsDenied(err) {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	return err
}

func (s *Source) discover(ctx context.Context, r sdk.TimeRange, c *collector) error {
	if !r.Since.IsZero() && time.Since(r.Since) < recentDays {
		branches, err := s.layout.branches(ctx, s, r, c)
		if err != nil && !sdk.IsDenied(err) {
			return err
		}
		listed := s.listEach(ctx, branches, r, c)
		if listed != nil && !sdk.IsDenied(listed) {
			return listed
		}
		return errors.Join(err, listed)
	}
	var all []branch
	for _, prefix := range s.settings.prefixes() {
		all = append(all, branch{prefix: prefix})
	}
	return s.listEach(ctx, all, r, c)
}

// listEach lists several branches at a time.
func (s *Source) listEach(ctx context.Context, branches []branch, r sdk.TimeRange, c *collector) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		denied []error
	)
	for range min(listers, len(branches)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(branches)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				switch err := s.list(ctx, branches[i], r, c); {
				case sdk.IsDenied(err):
					mu.Lock()
					denied = append(denied, err)
					mu.Unlock()
				case err != nil:
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(denied...)
}

// list lists one branch, 1,000 keys a request.
func (s *Source) list(ctx context.Context, b branch, r sdk.TimeRange, c *collector) error {
	in := s.listInput(b.prefix)
	in.StartAfter = optional(b.startAfter(r.Since))
	var unrecordable error
	for {
		out, err := s.lister.ListObjectsV2(ctx, in)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", s.settings.Bucket, b.prefix, s.classify(ctx, err, "s3:ListBucket"))
		}
		page, bad := s.splits(out, r)
		if bad != nil {
			unrecordable = fmt.Errorf("list s3://%s/%s: %w", s.settings.Bucket, b.prefix, bad)
		}
		if err := c.add(page); err != nil {
			return err
		}
		if !aws.ToBool(out.IsTruncated) {
			return unrecordable
		}
		if err := advance(in, out, r); err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", s.settings.Bucket, b.prefix, err)
		}
	}
}

func (s *Source) listInput(prefix string) *s3.ListObjectsV2Input {
	return &s3.ListObjectsV2Input{
		Bucket:              aws.String(s.settings.Bucket),
		Prefix:              aws.String(prefix),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
		// A key may hold characters that XML cannot; one such key would keep the whole
		// page from being read.
		EncodingType: types.EncodingTypeUrl,
	}
}

// advance makes in ask for what comes after out: the next page, or what lies behind a
// folder that has nothing to offer.
func advance(in *s3.ListObjectsV2Input, out *s3.ListObjectsV2Output, r sdk.TimeRange) error {
	if n := len(out.Contents); n > 0 && in.Delimiter == nil {
		last := plainKey(out.Contents[n-1].Key, out.EncodingType)
		if to := leap(last, r); to > last {
			in.ContinuationToken, in.StartAfter = nil, aws.String(to)
			return nil
		}
	}
	next := aws.ToString(out.NextContinuationToken)
	if next == "" || next == aws.ToString(in.ContinuationToken) {
		// Ending here would pass for a complete listing.
		return errors.New("the server says there is more but not where")
	}
	in.ContinuationToken, in.StartAfter = aws.String(next), nil
	return nil
}

// splits are those of a page that lie in r. The error tells of one that cannot be.
func (s *Source) splits(out *s3.ListObjectsV2Output, r sdk.TimeRange) (page []sdk.Split, bad error) {
	for _, o := range out.Contents {
		split, ok := s.split(o, out.EncodingType, r)
		switch {
		case !ok || !r.Contains(split.Time):
		case !cloudtrail.Recordable(split.ID):
			bad = sdk.Denied(fmt.Errorf("key in %q is not a text that can be recorded: copy the object to another key", split.ID))
		default:
			page = append(page, split)
		}
	}
	return page, bad
}

// split makes a split of a listed object, unless it cannot hold events.
//
// Its time is that in its key. An object outside CloudTrail's folders may have been
// copied there long after: where its key's time is not in r, the time of its upload may be.
func (s *Source) split(o types.Object, encoding types.EncodingType, r sdk.TimeRange) (sdk.Split, bool) {
	key := plainKey(o.Key, encoding)
	if !cloudtrail.Readable(key) {
		return sdk.Split{}, false
	}
	k := cloudtrail.ParseKey(key)
	at, uploaded := k.Time(), aws.ToTime(o.LastModified).UTC()
	if at.IsZero() || k.Day.IsZero() && !r.Contains(at) && r.Contains(uploaded) {
		at = uploaded
	}
	return sdk.Split{
		ID: s.splitID(key, unquoteETag(o.ETag)), Time: at, Bytes: aws.ToInt64(o.Size), Pass: passOf(k.Time(), uploaded),
	}, true
}

const (
	// latePass is the [sdk.Split.Pass] of objects that came long after the time in their
	// name: the events in them were late, or a copy of the bucket was made.
	latePass  = "late"
	lateAfter = time.Hour
)

func passOf(label, arrived time.Time) string {
	if label.IsZero() || arrived.Sub(label) < lateAfter {
		return ""
	}
	return latePass
}

// splitID names a version of an object: the same whether it was listed or announced.
func (s *Source) splitID(key, etag string) string { return s.settings.Bucket + "/" + key + "@" + etag }

func plainKey(key *string, encoding types.EncodingType) string {
	if encoding == types.EncodingTypeUrl {
		if plain, err := url.QueryUnescape(aws.ToString(key)); err == nil {
			return plain
		}
	}
	return aws.ToString(key)
}

// parseID takes a split's ID apart. A key may hold slashes and @ as well; an ETag
// holds neither.
func (s *Source) parseID(id string) (key, etag string, err error) {
	rest, ours := strings.CutPrefix(id, s.settings.Bucket+"/")
	at := strings.LastIndexByte(rest, '@')
	if !ours || at <= 0 || at == len(rest)-1 {
		return "", "", fmt.Errorf("split %q does not name a version of an object in bucket %q", id, s.settings.Bucket)
	}
	return rest[:at], rest[at+1:], nil
}

// A collector gathers what several listings find into pages for the agent, which asks
// a ledger about each page.
type collector struct {
	found func([]sdk.Split) error

	mu   sync.Mutex // held while found runs: listings wait with the agent
	page []sdk.Split
	last time.Time // when found was called
}

const (
	pageSize = 1000
	// maxSilence is how long found is not called while listings go on: a plugin that
	// says nothing for minutes passes for one that hangs.
	maxSilence = 30 * time.Second
)

func (c *collector) add(splits []sdk.Split) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.page = append(c.page, splits...)
	if len(c.page) < pageSize && time.Since(c.last) < maxSilence {
		return nil
	}
	return c.hand()
}

// flush hands over the rest.
func (c *collector) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.page) == 0 {
		return nil
	}
	return c.hand()
}

func (c *collector) hand() error {
	page := c.page
	c.page, c.last = nil, time.Now()
	return c.found(page)
}
