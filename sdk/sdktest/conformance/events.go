package conformance

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A Generator makes CloudTrail events of about 1.5 KB, each with an ID that no other
// generator uses. The zero value is ready; its methods may be called concurrently.
type Generator struct {
	made atomic.Uint64
	run  atomic.Uint64 // random, set by the first use
}

// Events makes n events.
func (g *Generator) Events(n int) []sdk.Event {
	events := make([]sdk.Event, n)
	for i := range events {
		events[i] = g.event(record)
	}
	return events
}

// event makes one event; format is its record, with verbs for ID, time, name and key.
func (g *Generator) event(format string) sdk.Event {
	run := g.run.Load()
	if run == 0 {
		g.run.CompareAndSwap(0, seed())
		run = g.run.Load()
	}
	n := g.made.Add(1)
	id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(run>>32), uint16(run>>16), run>>4&0xfff, n>>48&0xfff, n&0xffffffffffff)
	// The day is one that a table of stored events has room for, whatever its rules.
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n%86400) * time.Second)
	name := [...]string{"GetObject", "PutObject", "HeadObject", "DeleteObject"}[n%4]
	raw := fill(format, map[string]string{
		"ID": id, "TIME": at.Format(time.RFC3339), "NAME": name, "N": strconv.FormatUint(n, 10),
	})
	return sdk.Event{
		ID: id, Time: at, Name: name, Source: "s3.amazonaws.com", Region: "eu-central-1", Account: "123456789012",
		Principal: "arn:aws:sts::123456789012:assumed-role/reader/i-0a1b2c3d4e5f60718", ReadOnly: sdk.True, Raw: raw,
	}
}

// fill puts values in the places of their names in braces. Other braces stay.
func fill(format string, values map[string]string) []byte {
	out := make([]byte, 0, len(format)+len(format)/8)
	for {
		before, rest, found := strings.Cut(format, "{")
		out = append(out, before...)
		if !found {
			return out
		}
		name, after, closed := strings.Cut(rest, "}")
		value, known := values[name]
		if !closed || !known {
			out, format = append(out, '{'), rest
			continue
		}
		out, format = append(out, value...), after
	}
}

// seed is random and not 0.
func seed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// record is a data event of S3 in the form that CloudTrail writes.
const record = `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEID12345678:i-0a1b2c3d4e5f60718",` +
	`"arn":"arn:aws:sts::123456789012:assumed-role/reader/i-0a1b2c3d4e5f60718","accountId":"123456789012","accessKeyId":"ASIAEXAMPLEKEY123456",` +
	`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEID12345678","arn":"arn:aws:iam::123456789012:role/reader",` +
	`"accountId":"123456789012","userName":"reader"},"attributes":{"creationDate":"2026-10-01T00:00:00Z","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}},` +
	`"eventTime":"{TIME}","eventSource":"s3.amazonaws.com","eventName":"{NAME}","awsRegion":"eu-central-1","sourceIPAddress":"10.0.12.34",` +
	`"userAgent":"[aws-sdk-java/2.20.45 Linux/5.10.0-1160 OpenJDK_64-Bit_Server_VM/17.0.8+7 Java/17.0.8 vendor/Amazon.com_Inc.]",` +
	`"requestParameters":{"bucketName":"example-data-bucket","Host":"example-data-bucket.s3.eu-central-1.amazonaws.com","key":"warehouse/part-{N}.parquet"},` +
	`"responseElements":null,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","bytesTransferredIn":0,` +
	`"AuthenticationMethod":"AuthHeader","x-amz-id-2":"3/2lYyIhA7zxExampleExampleExampleExampleExampleExampleExample=","bytesTransferredOut":104857},` +
	`"requestID":"EXAMPLE123456789","eventID":"{ID}","readOnly":true,"resources":[{"type":"AWS::S3::Object",` +
	`"ARN":"arn:aws:s3:::example-data-bucket/warehouse/part-{N}.parquet"},{"accountId":"123456789012","type":"AWS::S3::Bucket",` +
	`"ARN":"arn:aws:s3:::example-data-bucket"}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012","eventCategory":"Data"}`

// Large makes an event of n bytes or a little more.
func (g *Generator) Large(n int) sdk.Event {
	return g.event(strings.Replace(record, "warehouse/", "warehouse/"+strings.Repeat("x", n), 1))
}

// An oddity is an event that a sink stores or rejects, as it likes.
type oddity struct {
	what  string
	event sdk.Event
}

// oddities are events as they come in practice, at the limits of what a sink must
// survive.
func (g *Generator) oddities() []oddity {
	with := func(old, odd string) sdk.Event { return g.event(strings.Replace(record, old, odd, 1)) }
	list := []oddity{
		{"a NUL byte in the raw record", with("reader", "rea\x00der")},
		{"an escaped NUL in the record", with("reader", `rea\u0000der`)},
		{"invalid UTF-8 in the raw record", with("reader", "rea\xff\xfeder")},
		{"a lone surrogate in the record", with("reader", `rea\ud800der`)},
		{"a number beyond every type", with(`"bytesTransferredIn":0`, `"bytesTransferredIn":1e999999`)},
		{"a record that spans lines", with(`"responseElements":null`, "\n  \"responseElements\":\r\n null")},
		{"a record that is no JSON", g.event("{ID} is not JSON")},
		{"a record that is a JSON array", g.event(`["{ID}"]`)},
		{"an empty record", g.event("")},
	}
	bare := g.event(`{"eventID":"{ID}"}`)
	list = append(list, oddity{"an event without an envelope", sdk.Event{ID: bare.ID, Raw: bare.Raw}})
	long := g.event(record)
	long.Name, long.Principal = strings.Repeat("n", 70_000), "nul\x00in the envelope"
	return append(list, oddity{"an envelope that is long and holds a NUL", long})
}

// pipeline is the label under which the checks write.
const pipeline = "conformance"

// source is the type of the source that the checks stand in for.
const source = "sdktest"

// A load is events that come from one split.
type load struct {
	split  string
	events []sdk.Event
}

// events makes n events of a split of their own.
func (t *trial) events(n int) load { return t.load(t.generator.Events(n)) }

func (t *trial) load(events []sdk.Event) load {
	return load{split: fmt.Sprintf("conformance/%x/%d", seed(), len(events)), events: events}
}

// batch is the whole load in one batch, which completes its split.
func (l load) batch() sdk.Batch {
	b := l.part(0, len(l.events))
	b.Completed = []sdk.Completion{l.completion(0)}
	return b
}

// completion ends the load's split, of which filtered events were left out.
func (l load) completion(filtered int64) sdk.Completion {
	return sdk.Completion{
		Source: source,
		Split:  sdk.Split{ID: l.split, Time: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), Bytes: 1},
		Filter: fingerprint, Status: sdk.StatusStored,
		Read: int64(len(l.events)) + filtered, Filtered: filtered,
	}
}

// fingerprint is that of the filter which the checks claim to read under.
const fingerprint = "sdktest-1"

// part is a batch of some of the load's events. It shares them with the load, but not
// the slice: a sink may reorder it.
func (l load) part(from, to int) sdk.Batch {
	b := sdk.Batch{Pipeline: pipeline, Events: append([]sdk.Event(nil), l.events[from:to]...)}
	if to > from {
		b.Spans = []sdk.Span{{Source: source, Split: l.split, Len: to - from}}
	}
	return b
}
