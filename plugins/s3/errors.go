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

// errDeleted is part of the error of an object that is not there.
var errDeleted = errors.New("the object was deleted after it was listed")

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
	case "NoSuchKey", "NoSuchVersion", "MethodNotAllowed": // the last for a delete marker's version
		return sdk.Gone(errDeleted)
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
		s.access.Renew() // the files may hold others by now
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

// isCode reports whether the API answered with an error code.
func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
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
