// Package s3 is the source "s3": the objects that CloudTrail delivers to a bucket.
// A split is one version of one object.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Source reads CloudTrail objects of one bucket. It keeps no state between calls
// but credentials and idle connections.
type Source struct {
	settings Settings
	pace     pace
	client   *s3.Client
	creds    aws.CredentialsProvider
}

var _ sdk.Source = (*Source)(nil)

// Open makes the source that s describes. Whether bucket and credentials are any
// good shows when they are first used.
func Open(ctx context.Context, s Settings) (sdk.Source, error) {
	return open(ctx, s, defaultPace())
}

func open(ctx context.Context, s Settings, p pace) (*Source, error) {
	client, creds, err := newClient(ctx, s, p)
	if err != nil {
		return nil, err
	}
	return &Source{settings: s, pace: p, client: client, creds: creds}, nil
}

// Discover lists the objects under the prefixes, of every category of CloudTrail
// log but digests. A prefix that is denied does not keep the others from being
// listed; it is reported in the end.
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	var denied []error
	for _, prefix := range s.settings.prefixes() {
		switch err := s.list(ctx, prefix, r, found); {
		case sdk.IsDenied(err):
			denied = append(denied, err)
		case err != nil:
			return err
		}
	}
	return errors.Join(denied...)
}

// list lists one prefix, 1,000 keys a request.
func (s *Source) list(ctx context.Context, prefix string, r sdk.TimeRange, found func([]sdk.Split) error) error {
	in := &s3.ListObjectsV2Input{
		Bucket:              aws.String(s.settings.Bucket),
		Prefix:              aws.String(prefix),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
		// A key may hold characters that XML cannot; one such key would keep the whole
		// page from being read.
		EncodingType: types.EncodingTypeUrl,
	}
	var unrecordable error
	for {
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", s.settings.Bucket, prefix, s.classify(ctx, err, "s3:ListBucket"))
		}
		var page []sdk.Split
		for _, o := range out.Contents {
			split, ok := s.split(o, out.EncodingType)
			switch {
			case !ok || !r.Contains(split.Time):
			case !cloudtrail.Recordable(split.ID):
				unrecordable = sdk.Denied(fmt.Errorf("list s3://%s/%s: key in %q is not a text that can be recorded: copy the object to another key",
					s.settings.Bucket, prefix, split.ID))
			default:
				page = append(page, split)
			}
		}
		if len(page) > 0 {
			if err := found(page); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return unrecordable
		}
		next := aws.ToString(out.NextContinuationToken)
		if next == "" || next == aws.ToString(in.ContinuationToken) {
			// Ending here would pass for a complete listing.
			return fmt.Errorf("list s3://%s/%s: the server says there is more but not where", s.settings.Bucket, prefix)
		}
		in.ContinuationToken = aws.String(next)
	}
}

// split makes a split of a listed object, unless it cannot hold events.
func (s *Source) split(o types.Object, encoding types.EncodingType) (sdk.Split, bool) {
	key := aws.ToString(o.Key)
	if encoding == types.EncodingTypeUrl {
		if plain, err := url.QueryUnescape(key); err == nil {
			key = plain
		}
	}
	if !cloudtrail.Readable(key) {
		return sdk.Split{}, false
	}
	at := cloudtrail.ParseKey(key).Time()
	if at.IsZero() {
		at = aws.ToTime(o.LastModified).UTC()
	}
	return sdk.Split{ID: s.settings.Bucket + "/" + key + "@" + unquoteETag(o.ETag), Time: at, Bytes: aws.ToInt64(o.Size)}, true
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

// Fetch reads one object. One that has been overwritten since it was listed is
// [sdk.Gone], like one that was deleted: the version that the split names cannot
// be read any more, and the next Discover lists the new one.
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	key, etag, err := s.parseID(split.ID)
	if err != nil {
		return sdk.Invalid(err)
	}
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	b := newBody(ctx, s.pace, func(ctx context.Context, offset int64) (part, error) {
		return s.get(ctx, key, etag, offset)
	})
	defer b.close()
	if err := cloudtrail.Read(b, cloudtrail.ParseKey(key).Account, cloudtrail.Limits{}, emit); err != nil {
		return fmt.Errorf("read s3://%s/%s: %w", s.settings.Bucket, key, err)
	}
	return nil
}

// get asks for the object's bytes from offset on.
func (s *Source) get(ctx context.Context, key, etag string, offset int64) (part, error) {
	in := &s3.GetObjectInput{
		Bucket:              aws.String(s.settings.Bucket),
		Key:                 aws.String(key),
		IfMatch:             aws.String(`"` + etag + `"`),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
	}
	if offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return part{}, s.classify(ctx, err, "s3:GetObject, and kms:Decrypt if the object is encrypted with a KMS key")
	}
	p := part{ReadCloser: out.Body, size: -1}
	if out.ContentLength != nil {
		p.size = offset + *out.ContentLength
	}
	switch {
	case unquoteETag(out.ETag) != etag:
		// Not every S3-compatible server heeds If-Match.
		err = errReplaced()
	case offset > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", offset)):
		err = errors.New("the server does not answer requests for a part of an object")
	}
	if err != nil {
		_ = out.Body.Close()
		return part{}, err
	}
	return p, nil
}

func unquoteETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
