// Package lookuptest stands in for AWS in tests: it answers LookupEvents by the rules
// that AWS documents, and the two questions that a reader of the event history asks
// beside it, sts:GetCallerIdentity and account:ListRegions.
//
// The rules, each with its source; API is the page "LookupEvents" of the AWS
// CloudTrail API reference, Guide the AWS CloudTrail user guide:
//
//   - Events come newest first: "The events list is sorted by time. The most recent
//     event is listed first" (API, Events).
//   - Both ends are inclusive: "after or at" and "before or at the specified time"
//     (API, StartTime and EndTime). Event times are whole seconds.
//   - A page has 50 events at most (API, MaxResults), may have fewer or none, and is
//     the last one only if it has no token: "If the token does not appear, there are
//     no more results to return" (API, NextToken).
//   - A token goes with the very parameters of the request that gave it (API,
//     NextToken); anything else is an InvalidNextTokenException (API, Errors). How long
//     one lives is not documented; here it expires.
//   - "You can look up events that occurred in a Region within the last 90 days" (API).
//   - "The rate of lookup requests is limited to two per second, per account, per
//     Region. If this limit is exceeded, a throttling error occurs" (API): a
//     ThrottlingException with HTTP status 400 (API reference, Common Errors).
//   - Without EventCategory there are management events only (API, EventCategory).
//   - One lookup attribute at most (API, LookupAttributes).
//   - An event is not there as soon as it has happened: "CloudTrail typically delivers
//     events within an average of about 5 minutes of an API call. This time is not
//     guaranteed" (Guide, How CloudTrail works); older editions say 15 minutes.
//   - In a Region that the account has not enabled, its credentials are not known (AWS
//     IAM user guide, Managing AWS STS in an AWS Region).
package lookuptest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Event is one that the service has, or will have.
type Event struct {
	ID, Name, Source, Username, AccessKeyID string
	ReadOnly                                bool
	Resources                               []Resource
	Time                                    time.Time // whole seconds
	Visible                                 time.Time // from when on it can be looked up; zero: at once
	Insight                                 bool      // it is an Insights event
	Record                                  string    // CloudTrailEvent; empty: the answer has none
}

// A Resource is something that an event was about.
type Resource struct{ Type, Name string }

// Options change the service from its defaults.
type Options struct {
	Account   string        // 111122223333
	Regions   []string      // that ListRegions gives
	TokenLife time.Duration // 5 minutes
	// Page is asked for the size of each page, from 0 to 50, and whether a last page
	// has a token all the same; nil makes full pages.
	Page func() (size int, more bool)
}

// A Request is one that the service got.
type Request struct {
	Time   time.Time
	Region string
	Key    string // the access key that signed it
	Code   string // of the error that answered it; empty for a good answer
	Lookup Lookup
}

// A Service is an [http.Handler]. Its methods may be called at any time.
type Service struct {
	options Options

	mu       sync.Mutex
	events   map[string][]Event // by Region, newest first
	requests []Request
	tokens   map[string]token
	refuse   func(Request) string
	refused  string // error code for everything but lookups
}

// New returns a service without events.
func New(o Options) *Service {
	if o.Account == "" {
		o.Account = "111122223333"
	}
	if o.TokenLife == 0 {
		o.TokenLife = 5 * time.Minute
	}
	if o.Page == nil {
		o.Page = func() (int, bool) { return maxResults, false }
	}
	return &Service{options: o, events: make(map[string][]Event), tokens: make(map[string]token)}
}

// Add gives the service events of a Region.
func (s *Service) Add(region string, events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.events[region], events...)
	slices.SortStableFunc(all, newestFirst)
	s.events[region] = all
}

func newestFirst(a, b Event) int {
	return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID))
}

// Refuse makes the service answer lookups with the error code that f gives; with none
// it answers as usual. f must not call the service.
func (s *Service) Refuse(f func(Request) (code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// Requests are all lookups that came, in order.
func (s *Service) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Busiest is the largest number of lookups that came to one Region within less than a
// second.
func (s *Service) Busiest() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	byRegion := make(map[string][]time.Time)
	most := 0
	for _, r := range s.requests {
		times := append(byRegion[r.Region], r.Time)
		for r.Time.Sub(times[0]) >= time.Second {
			times = times[1:]
		}
		byRegion[r.Region] = times
		most = max(most, len(times))
	}
	return most
}

// ServeHTTP implements [http.Handler].
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "CloudTrail_20131101.LookupEvents") {
		s.lookUp(w, r)
		return
	}
	s.question(w, r)
}
