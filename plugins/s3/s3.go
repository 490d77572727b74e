// Package s3 is the source "s3": the objects that CloudTrail delivers to a bucket.
// A split is one version of one object.
package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Source reads CloudTrail objects of one bucket. It keeps no state between calls that
// matters: credentials, idle connections, and what it knows of the bucket's folders.
type Source struct {
	settings Settings
	pace     pace
	client   *s3.Client
	lister   lister
	access   *awsconfig.Access
	layout   *layout
}

// A lister is the client, but in tests that list for months.
type lister interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// A listing is the client, but takes nothing for an empty bucket that is no answer of S3's:
// a page of a proxy, say, that came with status 200.
type listing struct{ lister }

func (l listing) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, o ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out, err := l.lister.ListObjectsV2(ctx, in, o...)
	if err == nil && out.Name == nil && out.IsTruncated == nil && out.KeyCount == nil && len(out.Contents) == 0 && len(out.CommonPrefixes) == 0 {
		return nil, errors.New("the answer is no listing: look for a proxy in between, and check endpoint")
	}
	return out, err
}

var (
	_ sdk.Source   = (*Source)(nil)
	_ sdk.Windowed = (*Source)(nil)
)

// Open makes the source that s describes. Whether bucket and credentials are any
// good shows when they are first used.
func Open(ctx context.Context, s Settings) (sdk.Source, error) {
	src, err := open(ctx, s, defaultPace())
	if err != nil {
		return nil, err
	}
	if s.Notifications == nil {
		return src, nil
	}
	return newNotified(src)
}

func open(ctx context.Context, s Settings, p pace) (*Source, error) {
	client, access, err := newClient(ctx, s, p)
	if err != nil {
		return nil, err
	}
	return &Source{settings: s, pace: p, client: client, lister: listing{client}, access: access, layout: newLayout()}, nil
}

// Fetch reads one object. One that has been overwritten since it was listed is
// [sdk.Gone], like one that was deleted: the version that the split names cannot
// be read any more, and the next Discover lists the new one.
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	return s.fetch(ctx, split, "", emit)
}

// fetch is Fetch for a split of which the version of the object may be known. A version
// can be read after it was overwritten or deleted, but takes a permission of its own,
// and is not asked for before.
func (s *Source) fetch(ctx context.Context, split sdk.Split, version string, emit func([]sdk.Event) error) error {
	key, etag, err := s.parseID(split.ID)
	if err != nil {
		return sdk.Invalid(err)
	}
	if err := s.access.Authenticate(ctx); err != nil {
		return err
	}
	b := newBody(ctx, s.pace, func(ctx context.Context, offset int64) (part, error) {
		p, err := s.get(ctx, key, etag, "", offset)
		if version != "" && sdk.IsGone(err) {
			return s.get(ctx, key, etag, version, offset)
		}
		return p, err
	})
	defer b.close()
	if err := cloudtrail.Read(b, cloudtrail.ParseKey(key).Account, cloudtrail.Limits{}, emit); err != nil {
		return fmt.Errorf("read s3://%s/%s: %w", s.settings.Bucket, key, err)
	}
	return nil
}

// get asks for the object's bytes from offset on. An empty version is the latest one.
func (s *Source) get(ctx context.Context, key, etag, version string, offset int64) (part, error) {
	need := "s3:GetObject, and kms:Decrypt if the object is encrypted with a KMS key"
	if version != "" {
		need = "s3:GetObjectVersion"
	}
	in := &s3.GetObjectInput{
		Bucket:              aws.String(s.settings.Bucket),
		Key:                 aws.String(key),
		IfMatch:             aws.String(`"` + etag + `"`),
		VersionId:           optional(version),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
	}
	if offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		if err = s.classify(ctx, err, need); version != "" && isCode(err, "InvalidArgument") {
			err = sdk.Gone(errDeleted) // a message may tell a version that never was
		}
		return part{}, err
	}
	p := part{ReadCloser: out.Body, size: -1}
	if out.ContentLength != nil {
		p.size = offset + *out.ContentLength
	}
	switch {
	case unquoteETag(out.ETag) == "":
		err = errors.New("the answer has no ETag, so that it is not one of S3's: look for a proxy in between")
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

// head asks for what a message does not tell of an object.
func (s *Source) head(ctx context.Context, o object) (object, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: aws.String(s.settings.Bucket), Key: aws.String(o.key),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
	})
	if err != nil {
		if isCode(err, "NotFound") { // of the object or of the bucket: the answer has no body
			return o, sdk.Gone(fmt.Errorf("there is no s3://%s/%s", s.settings.Bucket, o.key))
		}
		return o, fmt.Errorf("ask for the version of s3://%s/%s: %w", s.settings.Bucket, o.key, s.classify(ctx, err, "s3:GetObject"))
	}
	o.etag, o.bytes = unquoteETag(out.ETag), aws.ToInt64(out.ContentLength)
	if !validETag(o.etag) {
		return o, sdk.Invalid(fmt.Errorf("the server has no usable ETag for s3://%s/%s", s.settings.Bucket, o.key))
	}
	if o.at.IsZero() {
		o.at = aws.ToTime(out.LastModified).UTC()
	}
	if o.version = aws.ToString(out.VersionId); o.version == "null" {
		o.version = "" // of a bucket without versions
	}
	return o, nil
}

func unquoteETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
