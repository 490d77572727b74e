package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

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

// newClient makes a client and the credentials it signs with. It reads the AWS
// configuration files but does not touch the network.
func newClient(ctx context.Context, s Settings, p pace) (*s3.Client, aws.CredentialsProvider, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(s.Region),
		config.WithSharedConfigProfile(s.Profile),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = p.answer
		})),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = p.attempts, p.maxBackoff
			})
		}),
	)
	if err != nil {
		return nil, nil, sdk.Denied(fmt.Errorf("load the AWS configuration: %w", err))
	}
	if cfg.Region == "" {
		if s.Endpoint == "" {
			return nil, nil, sdk.Denied(errors.New(`no AWS Region: write region = "…", the Region of the bucket, or set AWS_REGION`))
		}
		cfg.Region = "us-east-1" // other servers sign for it and look no further
	}
	if r := s.AssumeRole; r != nil {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.ARN,
			func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "inu-detector"
				if r.ExternalID != "" {
					o.ExternalID = aws.String(r.ExternalID)
				}
			}))
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = s.ForcePathStyle
		if s.Endpoint != "" {
			o.BaseEndpoint = aws.String(s.Endpoint)
		}
		// Objects that carry no checksum are common and nothing to log about.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return client, cfg.Credentials, nil
}
