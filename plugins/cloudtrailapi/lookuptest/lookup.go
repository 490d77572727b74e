package lookuptest

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	maxResults  = 50
	perSecond   = 2
	history     = 90 * 24 * time.Hour
	contentType = "application/x-amz-json-1.1"
)

// A Lookup are the parameters of a request. Times are seconds since 1970.
type Lookup struct {
	StartTime, EndTime float64
	EventCategory      string
	LookupAttributes   []struct{ AttributeKey, AttributeValue string }
	MaxResults         *int
	NextToken          string
}

// token says where the next page begins.
type token struct {
	request string // the parameters that it goes with
	after   *Event // the last event given; nil: none yet
	given   time.Time
}

type answer struct {
	Events    []map[string]any
	NextToken string `json:",omitempty"`
}

func (s *Service) lookUp(w http.ResponseWriter, r *http.Request) {
	var in Lookup
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, "SerializationException")
		return
	}
	key, region := signer(r)
	req := Request{Time: time.Now(), Region: region, Key: key, Lookup: in}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out answer
	req.Code = s.judge(req)
	if req.Code == "" {
		out, req.Code = s.page(region, in, req.Time)
	}
	s.requests = append(s.requests, req)
	if req.Code != "" {
		fail(w, req.Code)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_ = json.NewEncoder(w).Encode(out) // the caller is gone if this fails
}

// signer reads the credential scope of a signature (AWS Signature Version 4).
func signer(r *http.Request) (key, region string) {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(credential, "/")
	if len(parts) < 3 {
		return "", ""
	}
	return parts[0], parts[2]
}

// judge is the error code for a request that is not answered, whatever it asks.
func (s *Service) judge(req Request) string {
	if s.refuse != nil {
		if code := s.refuse(req); code != "" {
			return code
		}
	}
	recent := 0
	for _, earlier := range slices.Backward(s.requests) {
		if req.Time.Sub(earlier.Time) >= time.Second {
			break
		}
		if earlier.Region == req.Region {
			recent++
		}
	}
	in := req.Lookup
	switch {
	case recent >= perSecond:
		return "ThrottlingException"
	case in.MaxResults != nil && (*in.MaxResults < 1 || *in.MaxResults > maxResults):
		return "InvalidMaxResultsException"
	case in.EndTime != 0 && in.StartTime > in.EndTime:
		return "InvalidTimeRangeException"
	case in.EventCategory != "" && in.EventCategory != "insight":
		return "InvalidEventCategoryException"
	case len(in.LookupAttributes) > 1:
		return "InvalidLookupAttributesException"
	}
	return ""
}

// page answers a request that is in order, but for its token.
func (s *Service) page(region string, in Lookup, now time.Time) (answer, string) {
	parameters := in
	parameters.NextToken = ""
	text, _ := json.Marshal(parameters) // it was JSON just before
	request := region + string(text)
	var after *Event
	if in.NextToken != "" {
		t, ok := s.tokens[in.NextToken]
		if !ok || t.request != request || now.Sub(t.given) > s.options.TokenLife {
			return answer{}, "InvalidNextTokenException"
		}
		after = t.after
	}
	size, more := s.options.Page()
	if in.MaxResults != nil {
		size = min(size, *in.MaxResults)
	}
	out := answer{Events: []map[string]any{}}
	// Both ends are inclusive.
	events := s.events[region]
	if in.EndTime != 0 {
		first := sort.Search(len(events), func(i int) bool { return float64(events[i].Time.Unix()) <= in.EndTime })
		events = events[first:]
	}
	for _, e := range events {
		if float64(e.Time.Unix()) < in.StartTime {
			break
		}
		if !in.matches(e, now) || after != nil && newestFirst(e, *after) <= 0 {
			continue
		}
		if len(out.Events) == size {
			more = true
			break
		}
		out.Events = append(out.Events, e.wire())
		after = &e
	}
	if more {
		out.NextToken = "token-" + strconv.Itoa(len(s.tokens))
		s.tokens[out.NextToken] = token{request: request, after: after, given: now}
	}
	return out, ""
}

// matches reports whether a lookup finds an event of its time.
func (in Lookup) matches(e Event, now time.Time) bool {
	switch {
	case e.Time.After(now), e.Visible.After(now), e.Time.Before(now.Add(-history)),
		e.Insight != (in.EventCategory == "insight"):
		return false
	}
	for _, a := range in.LookupAttributes {
		if !e.has(a.AttributeKey, a.AttributeValue) {
			return false
		}
	}
	return true
}

func (e Event) has(key, value string) bool {
	resource := func(f func(Resource) string) bool {
		return slices.ContainsFunc(e.Resources, func(r Resource) bool { return f(r) == value })
	}
	switch key {
	case "EventId":
		return e.ID == value
	case "EventName":
		return e.Name == value
	case "EventSource":
		return e.Source == value
	case "ReadOnly":
		return strconv.FormatBool(e.ReadOnly) == value
	case "Username":
		return e.Username == value
	case "AccessKeyId":
		return e.AccessKeyID == value
	case "ResourceType":
		return resource(func(r Resource) string { return r.Type })
	case "ResourceName":
		return resource(func(r Resource) string { return r.Name })
	}
	return false
}

// wire is the event as the answer has it: the time in seconds since 1970 with a
// fraction, readOnly as a text, the record as a text.
func (e Event) wire() map[string]any {
	out := map[string]any{
		"EventTime": json.RawMessage(strconv.FormatInt(e.Time.Unix(), 10) + ".0"),
		"ReadOnly":  strconv.FormatBool(e.ReadOnly),
		"Resources": []map[string]string{},
	}
	for name, value := range map[string]string{
		"EventId": e.ID, "EventName": e.Name, "EventSource": e.Source,
		"Username": e.Username, "AccessKeyId": e.AccessKeyID, "CloudTrailEvent": e.Record,
	} {
		if value != "" {
			out[name] = value
		}
	}
	var resources []map[string]string
	for _, r := range e.Resources {
		resources = append(resources, map[string]string{"ResourceType": r.Type, "ResourceName": r.Name})
	}
	if resources != nil {
		out["Resources"] = resources
	}
	return out
}
