package cloudtrailapi

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrailtest"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const (
	accountID = "111122223333"
	seoul     = "ap-northeast-2"
	virginia  = "us-east-1"
	standIn   = "http://aws.test"
)

// bareEnvironment keeps the configuration of whoever runs the tests out of them.
func bareEnvironment(t *testing.T) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_ACCOUNT_ID": "",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_STS": "", "AWS_ENDPOINT_URL_CLOUDTRAIL": "", "AWS_ENDPOINT_URL_ACCOUNT": "",
	} {
		t.Setenv(name, value)
	}
}

// source opens a source that reads from a service in memory.
func source(t *testing.T, srv *lookuptest.Service, s Settings) *Source {
	t.Helper()
	return sourceOver(t, lookuptest.Client{Service: srv}, s, t.TempDir())
}

func sourceOver(t *testing.T, client aws.HTTPClient, s Settings, temp string) *Source {
	t.Helper()
	if s.Endpoint == "" {
		s.Endpoint, s.AllowInsecure = standIn, true
	}
	if s.EventCategory == "" {
		s.EventCategory = categoryManagement
	}
	if s.Rate == 0 {
		s.Rate = 1.8
	}
	src, err := open(t.Context(), s, surroundings{http: client, temp: temp})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func discover(t *testing.T, src *Source, r sdk.TimeRange) ([]sdk.Split, error) {
	t.Helper()
	var splits []sdk.Split
	err := src.Discover(t.Context(), r, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	return splits, err
}

func fetch(t *testing.T, src *Source, id string) ([]sdk.Event, error) {
	t.Helper()
	var events []sdk.Event
	err := src.Fetch(t.Context(), sdk.Split{ID: id}, func(page []sdk.Event) error {
		events = append(events, cloudtrailtest.Kept(page)...)
		return nil
	})
	return events, err
}

// splitID is the split of the first hour of a day, as the final pass reads it.
func splitID(region string, day time.Time) string {
	return stream{account: accountID, region: region, category: categoryManagement}.id(window{start: day})
}

// happening makes events a second apart, whose records have little more than an ID.
func happening(prefix string, start time.Time, n int) []lookuptest.Event {
	events := make([]lookuptest.Event, n)
	for i := range events {
		events[i] = record(fmt.Sprintf("%s-%04d", prefix, i), start.Add(time.Duration(i)*time.Second))
	}
	return events
}

func record(id string, at time.Time) lookuptest.Event {
	return lookuptest.Event{
		ID: id, Name: "RunInstances", Source: "ec2.amazonaws.com", Time: at,
		Record: fmt.Sprintf(`{"eventVersion":"1.11","eventID":%q,"eventTime":%q,"eventName":"RunInstances"}`, id, at.UTC().Format(time.RFC3339)),
	}
}

// ids are the sorted IDs of events.
func ids(events []sdk.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

func idsOf(events []lookuptest.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// regionsOf are the sorted Regions of splits.
func regionsOf(splits []sdk.Split) []string {
	var regions []string
	for _, s := range splits {
		regions = append(regions, strings.Split(s.ID, "/")[1])
	}
	slices.Sort(regions)
	return slices.Compact(regions)
}

// today is midnight of the first day of a test whose time is not real, and two days on
// from there every window of that day is final.
func today() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
