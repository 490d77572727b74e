package cloudtrailapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// enabledFor is how long a list of enabled Regions is believed.
const enabledFor = time.Hour

// anyRegion is asked where the Region does not matter and none is configured.
const anyRegion = "us-east-1"

// standInAccount is the account of a stand-in for AWS that knows LookupEvents alone.
const standInAccount = "000000000000"

func retryer() aws.Retryer { return retry.NewStandard() }

// accountID is the account whose history the credentials read. Many credentials tell;
// AWS STS tells of all others, and needs no permission for it.
func (s *Source) accountID(ctx context.Context) (string, error) {
	if err := s.access.Authenticate(ctx); err != nil {
		return "", err
	}
	s.mu.Lock()
	known := s.account
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	creds, err := s.access.Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	id := creds.AccountID
	if id == "" {
		id, err = s.callerAccount(ctx)
		switch {
		case err == nil:
		case s.standInURL() != nil && notUnderstood(err):
			id = standInAccount
		default:
			return "", fmt.Errorf("find the account of the credentials: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = id
	return id, nil
}

// renew finds credentials again after AWS has refused the present ones, and makes sure
// that they still are of the account wanted.
func (s *Source) renew(ctx context.Context, wanted string) error {
	s.access.Renew()
	s.mu.Lock()
	s.account = ""
	s.mu.Unlock()
	return s.expectAccount(ctx, wanted)
}

// expectAccount reports credentials of another account than a split's.
func (s *Source) expectAccount(ctx context.Context, wanted string) error {
	id, err := s.accountID(ctx)
	if err == nil && id != wanted {
		err = sdk.Denied(fmt.Errorf("the credentials are of account %s, the split is of %s", id, wanted))
	}
	return err
}

func (s *Source) callerAccount(ctx context.Context) (string, error) {
	client := sts.NewFromConfig(s.access.Config, func(o *sts.Options) {
		if o.Region == "" {
			o.Region = s.settings.home()
		}
		s.standIn(o)
	})
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		if refused(err) {
			s.access.Renew() // the files may hold others the next time
		}
		return "", classify(ctx, err, "sts:GetCallerIdentity")
	}
	id := aws.ToString(out.Account)
	if id == "" || strings.Contains(id, "/") {
		return "", unknownAccount(id)
	}
	return id, nil
}

// unknownAccount is what AWS STS said where it named no account.
type unknownAccount string

func (u unknownAccount) Error() string {
	return fmt.Sprintf("AWS STS says that the account is %q", string(u))
}

// home is a Region to ask about the account.
func (s Settings) home() string {
	if len(s.Regions) > 0 {
		return s.Regions[0]
	}
	return anyRegion
}

// standIn sends requests to AWS STS to a server that stands in for AWS, unless the
// environment names another one.
func (s *Source) standIn(o *sts.Options) {
	if o.BaseEndpoint == nil {
		o.BaseEndpoint = s.standInURL()
	}
}

func (s *Source) standInURL() *string {
	if s.settings.Endpoint == "" || awsconfig.IsAWS(s.settings.Endpoint) {
		return nil
	}
	return aws.String(s.settings.Endpoint)
}

// regionNames are the Regions to read. Enabled ones are listed once an hour; if that
// fails those known before are returned with the error.
func (s *Source) regionNames(ctx context.Context) ([]string, error) {
	if len(s.settings.Regions) > 0 {
		return s.settings.Regions, nil
	}
	s.mu.Lock()
	known, at := s.enabled, s.enabledAt
	s.mu.Unlock()
	if known != nil && time.Since(at) < enabledFor {
		return known, nil
	}
	names, err := s.listEnabled(ctx)
	if err != nil {
		return known, fmt.Errorf("list the enabled Regions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enabled, s.enabledAt = names, time.Now()
	return names, nil
}

// listEnabled asks AWS Account Management. EC2 knows the Regions as well, but its
// client alone is larger than this agent.
func (s *Source) listEnabled(ctx context.Context) ([]string, error) {
	client := account.NewFromConfig(s.access.Config, func(o *account.Options) {
		if o.Region == "" {
			o.Region = anyRegion
		}
		if o.BaseEndpoint == nil {
			o.BaseEndpoint = s.standInURL()
		}
	})
	pages := account.NewListRegionsPaginator(client, &account.ListRegionsInput{
		RegionOptStatusContains: []accounttypes.RegionOptStatus{accounttypes.RegionOptStatusEnabled, accounttypes.RegionOptStatusEnabledByDefault},
	})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(ctx, err, "account:ListRegions, or write regions = […]")
		}
		for _, r := range page.Regions {
			names = append(names, aws.ToString(r.RegionName))
		}
	}
	if len(names) == 0 {
		return nil, sdk.Denied(errors.New("AWS lists none: write regions = […]"))
	}
	return names, nil
}

// region is the state of one Region, made when it is first asked for.
func (s *Source) region(accountID, name string) *region {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.regions[name]; r != nil {
		return r
	}
	r := &region{
		reading: make(chan struct{}, slots),
		renew:   func(ctx context.Context) error { return s.renew(ctx, accountID) },
		quota:   newQuota(filepath.Join(s.quotas, s.quotaName(accountID, name)), s.settings.Rate),
		client: cloudtrail.NewFromConfig(s.access.Config, func(o *cloudtrail.Options) {
			o.Region = name
			o.Retryer = aws.NopRetryer{}
			if s.settings.Endpoint != "" {
				o.BaseEndpoint = aws.String(s.settings.Endpoint)
			}
		}),
	}
	s.regions[name] = r
	return r
}

// quotaName is the file that everybody shares who asks the same account and Region.
// Each stand-in for AWS counts for itself.
func (s *Source) quotaName(accountID, region string) string {
	name := accountID + "." + region
	if url := s.standInURL(); url != nil {
		sum := sha256.Sum256([]byte(*url))
		name += "." + hex.EncodeToString(sum[:8])
	}
	return name
}
