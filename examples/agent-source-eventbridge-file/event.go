package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// An envelope is the part of an EventBridge event that says what its detail is:
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
type envelope struct {
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
}

// A record is the part of a CloudTrail record that filters read.
type record struct {
	EventID            string `json:"eventID"`
	EventTime          string `json:"eventTime"`
	EventName          string `json:"eventName"`
	EventSource        string `json:"eventSource"`
	Region             string `json:"awsRegion"`
	ErrorCode          string `json:"errorCode"`
	ReadOnly           *bool  `json:"readOnly"`
	RecipientAccountID string `json:"recipientAccountId"`
	UserIdentity       struct {
		ARN         string `json:"arn"`
		PrincipalID string `json:"principalId"`
		InvokedBy   string `json:"invokedBy"`
		AccountID   string `json:"accountId"`
	} `json:"userIdentity"`
}

// viaCloudTrail ends the detail-type of every event that CloudTrail hands to
// EventBridge: "AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", …
const viaCloudTrail = " via CloudTrail"

// eventOf makes an event of one line. What it cannot make one of it rejects, with the
// line as it stands.
func eventOf(line []byte) sdk.Event {
	var outer envelope
	if err := json.Unmarshal(line, &outer); err != nil {
		return rejected(line, "not an EventBridge event: "+err.Error())
	}
	if !strings.HasSuffix(outer.DetailType, viaCloudTrail) {
		return rejected(line, "detail-type "+outer.DetailType+" is not a CloudTrail event")
	}
	var r record
	if err := json.Unmarshal(outer.Detail, &r); err != nil {
		return rejected(line, "detail is not a CloudTrail record: "+err.Error())
	}
	e := sdk.Event{
		ID: r.EventID, Name: r.EventName, Source: r.EventSource, Region: r.Region, ErrorCode: r.ErrorCode,
		Account:   first(r.RecipientAccountID, r.UserIdentity.AccountID),
		Principal: first(r.UserIdentity.ARN, r.UserIdentity.PrincipalID, r.UserIdentity.InvokedBy),
		Raw:       outer.Detail,
	}
	if e.ID == "" {
		e.ID = hashOf(outer.Detail)
	}
	if r.ReadOnly != nil {
		e.ReadOnly = sdk.BoolOf(*r.ReadOnly)
	}
	if at, err := time.Parse(time.RFC3339, r.EventTime); err == nil {
		e.Time = at.UTC()
	}
	return e
}

func rejected(line []byte, reason string) sdk.Event {
	return sdk.Event{ID: hashOf(line), Raw: line, Reject: strings.ToValidUTF8(reason, "\uFFFD")}
}

// hashOf is an identity that depends on the bytes alone.
func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
