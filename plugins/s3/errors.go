package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// authenticate makes sure that there are credentials, before a request fails for
// want of them with an error that cannot be told from others. They are cached until
// shortly before they expire.
func (s *Source) authenticate(ctx context.Context) error {
	_, err := s.creds.Retrieve(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.settings.AssumeRole != nil:
		return sdk.Denied(fmt.Errorf("assume role %s: %w; the role's trust policy must allow sts:AssumeRole, with the right external_id if it asks for one",
			s.settings.AssumeRole.ARN, err))
	}
	return sdk.Denied(fmt.Errorf("find AWS credentials: %w; give the instance a role, write profile = \"…\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", err))
}

func errReplaced() error {
	return sdk.Gone(errors.New("the object was overwritten after it was listed"))
}

// classify says what an error of the S3 API means and how to mend it. need is the
// permission that the request asks for.
//
// The codes are those of the S3 API reference, "Error responses".
func (s *Source) classify(ctx context.Context, err error, need string) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err // the network's: retried
	}
	status, region := answer(err)
	denied := func(format string, args ...any) error {
		return sdk.Denied(fmt.Errorf("%s: %s: "+format, append([]any{api.ErrorCode(), api.ErrorMessage()}, args...)...))
	}
	switch code := api.ErrorCode(); code {
	case "NoSuchKey":
		return sdk.Gone(errors.New("the object was deleted after it was listed"))
	case "PreconditionFailed":
		return errReplaced()
	case "NoSuchBucket":
		return denied("there is no bucket %q: check bucket and endpoint", s.settings.Bucket)
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		if region != "" {
			return denied("the bucket is in another Region: write region = %q", region)
		}
		return denied("the bucket is in another Region or behind another endpoint: check region and endpoint")
	case "InvalidObjectState":
		return denied("the object is archived: restore it from its Glacier storage class")
	case "AccessDenied":
		return denied("allow %s on bucket %q%s", need, s.settings.Bucket, s.ownerHint())
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "UnrecognizedClientException":
		return denied("AWS refuses the credentials: renew or replace them")
	case "RequestTimeTooSkewed":
		return denied("set this host's clock")
	default:
		switch {
		case strings.HasPrefix(code, "KMS."):
			return denied("make the KMS key of the object usable again")
		case status == http.StatusForbidden || status == http.StatusUnauthorized || status == http.StatusMovedPermanently:
			return denied("allow %s on bucket %q%s", need, s.settings.Bucket, s.ownerHint())
		}
	}
	return err // SlowDown, InternalError and all the rest: retried
}

func (s *Source) ownerHint() string {
	if s.settings.ExpectedBucketOwner == "" {
		return ""
	}
	return fmt.Sprintf(", and see that account %s owns it, as expected_bucket_owner says", s.settings.ExpectedBucketOwner)
}

// answer is the status of the HTTP answer behind err, and the Region it names.
func answer(err error) (status int, region string) {
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) || re.Response == nil {
		return 0, ""
	}
	return re.HTTPStatusCode(), re.Response.Header.Get("X-Amz-Bucket-Region")
}
