package cloudtrailapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// region asks one Region, within its quota.
type region struct {
	client *cloudtrail.Client
	renew  func(context.Context) error // finds credentials again
	quota  *quota
	open   atomic.Bool // it has answered, and not refused since

	// reading has a place for each window that is being read, as many as there are slots of
	// the quota. Were more to take turns, a window's turn could come when the token of
	// its page has expired, and none would ever come to its end.
	reading chan struct{}
}

// begin waits until a window may be read; end is called when it was.
func (r *region) begin(ctx context.Context) error {
	select {
	case r.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *region) end() { <-r.reading }

// How often a request is sent before its error is returned, and the rests between.
// The SDK's own retries are off: they would spend the quota behind its back.
const (
	maxAttempts = 8
	minRest     = 500 * time.Millisecond
	maxRest     = 20 * time.Second
)

// lookUp sends a request until it is answered, refused, or has failed attempts times.
func (r *region) lookUp(ctx context.Context, in *cloudtrail.LookupEventsInput, attempts int) (out *cloudtrail.LookupEventsOutput, err error) {
	defer func() {
		if err == nil || sdk.IsDenied(err) {
			r.open.Store(err == nil)
		}
	}()
	renewed := false
	for n := 1; ; n++ {
		out, rest, err := r.send(ctx, in, n)
		switch {
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case refused(err) && !renewed:
			renewed = true
			if err := r.renew(ctx); err != nil {
				return nil, err
			}
			continue
		case rest == 0 || n >= attempts:
			return nil, classify(ctx, err, "cloudtrail:LookupEvents")
		}
		if err := pause(ctx, rest); err != nil {
			return nil, err
		}
	}
}

// send sends a request once. rest is how long to wait before the next one, zero if the
// error will not pass.
func (r *region) send(ctx context.Context, in *cloudtrail.LookupEventsInput, n int) (out *cloudtrail.LookupEventsOutput, rest time.Duration, err error) {
	s, err := r.quota.take(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { s.giveBack(ctx, rest) }()
	tctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err = r.client.LookupEvents(tctx, in)
	switch {
	case err == nil:
		return out, 0, nil
	case passing(err) || tctx.Err() != nil:
		// Whoever else asks this Region is at its limit, too: full jitter keeps all
		// from coming back at once. The slot rests as long, for all processes.
		longest := min(minRest<<n, maxRest)
		rest = minRest/2 + rand.N(longest)
	}
	return nil, rest, err
}

// check asks for nothing, to see whether the Region answers at all.
func (r *region) check(ctx context.Context, s stream) error {
	if r.open.Load() {
		return nil
	}
	at := aws.Time(time.Now().Add(-time.Minute).Truncate(time.Second))
	attributes, _ := parseLookup(s.lookup)
	_, err := r.lookUp(ctx, &cloudtrail.LookupEventsInput{
		StartTime: at, EndTime: at, MaxResults: aws.Int32(1),
		EventCategory: s.eventCategory(), LookupAttributes: attributes,
	}, 1)
	if throttled(err) {
		return nil // by somebody who is served
	}
	if err != nil {
		return fmt.Errorf("look up events in %s: %w", s.region, err)
	}
	return nil
}
