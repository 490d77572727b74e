package wire

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The one table between the classes of package sdk and gRPC's status codes. gRPC
// itself never answers with the first three.
const (
	codeInvalid = codes.InvalidArgument
	codeDenied  = codes.PermissionDenied
	codeGone    = codes.NotFound
	codeRetry   = codes.Unknown
)

// codeOf is the status code that carries err's class.
func codeOf(err error) codes.Code {
	switch {
	case err == nil:
		return codes.OK
	case sdk.IsInvalid(err):
		return codeInvalid
	case sdk.IsDenied(err):
		return codeDenied
	case sdk.IsGone(err):
		return codeGone
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return codeRetry
}

// toStatus makes err ready for the wire.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codeOf(err), strings.ToValidUTF8(err.Error(), "\uFFFD"))
}

// errorOf gives a code and its text their class back.
func errorOf(code codes.Code, text string) error {
	err := errors.New(text)
	switch code {
	case codes.OK:
		return nil
	case codeInvalid:
		return sdk.Invalid(err)
	case codeDenied:
		return sdk.Denied(err)
	case codeGone:
		return sdk.Gone(err)
	}
	return err
}

// deadlineSkew is how much earlier than the agent a plugin may see the deadline of a call
// pass: both ends keep it. Any other deadline is the plugin's own, for something that it
// waited for.
const deadlineSkew = time.Second

func endsWithin(ctx context.Context, d time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) <= d
}

// fromStatus gives an error of a call its class back. When the call ended because
// ctx did, the answer is ctx's error, so that callers can tell.
func fromStatus(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := status.Convert(err)
	if s.Code() == codes.DeadlineExceeded && endsWithin(ctx, deadlineSkew) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	switch s.Code() {
	case codes.Unavailable:
		return errors.New("plugin process is gone: " + s.Message())
	case codes.ResourceExhausted:
		// More than MaxMessage at once. For a write this is the data's fault: halves fit.
		return sdk.Invalid(errors.New(s.Message()))
	case codes.Unimplemented:
		return sdk.Denied(errors.New("the plugin lacks a call that it announced: " + s.Message()))
	}
	return errorOf(s.Code(), s.Message())
}
