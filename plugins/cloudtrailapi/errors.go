package cloudtrailapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// passing reports whether the same request may well succeed a little later: it was
// throttled, the service failed, or the network did. LookupEvents throttles with
// status 400, so that the code decides.
func passing(err error) bool {
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

func throttled(err error) bool {
	return retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// refused reports whether AWS does not know the credentials, or does not any more. In
// a Region that the account has not opted in to it knows none (IAM user guide,
// "Managing AWS STS in an AWS Region").
func refused(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidAccessKeyId", "InvalidToken":
		return true
	}
	return false
}

// notUnderstood reports whether the server that was asked does not know the question:
// another try would end the same way, and nothing was said about the credentials.
func notUnderstood(err error) bool {
	answered := errors.As(err, new(*smithyhttp.ResponseError)) || errors.As(err, new(*smithy.DeserializationError)) ||
		errors.As(err, new(unknownAccount))
	return answered && !passing(err) && !throttled(err) && !sdk.IsDenied(err)
}

// classify says what an error of an API means and how to mend it. need is the
// permission that the request asks for.
//
// The codes are those of the CloudTrail API reference, "LookupEvents" and "Common
// Errors".
func classify(ctx context.Context, err error, need string) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err // the network's: retried
	}
	denied := func(advice string) error {
		return sdk.Denied(fmt.Errorf("%s: %s: %s", api.ErrorCode(), api.ErrorMessage(), advice))
	}
	if refused(err) {
		return denied("AWS refuses the credentials: renew or replace them, set this host's clock, or enable the Region for the account")
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "NotAuthorized":
		return denied("allow " + need)
	case "OptInRequired", "OperationNotPermittedException", "UnsupportedOperationException":
		return denied("the Region or account does not offer this: leave the Region out, or enable it for the account")
	case "InvalidLookupAttributesException", "InvalidEventCategoryException", "InvalidMaxResultsException",
		"InvalidTimeRangeException", "ValidationError", "ValidationException":
		return denied("check event_category and lookup")
	case "RequestExpired", "RequestInTheFuture":
		return denied("set this host's clock")
	}
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) && !passing(err) && (re.HTTPStatusCode() == http.StatusUnauthorized || re.HTTPStatusCode() == http.StatusForbidden) {
		return denied("allow " + need)
	}
	return err // InvalidNextTokenException and all the rest: the pass begins again
}
