// Package cloudtrailapi is the source "cloudtrail_api": the event history that
// CloudTrail keeps for 90 days in every account and Region, read by LookupEvents. A
// split is one pass over a window of time.
package cloudtrailapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	cloudtrailfile "github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Source reads the event history of one account. It keeps no state between calls but
// credentials, what account and Regions they are for, and idle connections.
type Source struct {
	settings Settings
	access   *awsconfig.Access
	quotas   string // folder of the files that request quotas are shared by

	mu        sync.Mutex
	account   string // empty until it is known
	enabled   []string
	enabledAt time.Time // when enabled was listed
	regions   map[string]*region
}

var (
	_ sdk.Source   = (*Source)(nil)
	_ sdk.Windowed = (*Source)(nil)
)

// Open makes the source that s describes. Whether credentials and Regions are any
// good shows when they are first used.
func Open(ctx context.Context, s Settings) (sdk.Source, error) {
	return open(ctx, s, surroundings{http: awshttp.NewBuildableClient(), temp: os.TempDir()})
}

// surroundings are what a source takes from its process. Tests have their own.
type surroundings struct {
	http aws.HTTPClient
	temp string // parent of the folder of request quotas
}

func open(ctx context.Context, s Settings, around surroundings) (*Source, error) {
	dir, err := quotaDir(around.temp)
	if err != nil {
		return nil, sdk.Denied(err)
	}
	src := &Source{settings: s, quotas: dir, regions: make(map[string]*region)}
	src.access, err = awsconfig.Load(ctx, awsconfig.Options{
		Profile: s.Profile, AssumeRole: s.AssumeRole, Insecure: s.AllowInsecure, HTTPClient: around.http, Retryer: retryer, Role: src.standIn,
	})
	if err != nil {
		return nil, err
	}
	return src, nil
}

// Discover lists a pass for every piece of time in r that the event history still
// holds: recent ones first, then the older ones from the oldest on. A Region that
// refuses or does not answer does not keep the others from being listed; it is
// reported in the end.
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	account, err := s.accountID(ctx)
	if err != nil {
		return err
	}
	names, outdated := s.regionNames(ctx)
	streams, unanswered := s.answering(ctx, account, names)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := list(ctx, streams, r, time.Now().UTC(), found); err != nil {
		return err
	}
	return errors.Join(outdated, unanswered)
}

// Windowed implements [sdk.Windowed]: recent windows are few, those of 90 days are
// not. The last two passes over an hour come hours after it; that the agent lists
// those hours less often does no harm.
func (s *Source) Windowed() {}

// answering are the streams of those Regions that answer.
func (s *Source) answering(ctx context.Context, account string, names []string) ([]stream, error) {
	errs := make([]error, len(names))
	streams := make([]stream, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		streams[i] = stream{account: account, region: name, category: s.settings.EventCategory, lookup: s.settings.lookup()}
		wg.Go(func() { errs[i] = s.region(account, name).check(ctx, streams[i]) })
	}
	wg.Wait()
	var answering []stream
	for i, err := range errs {
		if err == nil {
			answering = append(answering, streams[i])
		}
	}
	return answering, errors.Join(errs...)
}

// Fetch reads one window to its end. A window that has left the event history is
// [sdk.Gone]: so a gap gets an entry in the ledger.
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	st, w, err := parseID(split.ID)
	if err != nil {
		return sdk.Invalid(err)
	}
	if err := s.expectAccount(ctx, st.account); err != nil {
		return err
	}
	r := s.region(st.account, st.region)
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.end()
	oldest := time.Now().UTC().Add(-history).Truncate(time.Second).Add(time.Second)
	if w.expired(time.Now()) {
		return sdk.Gone(fmt.Errorf("CloudTrail's event history goes back 90 days, to %s: "+
			"this window, and any before it that was not read in time, can be read from S3 only", oldest.Format(time.RFC3339)))
	}
	d := &document{ctx: ctx, region: r, stream: st, emit: emit}
	d.in = request(st, w, oldest)
	if err := cloudtrailfile.Read(d, st.account, cloudtrailfile.Limits{}, emit); err != nil {
		return fmt.Errorf("look up events of %s: %w", split.ID, err)
	}
	return nil
}

// request asks for the window's first page. Both ends are inclusive (AWS CloudTrail
// API reference, LookupEvents), so that windows share the second between them: the
// events' IDs make that harmless, and nothing is lost to rounding.
func request(s stream, w window, oldest time.Time) cloudtrail.LookupEventsInput {
	start := w.start
	if start.Before(oldest) {
		start = oldest
	}
	attributes, _ := parseLookup(s.lookup)
	return cloudtrail.LookupEventsInput{
		StartTime: aws.Time(start), EndTime: aws.Time(w.end()), MaxResults: aws.Int32(pageEvents),
		EventCategory: s.eventCategory(), LookupAttributes: attributes,
	}
}

// pageEvents is the most that LookupEvents gives at once.
const pageEvents = 50
