package rdsdirect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A login finds the password of each new connection. Sessions outlive their password,
// so only connecting asks.
type login interface {
	// password may be called concurrently.
	password(ctx context.Context) (string, error)
	// refused says that the server did not take the last password.
	refused()
}

// How a sink proves who it is.
const (
	authPassword = "password"
	authIAM      = "iam"
)

func newLogin(s Settings) login {
	switch {
	case s.Auth == authIAM:
		return &iamToken{address: s.address(), user: s.User, aws: cloud{region: s.region()}}
	case s.PasswordSecret != "":
		return &secret{arn: s.PasswordSecret, aws: cloud{region: s.region()}}
	}
	return fixedPassword(s.Password)
}

// fixedPassword is the one that the settings hold.
type fixedPassword string

func (p fixedPassword) password(context.Context) (string, error) { return string(p), nil }

func (fixedPassword) refused() {}

// An iamToken is minted for each connection: it is a signed request that is good for
// 15 minutes, and made without asking anybody (RDS user guide, "IAM database
// authentication").
type iamToken struct {
	address, user string
	aws           cloud
}

func (t *iamToken) password(ctx context.Context) (string, error) {
	access, err := t.aws.access(ctx)
	if err != nil {
		return "", err
	}
	token, err := auth.BuildAuthToken(ctx, t.address, access.Region, t.user, access.Credentials)
	if err != nil {
		return "", fmt.Errorf("mint an RDS token: %w", err)
	}
	return token, nil
}

// refused lets the credentials be found anew: they may be those of another role by now.
func (t *iamToken) refused() { t.aws.renew() }

// A secret is read once, and again when the server refuses what it held.
type secret struct {
	arn string
	aws cloud

	mu    sync.Mutex
	value string // empty: to be read
}

func (s *secret) password(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value != "" {
		return s.value, nil
	}
	access, err := s.aws.access(ctx)
	if err != nil {
		return "", err
	}
	client := secretsmanager.NewFromConfig(access.Config)
	answer, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.arn)})
	if err != nil {
		return "", s.explain(err)
	}
	if s.value, err = passwordIn(aws.ToString(answer.SecretString)); err != nil {
		return "", sdk.Denied(fmt.Errorf("secret %s: %w", s.arn, err))
	}
	return s.value, nil
}

func (s *secret) refused() {
	s.mu.Lock()
	s.value = ""
	s.mu.Unlock()
	s.aws.renew()
}

// explain says what to do about the errors that waiting does not mend.
func (s *secret) explain(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "AccessDeniedException":
			return sdk.Denied(fmt.Errorf("read secret %s: %w; allow secretsmanager:GetSecretValue, and kms:Decrypt if it has a key of its own", s.arn, err))
		case "ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure":
			return sdk.Denied(fmt.Errorf("read secret %s: %w; check password_secret", s.arn, err))
		}
	}
	return fmt.Errorf("read secret %s: %w", s.arn, err)
}

var errNoPassword = errors.New(`holds no password: it must be a text, or a JSON object with the member "password", as those that RDS makes are`)

// passwordIn is the password in a secret's text: a member of a JSON object, as RDS
// writes it, or all of it.
func passwordIn(text string) (string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var object struct {
			Password string `json:"password"`
		}
		// The text is not quoted in the error: it may be a password that begins so.
		if json.Unmarshal([]byte(text), &object) != nil || object.Password == "" {
			return "", errNoPassword
		}
		return object.Password, nil
	}
	if text == "" {
		return "", errNoPassword
	}
	return text, nil
}

// A cloud finds credentials when they are first needed, so that a sink opens while
// nothing can be reached.
type cloud struct {
	region string

	mu    sync.Mutex
	found *awsconfig.Access
}

// access returns what it takes to call AWS. It fails with Denied where somebody has to
// give the agent credentials or a Region.
func (c *cloud) access(ctx context.Context) (*awsconfig.Access, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil {
		access, err := awsconfig.Load(ctx, awsconfig.Options{
			Region: c.region, HTTPClient: awshttp.NewBuildableClient(),
			Retryer: func() aws.Retryer { return retry.NewStandard() },
		})
		if err != nil {
			return nil, err
		}
		c.found = access
	}
	if c.found.Region == "" {
		c.found = nil
		return nil, sdk.Denied(errors.New(`no AWS Region for the database's login: write region = "…" in the sink, or set AWS_REGION`))
	}
	if err := c.found.Authenticate(ctx); err != nil {
		return nil, err
	}
	return c.found, nil
}

func (c *cloud) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found != nil {
		c.found.Renew()
	}
}

// rdsHost is an endpoint that names its Region, a proxy's and a cluster's too.
var rdsHost = regexp.MustCompile(`\.([a-z0-9-]+)\.rds\.amazonaws\.com(\.cn)?$`)

// region is where the database or its secret is; empty if only the environment knows.
func (s Settings) region() string {
	if s.Region != "" {
		return s.Region
	}
	if a, err := arn.Parse(s.PasswordSecret); err == nil {
		return a.Region
	}
	if m := rdsHost.FindStringSubmatch(strings.ToLower(s.Host)); m != nil {
		return m[1]
	}
	return ""
}

// loginFaults are about settings that contradict each other.
func (s Settings) loginFaults() []sdk.Fault {
	var faults []sdk.Fault
	add := func(path, summary, detail string) {
		faults = append(faults, sdk.Fault{Path: path, Summary: summary, Detail: detail})
	}
	if s.Auth == authIAM {
		if s.Password != "" {
			add("password", "Password beside IAM", `With auth = "iam" the password is a token that the agent mints for each connection. Remove one of the two.`)
		}
		if s.PasswordSecret != "" {
			add("password_secret", "Secret beside IAM", `With auth = "iam" the password is a token that the agent mints for each connection. Remove one of the two.`)
		}
		if s.SSLMode == "disable" {
			add("sslmode", "IAM without TLS", `RDS takes a token only over TLS. Remove sslmode = "disable".`)
		}
	} else if s.Password != "" && s.PasswordSecret != "" {
		add("password_secret", "Both password and password_secret", "Write one of the two.")
	}
	return faults
}
