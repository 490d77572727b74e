package cloudtrailapi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Settings are those of a source "cloudtrail_api" block.
type Settings struct {
	Regions       []string `agent:"regions" optional:"true" pattern:"^[a-z]{2,}(-[a-z]+)+-[0-9]+$" desc:"Regions to read. All enabled Regions of the account if absent, which takes the permission account:ListRegions."`
	EventCategory string   `agent:"event_category" default:"management" enum:"management,insight" desc:"Which events to read: management events, or those of CloudTrail Insights."`
	Lookup        *Lookup  `agent:"lookup,block" desc:"Read only events with one attribute; CloudTrail chooses them."`
	Rate          float64  `agent:"rate" default:"1.8" min:"0.1" max:"2" desc:"Requests a second per account and Region. CloudTrail takes 2 from all callers together."`

	Profile    string                `agent:"profile" optional:"true" desc:"A profile of the AWS configuration files, for credentials."`
	AssumeRole *awsconfig.AssumeRole `agent:"assume_role,block" desc:"A role to take on before reading. Events are those of the role's account."`
	Endpoint   string                `agent:"endpoint" optional:"true" desc:"URL of a VPC endpoint, or of a server that stands in for AWS."`
	// AllowInsecure is as for the source s3.
	AllowInsecure bool `agent:"allow_insecure" default:"false" desc:"Let an endpoint on another machine begin with http://. Whoever is on the way can then read everything and change it."`
}

// Lookup is the attribute that events must have. Exactly one is given.
type Lookup struct {
	EventID      string `agent:"event_id" optional:"true" desc:"The event's ID."`
	EventName    string `agent:"event_name" optional:"true" desc:"The event's name, such as ConsoleLogin."`
	EventSource  string `agent:"event_source" optional:"true" desc:"The service, such as iam.amazonaws.com."`
	ReadOnly     *bool  `agent:"read_only" desc:"Whether the event only read something."`
	Username     string `agent:"username" optional:"true" desc:"Name of the user or role session."`
	ResourceType string `agent:"resource_type" optional:"true" desc:"Type of a resource of the event, such as AWS::S3::Bucket."`
	ResourceName string `agent:"resource_name" optional:"true" desc:"Name of a resource of the event."`
	AccessKeyID  string `agent:"access_key_id" optional:"true" desc:"The access key that signed the call."`
}

// attribute is one that a Lookup block gives.
type attribute struct {
	name  string // in the block
	key   types.LookupAttributeKey
	value string
}

// attributes are those given.
func (l *Lookup) attributes() []attribute {
	if l == nil {
		return nil
	}
	readOnly := ""
	if l.ReadOnly != nil {
		readOnly = strconv.FormatBool(*l.ReadOnly)
	}
	var given []attribute
	for _, a := range []attribute{
		{"event_id", types.LookupAttributeKeyEventId, l.EventID},
		{"event_name", types.LookupAttributeKeyEventName, l.EventName},
		{"event_source", types.LookupAttributeKeyEventSource, l.EventSource},
		{"read_only", types.LookupAttributeKeyReadOnly, readOnly},
		{"username", types.LookupAttributeKeyUsername, l.Username},
		{"resource_type", types.LookupAttributeKeyResourceType, l.ResourceType},
		{"resource_name", types.LookupAttributeKeyResourceName, l.ResourceName},
		{"access_key_id", types.LookupAttributeKeyAccessKeyId, l.AccessKeyID},
	} {
		if a.value != "" {
			given = append(given, a)
		}
	}
	return given
}

// maxValue bounds an attribute's value: it is part of each split's ID, which the
// ledger keeps in an index.
const maxValue = 1000

// Validate checks what the tags cannot say.
func (s Settings) Validate() []sdk.Fault {
	var faults []sdk.Fault
	seen := make(map[string]bool)
	for i, r := range s.Regions {
		if seen[r] {
			faults = append(faults, sdk.Fault{
				Path: fmt.Sprintf("regions[%d]", i), Summary: "Region given twice", Detail: "Leave it out.",
			})
		}
		seen[r] = true
	}
	if s.Lookup != nil {
		faults = append(faults, s.lookupFaults()...)
	}
	if f, bad := awsconfig.EndpointFault(s.Endpoint, "https://vpce-0a1b2c.cloudtrail.ap-northeast-2.vpce.amazonaws.com", s.AllowInsecure); bad {
		faults = append(faults, f)
	} else if awsconfig.IsAWS(s.Endpoint) && len(s.Regions) != 1 {
		faults = append(faults, sdk.Fault{
			Path: "endpoint", Summary: "Endpoint of one Region",
			Detail: "An endpoint of AWS answers for its own Region. Write regions with that one, and a block of its own for each other Region.",
		})
	}
	return faults
}

func (s Settings) lookupFaults() []sdk.Fault {
	given := s.Lookup.attributes()
	if len(given) != 1 {
		return []sdk.Fault{{
			Path: "lookup", Summary: "Not one attribute",
			Detail: "CloudTrail looks up events by exactly one attribute, such as event_name. Use the pipeline's filter for more.",
		}}
	}
	a := given[0]
	path := "lookup." + a.name
	var faults []sdk.Fault
	if len(a.value) > maxValue || !cloudtrail.Recordable(a.value) {
		faults = append(faults, sdk.Fault{
			Path: path, Summary: "Value cannot be recorded",
			Detail: fmt.Sprintf("It is a part of ledger entries: at most %d bytes of UTF-8 without NUL.", maxValue),
		})
	}
	switch a.key {
	case types.LookupAttributeKeyEventId, types.LookupAttributeKeyEventName, types.LookupAttributeKeyEventSource:
	default:
		if s.EventCategory == categoryInsight {
			faults = append(faults, sdk.Fault{
				Path: path, Summary: "Not an attribute of Insights events",
				Detail: "CloudTrail looks up Insights events by event_id, event_name or event_source.",
			})
		}
	}
	return faults
}

// lookup is the attribute as split IDs have it: Key=value, or empty.
func (s Settings) lookup() string {
	for _, a := range s.Lookup.attributes() {
		return string(a.key) + "=" + a.value
	}
	return ""
}

// parseLookup is the reverse of lookup.
func parseLookup(text string) ([]types.LookupAttribute, bool) {
	if text == "" {
		return nil, true
	}
	key, value, ok := strings.Cut(text, "=")
	if !ok || value == "" {
		return nil, false
	}
	return []types.LookupAttribute{{AttributeKey: types.LookupAttributeKey(key), AttributeValue: &value}}, true
}
