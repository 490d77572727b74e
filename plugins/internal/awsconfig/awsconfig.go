// Package awsconfig finds AWS credentials as AWS's own tools do, and configures the
// clients that sign with them.
package awsconfig

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// AssumeRole is a role to take on with the credentials found: a block of settings.
type AssumeRole struct {
	ARN        string `agent:"arn" pattern:"^arn:[^:]+:iam::[0-9]{12}:role/.+$" desc:"The role."`
	ExternalID string `agent:"external_id" optional:"true" desc:"External ID that the role's trust policy asks for."`
}

// Options say whose credentials are used, and how requests are sent.
type Options struct {
	Region     string // empty: that of the environment or profile
	Profile    string // empty: that of the environment, else the default one
	AssumeRole *AssumeRole

	HTTPClient aws.HTTPClient
	// Insecure lets requests go to other machines without TLS.
	Insecure bool
	Retryer  func() aws.Retryer
	// Role changes the client of AWS STS that takes on the role; may be nil.
	Role func(*sts.Options)
}

// Access is a configuration for clients. Its credentials are found again after Renew.
type Access struct {
	aws.Config
	role        *AssumeRole
	credentials *renewable
}

// Load reads the AWS configuration: environment and files. It does not touch the
// network. An error is [sdk.Denied].
func Load(ctx context.Context, o Options) (*Access, error) {
	cfg, err := load(ctx, o)
	if err != nil {
		return nil, err
	}
	a := &Access{Config: cfg, role: o.AssumeRole}
	a.credentials = &renewable{found: cfg.Credentials, find: func(ctx context.Context) (aws.CredentialsProvider, error) {
		cfg, err := load(ctx, o)
		return cfg.Credentials, err
	}}
	a.Credentials = a.credentials
	return a, nil
}

func load(ctx context.Context, o Options) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(o.Region),
		config.WithSharedConfigProfile(o.Profile),
		config.WithHTTPClient(o.HTTPClient),
		config.WithRetryer(o.Retryer),
	)
	if err != nil {
		return aws.Config{}, sdk.Denied(fmt.Errorf("load the AWS configuration: %w", err))
	}
	if !o.Insecure {
		// What finds credentials keeps its own: the addresses of instance metadata and of
		// container credentials are plain HTTP by design.
		cfg.HTTPClient = encrypted{cfg.HTTPClient}
	}
	r := o.AssumeRole
	if r == nil {
		return cfg, nil
	}
	client := sts.NewFromConfig(cfg, func(so *sts.Options) {
		if so.Region == "" {
			so.Region = "us-east-1" // STS takes a request for any Region there
		}
		if o.Role != nil {
			o.Role(so)
		}
	})
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "inu-detector"
		if r.ExternalID != "" {
			o.ExternalID = aws.String(r.ExternalID)
		}
	}))
	return cfg, nil
}

// Authenticate makes sure that there are credentials, before a request fails for
// want of them with an error that cannot be told from others. They are cached until
// shortly before they expire. An error is [sdk.Denied], or ctx's cause.
func (a *Access) Authenticate(ctx context.Context) error {
	_, err := a.Credentials.Retrieve(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case a.role != nil:
		return sdk.Denied(fmt.Errorf("assume role %s: %w; the role's trust policy must allow sts:AssumeRole, with the right external_id if it asks for one",
			a.role.ARN, err))
	}
	return sdk.Denied(fmt.Errorf("find AWS credentials: %w; give the instance a role, write profile = \"…\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", err))
}

// Renew forgets the credentials, which AWS has refused: somebody may have put new
// ones into the files since they were read.
func (a *Access) Renew() { a.credentials.renew() }

// IsAWS reports whether an endpoint is AWS's own, such as a VPC endpoint. Any other
// is a stand-in for all of AWS.
func IsAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	for _, domain := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"} {
		if strings.HasSuffix(u.Hostname(), domain) {
			return true
		}
	}
	return false
}
