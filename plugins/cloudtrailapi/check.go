package cloudtrailapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/access"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var (
	_ sdk.Checker = (*Source)(nil)
	_ sdk.Grantee = Settings{}
)

// Check finds out whose event history is read, and asks each Region one question.
func (s *Source) Check(ctx context.Context) []sdk.Finding {
	var r access.Report
	account, err := s.accountID(ctx)
	if err != nil {
		r.Fail("credentials", err, "")
		return r.Findings
	}
	r.OK("credentials", "of account %s", account)
	names, outdated := s.regionNames(ctx)
	if outdated != nil {
		r.Fail("Regions", outdated, "")
	} else if len(s.settings.Regions) == 0 {
		r.OK("Regions", "%d enabled: %s", len(names), strings.Join(names, ", "))
	}
	for _, name := range names {
		st := stream{account: account, region: name, category: s.settings.EventCategory, lookup: s.settings.lookup()}
		if err := s.region(account, name).check(ctx, st); err != nil {
			r.Fail("LookupEvents "+name, err, "")
			continue
		}
		r.OK("LookupEvents "+name, "answers")
	}
	return r.Findings
}

// Rights implements [sdk.Grantee]. None of these actions can be narrowed to a resource
// (Service Authorization Reference, "AWS CloudTrail" and "AWS Account Management").
func (s Settings) Rights() []sdk.Right {
	rights := []sdk.Right{access.Allow("read the event history", []string{"cloudtrail:LookupEvents"}, []string{"*"}, nil)}
	if len(s.Regions) == 0 {
		rights = append(rights, access.Allow("find the enabled Regions", []string{"account:ListRegions"}, []string{"*"}, nil))
	}
	if s.AssumeRole != nil {
		comment := fmt.Sprintf("take on the role; the other rights are those of %s", s.AssumeRole.ARN)
		rights = append(rights, access.Allow(comment, []string{"sts:AssumeRole"}, []string{s.AssumeRole.ARN}, nil))
	}
	return rights
}
