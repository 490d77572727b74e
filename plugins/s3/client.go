package s3

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// pace says how patient requests are. Tests are less so than defaultPace.
type pace struct {
	attempts   int           // of one request
	maxBackoff time.Duration // between them
	answer     time.Duration // for a request's first byte
	idle       time.Duration // for the next byte of a body
	reopens    int           // of a body that breaks again and again
}

func defaultPace() pace {
	return pace{attempts: 5, maxBackoff: 20 * time.Second, answer: time.Minute, idle: time.Minute, reopens: 5}
}

// newClient makes a client and the access it signs with. It reads the AWS
// configuration files but does not touch the network.
func newClient(ctx context.Context, s Settings, p pace) (*s3.Client, *awsconfig.Access, error) {
	access, err := awsconfig.Load(ctx, awsconfig.Options{
		Region: s.Region, Profile: s.Profile, AssumeRole: s.AssumeRole, Insecure: s.AllowInsecure,
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = p.answer
		}),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = p.attempts, p.maxBackoff
			})
		},
	})
	if err != nil {
		return nil, nil, err
	}
	if access.Region == "" {
		if s.Endpoint == "" {
			return nil, nil, sdk.Denied(errors.New(`no AWS Region: write region = "…", the Region of the bucket, or set AWS_REGION`))
		}
		access.Region = "us-east-1" // other servers sign for it and look no further
	}
	client := s3.NewFromConfig(access.Config, func(o *s3.Options) {
		o.UsePathStyle = s.ForcePathStyle
		if s.Endpoint != "" {
			o.BaseEndpoint = aws.String(s.Endpoint)
		}
		// Objects that carry no checksum are common and nothing to log about.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return client, access, nil
}
