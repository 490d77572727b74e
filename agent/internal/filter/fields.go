package filter

import (
	"cel.dev/cel-go/common/types"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// recordType is the type of the variable event. No expression can spell it, so none
// can make a record of its own.
const recordType = "CloudTrail record"

// A field is one top-level field of a CloudTrail record.
type field struct {
	name   string
	quoted []byte // the name as JSON spells it
	typ    *types.Type
	// envelope returns the field's value where the event's envelope has it, else
	// nil. It is nil for a field that the envelope does not hold as written.
	envelope func(*sdk.Event) any
}

// knownFields lists the top-level fields of record versions 1.0 to 1.11, of
// Insights and of aggregated events, as in "CloudTrail record contents" of the
// user guide. Fields have a type where every record seen agrees on it:
// sessionCredentialFromConsole, for one, comes as true and as "true".
//
// The eventId and accountId of aggregated events are left out. In all other records
// they are a misspelling of eventID and recipientAccountId that would be null for
// every event, and must be reported.
func knownFields() []field {
	text := types.NewNullableType(types.StringType)
	flag := types.NewNullableType(types.BoolType)
	return []field{
		{name: "addendum", typ: types.DynType},
		{name: "additionalEventData", typ: types.DynType},
		{name: "annotation", typ: types.DynType},
		{name: "apiVersion", typ: text},
		{name: "awsRegion", typ: text, envelope: func(e *sdk.Event) any { return given(e.Region) }},
		{name: "edgeDeviceDetails", typ: types.DynType},
		{name: "errorCode", typ: text, envelope: func(e *sdk.Event) any { return given(e.ErrorCode) }},
		{name: "errorMessage", typ: text},
		{name: "eventCategory", typ: text},
		{name: "eventContext", typ: types.DynType},
		{name: "eventID", typ: text},
		{name: "eventName", typ: text, envelope: func(e *sdk.Event) any { return given(e.Name) }},
		{name: "eventSource", typ: text, envelope: func(e *sdk.Event) any { return given(e.Source) }},
		{name: "eventTime", typ: text},
		{name: "eventType", typ: text},
		{name: "eventVersion", typ: text},
		{name: "insightContext", typ: types.DynType},
		{name: "insightDetails", typ: types.DynType},
		{name: "managementEvent", typ: flag},
		{name: "readOnly", typ: flag, envelope: readOnly},
		{name: "recipientAccountId", typ: text},
		{name: "requestID", typ: text},
		{name: "requestParameters", typ: types.DynType},
		{name: "resources", typ: types.DynType},
		{name: "responseElements", typ: types.DynType},
		{name: "serviceEventDetails", typ: types.DynType},
		{name: "sessionCredentialFromConsole", typ: types.DynType},
		{name: "sharedEventID", typ: text},
		{name: "sourceIPAddress", typ: text},
		{name: "summary", typ: types.DynType},
		{name: "timeWindow", typ: types.DynType},
		{name: "tlsDetails", typ: types.DynType},
		{name: "userAgent", typ: text},
		{name: "userIdentity", typ: types.DynType},
		{name: "vpcEndpointAccountId", typ: text},
		{name: "vpcEndpointId", typ: text},
	}
}

func given(value string) any {
	if value == "" {
		return nil
	}
	return value
}

func readOnly(e *sdk.Event) any {
	if e.ReadOnly == sdk.Unset {
		return nil
	}
	return e.ReadOnly == sdk.True
}

// recordTypes teaches CEL the type of the variable event.
type recordTypes struct {
	types.Provider
	fields map[string]*types.FieldType
	names  []string // sorted
}

func newRecordTypes(base types.Provider) recordTypes {
	known := knownFields()
	t := recordTypes{Provider: base, fields: make(map[string]*types.FieldType, len(known))}
	for _, f := range known {
		f.quoted = []byte(`"` + f.name + `"`)
		t.names = append(t.names, f.name)
		t.fields[f.name] = &types.FieldType{
			Type:    f.typ,
			IsSet:   func(target any) bool { v, _ := target.(*record).value(&f); return v != nil },
			GetFrom: func(target any) (any, error) { return target.(*record).value(&f) },
		}
	}
	return t
}

// FindStructType implements [types.Provider].
func (t recordTypes) FindStructType(name string) (*types.Type, bool) {
	if name != recordType {
		return t.Provider.FindStructType(name)
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(recordType)), true
}

// FindStructFieldNames implements [types.Provider].
func (t recordTypes) FindStructFieldNames(name string) ([]string, bool) {
	if name != recordType {
		return t.Provider.FindStructFieldNames(name)
	}
	return t.names, true
}

// FindStructFieldType implements [types.Provider].
func (t recordTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name != recordType {
		return t.Provider.FindStructFieldType(name, field)
	}
	f, ok := t.fields[field]
	return f, ok
}
