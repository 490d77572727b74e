package lookuptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// identityXML is the answer of GetCallerIdentity (AWS STS API reference). AssumeRole
// gives credentials for an hour, whatever the role.
const identityXML = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::%[1]s:user/reader</Arn><UserId>AIDA</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`

const roleXML = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::%s:assumed-role/reader/%s</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>`

// SetRegions changes what ListRegions gives.
func (s *Service) SetRegions(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.Regions = names
}

// RefuseQuestions makes everything but lookups fail with an error code; an empty one
// ends that.
func (s *Service) RefuseQuestions(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = code
}

// question answers what is no lookup. r has been parsed.
func (s *Service) question(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	regions := r.URL.Path == "/listRegions"
	switch action := r.FormValue("Action"); {
	case s.refused != "" && regions:
		fail(w, s.refused)
	case s.refused != "":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>because the test says so</Message></Error></ErrorResponse>`, s.refused)
	case regions:
		s.listRegions(w)
	case action == "GetCallerIdentity":
		fmt.Fprintf(w, identityXML, s.options.Account)
	case action == "AssumeRole":
		fmt.Fprintf(w, roleXML, s.options.Account, r.FormValue("RoleSessionName"), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	default:
		fail(w, "UnknownOperationException")
	}
}

func (s *Service) listRegions(w http.ResponseWriter) {
	type region struct{ RegionName, RegionOptStatus string }
	var out struct{ Regions []region }
	for _, name := range s.options.Regions {
		out.Regions = append(out.Regions, region{name, "ENABLED_BY_DEFAULT"})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the caller is gone if this fails
}

// fail answers with an error as services that speak AWS JSON do: with status 400,
// unless the fault is theirs.
func fail(w http.ResponseWriter, code string) {
	status := http.StatusBadRequest
	switch code {
	case "InternalFailure":
		status = http.StatusInternalServerError
	case "ServiceUnavailable":
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":"because the test says so"}`, code)
}
