package rdsdirect

// A form says which values of a field its column gives back unchanged. Values of
// another form, JSON null among them, go to the column "additional".
type form int

const (
	asText     form = iota // a string
	asKey                  // a string short enough for an index
	asBoolean              // true or false
	asDocument             // anything but null
)

// maxKey is the size of text that certainly fits a B-tree entry, which may have a
// third of a page, 2,704 bytes.
const maxKey = 1000

// A field is a field of the record's top level with a column of table cloudtrail.
type field struct {
	name   string
	column string
	form   form
}

// fields are the fields of record versions 1.0 to 1.11 that have a column (CloudTrail
// user guide, "CloudTrail record contents"). eventTime is not among them: its column is
// part of the key and is there whatever the record says.
var fields = [...]field{
	{"eventVersion", "event_version", asText},
	{"eventSource", "event_source", asText},
	{"eventName", "event_name", asKey},
	{"eventCategory", "event_category", asText},
	{"eventType", "event_type", asText},
	{"awsRegion", "aws_region", asText},
	{"readOnly", "read_only", asBoolean},
	{"managementEvent", "management_event", asBoolean},
	{"requestID", "request_id", asText},
	{"eventID", "cloudtrail_event_id", asKey},
	{"sharedEventID", "shared_event_id", asText},
	{"recipientAccountId", "recipient_account_id", asText},
	{"sourceIPAddress", "source_ip_address", asText},
	{"userAgent", "user_agent", asText},
	{"errorCode", "error_code", asText},
	{"errorMessage", "error_message", asText},
	{"apiVersion", "api_version", asText},
	{"vpcEndpointId", "vpc_endpoint_id", asText},
	{"vpcEndpointAccountId", "vpc_endpoint_account_id", asText},
	{"sessionCredentialFromConsole", "session_credential_from_console", asText},
	{"userIdentity", "user_identity", asDocument},
	{"requestParameters", "request_parameters", asDocument},
	{"responseElements", "response_elements", asDocument},
	{"additionalEventData", "additional_event_data", asDocument},
	{"serviceEventDetails", "service_event_details", asDocument},
	{"resources", "resources", asDocument},
	{"tlsDetails", "tls_details", asDocument},
	{"insightDetails", "insight_details", asDocument},
	{"addendum", "addendum", asDocument},
	{"edgeDeviceDetails", "edge_device_details", asDocument},
	{"eventContext", "event_context", asDocument},
}

// fieldIndex finds a field by its exact name.
var fieldIndex = func() map[string]int {
	index := make(map[string]int, len(fields))
	for i, f := range fields {
		index[f.name] = i
	}
	return index
}()

// The fields that table events has too.
var (
	sourceIPAddress = fieldIndex["sourceIPAddress"]
	userAgent       = fieldIndex["userAgent"]
)
