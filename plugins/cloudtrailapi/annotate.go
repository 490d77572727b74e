package cloudtrailapi

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/go-json-experiment/json/jsontext"
)

// member is the name of the member that annotate adds to records: the operation that
// its content comes from.
const member = "lookupEvents"

// annotation is what LookupEvents says beside a record, under its own names.
type annotation struct {
	Username  string     `json:",omitempty"`
	Resources []resource `json:",omitempty"`
}

type resource struct {
	ResourceType string `json:",omitempty"`
	ResourceName string `json:",omitempty"`
}

// annotate adds to a record what LookupEvents says beside it and the record lacks: the
// Username where it has no userIdentity.userName, the Resources where it has no
// resources. They go into a last member of their own,
//
//	"lookupEvents":{"Username":"…","Resources":[{"ResourceType":"…","ResourceName":"…"}]}
//
// without which the record is byte for byte as AWS wrote it. CloudTrail has no field
// of this name. A record without an ID stays as it is: what identifies it is its
// content.
func annotate(record []byte, e types.Event) []byte {
	has := look(record)
	if !has.id || has.annotation {
		return record
	}
	var a annotation
	if !has.userName {
		a.Username = aws.ToString(e.Username)
	}
	if !has.resources {
		for _, r := range e.Resources {
			a.Resources = append(a.Resources, resource{
				ResourceType: aws.ToString(r.ResourceType), ResourceName: aws.ToString(r.ResourceName),
			})
		}
	}
	if a.Username == "" && a.Resources == nil {
		return record
	}
	text, err := json.Marshal(a)
	if err != nil {
		return record // cannot be: there are only strings in it
	}
	end := bytes.LastIndexByte(record, '}')
	return slices.Concat(record[:end], []byte(`,"`+member+`":`), text, record[end:])
}

// contents says which members a record has.
type contents struct {
	id, userName, resources, annotation bool
}

// look reads the top of a record, which is valid JSON. Of anything but an object it
// says that there is nothing.
func look(record []byte) contents {
	var has contents
	eachMember(record, func(name string, value jsontext.Value) {
		present := value.Kind() != 'n'
		switch name {
		case "eventID", "eventId":
			has.id = has.id || present
		case "resources":
			has.resources = present
		case member:
			has.annotation = true
		case "userIdentity":
			has.userName = false
			eachMember(value, func(name string, value jsontext.Value) {
				if name == "userName" {
					has.userName = value.Kind() == '"' && string(value) != `""`
				}
			})
		}
	})
	return has
}

// eachMember calls f with each member of an object.
func eachMember(text []byte, f func(name string, value jsontext.Value)) {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return
		}
		field := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return
		}
		f(field, value)
	}
}
