package s3test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// recordWriter appends records. A record is a function of the trail and its
// number alone, which is how a copy can be written without keeping the original.
type recordWriter struct {
	trail Trail

	calls   []call
	callers []identity

	pcg     rand.PCG
	rnd     *rand.Rand
	account string
}

// fields are the parts of a record that a quirk may change.
type fields struct {
	version string
	at      time.Time
	eventID string // empty: the record has none
	extra   string // further members, with a comma before them

	identity, ip, agent, params, response string // JSON, with ~ and @ to fill in
}

// append writes record n.
func (w *recordWriter) append(b []byte, n int) []byte {
	w.seed(n)
	c := w.pickCall()
	id := w.pickIdentity()
	object := n / w.trail.EventsPerObject
	account, region := w.trail.stream(object)
	w.account = account

	f := fields{
		version: "1.11", identity: id.json, ip: `"` + id.ip + `"`, agent: `"` + id.agent + `"`,
		params: c.params, response: c.response,
		at: w.trail.label(object).Add(-time.Duration(w.rnd.IntN(600)) * time.Second),
	}
	if id.ip == "" {
		f.ip = w.publicIP()
	}
	f.eventID = w.guid()
	if w.rnd.Float64() < w.trail.Quirks {
		w.quirk(&f)
	}
	start := len(b)
	b = append(b, `{"eventVersion":"`...)
	b = append(b, f.version...)
	b = append(b, '"')
	switch c.shape {
	case insight:
		return w.appendInsight(b, c, f, region)
	case serviceEvent:
		f.identity = `{"accountId":"@","invokedBy":"` + c.source + `"}`
		f.ip, f.agent = `"`+c.source+`"`, `"`+c.source+`"`
		f.params, f.response = "null", "null"
	case apiCall, consoleSignIn:
	}
	b = w.appendCaller(b, c, f, region)
	b = w.appendOutcome(b, c, f)
	return w.appendRest(b, start, c, f)
}

func (w *recordWriter) appendCaller(b []byte, c call, f fields, region string) []byte {
	b = w.json(b, "userIdentity", f.identity)
	b = appendTime(b, f.at)
	b = appendText(b, "eventSource", c.source)
	b = appendText(b, "eventName", c.name)
	b = appendText(b, "awsRegion", region)
	b = w.json(b, "sourceIPAddress", f.ip)
	return w.json(b, "userAgent", f.agent)
}

// appendOutcome writes parameters and answer; one API call in twenty failed.
func (w *recordWriter) appendOutcome(b []byte, c call, f fields) []byte {
	response := f.response
	if c.shape != serviceEvent && w.rnd.IntN(20) == 0 {
		switch {
		case c.shape == consoleSignIn:
			b = appendText(b, "errorMessage", "Failed authentication")
			response = `{"ConsoleLogin":"Failure"}`
		case w.rnd.IntN(3) == 0:
			b = appendText(b, "errorCode", "ThrottlingException")
			b = appendText(b, "errorMessage", "Rate exceeded")
			response = "null"
		default:
			b = appendText(b, "errorCode", "AccessDenied")
			b = appendText(b, "errorMessage", "no identity-based policy allows the action")
			response = "null"
		}
	}
	b = w.json(b, "requestParameters", f.params)
	return w.json(b, "responseElements", response)
}

func (w *recordWriter) appendRest(b []byte, start int, c call, f fields) []byte {
	eventType, category := "AwsApiCall", "Management"
	switch c.shape {
	case consoleSignIn:
		eventType = "AwsConsoleSignIn"
		b = w.json(b, "additionalEventData", `{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"Yes"}`)
	case serviceEvent:
		eventType = "AwsServiceEvent"
		b = w.json(b, "serviceEventDetails", `{"keyId":"~"}`)
	case apiCall, insight:
		b = w.pad(b, start)
	}
	b = appendText(b, "requestID", w.guid())
	b = appendID(b, f)
	b = w.json(b, "readOnly", strconv.FormatBool(c.readOnly))
	if c.data {
		category = "Data"
		b = w.json(b, "resources", `[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::data-lake/~"},{"accountId":"@","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::data-lake"}]`)
	}
	b = appendText(b, "eventType", eventType)
	b = w.json(b, "managementEvent", strconv.FormatBool(!c.data))
	b = appendText(b, "recipientAccountId", w.account)
	b = appendText(b, "eventCategory", category)
	if c.shape == apiCall {
		b = append(b, `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256"`...)
		b = appendText(b, "clientProvidedHostHeader", c.source)
		b = append(b, '}')
	}
	b = append(b, f.extra...)
	return append(b, '}')
}

// appendInsight writes an Insights record, which has neither a caller nor an
// event name at its top level.
func (w *recordWriter) appendInsight(b []byte, c call, f fields, region string) []byte {
	b = appendTime(b, f.at)
	b = appendText(b, "awsRegion", region)
	b = appendID(b, f)
	b = appendText(b, "eventType", "AwsCloudTrailInsight")
	b = appendText(b, "recipientAccountId", w.account)
	b = appendText(b, "sharedEventID", w.guid())
	b = append(b, `,"insightDetails":{"state":"Start"`...)
	b = appendText(b, "eventSource", c.source)
	b = appendText(b, "eventName", c.name)
	b = append(b, `,"insightType":"ApiCallRateInsight","insightContext":{"statistics":{"baseline":{"average":0.0020833333},"insight":{"average":3.6},"insightDuration":5,"baselineDuration":11336}}}`...)
	b = appendText(b, "eventCategory", "Insight")
	b = append(b, f.extra...)
	return append(b, '}')
}

func appendID(b []byte, f fields) []byte {
	if f.eventID == "" {
		return b
	}
	return appendText(b, "eventID", f.eventID)
}

func appendTime(b []byte, at time.Time) []byte {
	b = append(b, `,"eventTime":"`...)
	b = at.AppendFormat(b, time.RFC3339)
	return append(b, '"')
}

// appendText appends a member whose value needs no escapes.
func appendText(b []byte, name, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...)
	return append(b, '"')
}

// json appends a member whose value is JSON, with ~ and @ filled in.
func (w *recordWriter) json(b []byte, name, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return w.fill(b, value)
}

// tail is about what appendRest still writes after the padding.
const tail = 480

// pad brings the record near the trail's average size with tags, as long
// parameters do in the wild.
func (w *recordWriter) pad(b []byte, start int) []byte {
	size := w.trail.EventBytes/2 + w.rnd.IntN(w.trail.EventBytes+1)
	if len(b)-start+tail >= size {
		return b
	}
	b = append(b, `,"additionalEventData":{"bytesTransferredIn":0,"tags":[`...)
	for sep := ""; ; sep = "," {
		b = append(b, sep...)
		b = w.fill(b, `{"key":"team/cost-center/environment","value":"platform-engineering-production-~"}`)
		if len(b)-start+tail >= size {
			return append(b, "]}"...)
		}
	}
}

// fill appends text with ~ and @ filled in.
func (w *recordWriter) fill(b []byte, text string) []byte {
	for {
		i := strings.IndexAny(text, "~@")
		if i < 0 {
			return append(b, text...)
		}
		b = append(b, text[:i]...)
		if text[i] == '@' {
			b = append(b, w.account...)
		} else {
			b = appendHex(b, w.rnd.Uint64())
		}
		text = text[i+1:]
	}
}

func appendHex(b []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for range 16 {
		b = append(b, digits[v>>60])
		v <<= 4
	}
	return b
}

func (w *recordWriter) seed(n int) {
	if w.rnd == nil {
		w.rnd = rand.New(&w.pcg)
		w.calls, w.callers = catalog(), identities()
	}
	w.pcg.Seed(w.trail.Seed<<2|drawRecord, uint64(n))
}

func (w *recordWriter) pickCall() call {
	at := w.rnd.IntN(1000)
	for _, c := range w.calls {
		if at -= c.weight; at < 0 {
			return c
		}
	}
	return w.calls[0]
}

func (w *recordWriter) pickIdentity() identity {
	at := w.rnd.IntN(100)
	for _, id := range w.callers {
		if at -= id.weight; at < 0 {
			return id
		}
	}
	return w.callers[0]
}

func (w *recordWriter) publicIP() string {
	r := w.rnd.Uint32()
	if r&15 == 0 {
		return `"2001:db8::` + strconv.FormatUint(uint64(r>>16), 16) + `"`
	}
	return `"203.0.113.` + strconv.Itoa(int(r>>8&255)) + `"`
}

func (w *recordWriter) guid() string {
	h := appendHex(appendHex(make([]byte, 0, 32), w.rnd.Uint64()), w.rnd.Uint64())
	h[12] = '4'
	return string(h[:8]) + "-" + string(h[8:12]) + "-" + string(h[12:16]) + "-" + string(h[16:20]) + "-" + string(h[20:])
}

// quirk makes the record odd in one way. Every record stays valid JSON but for
// bad UTF-8, and is the only one of its kind: copies aside no two are equal.
func (w *recordWriter) quirk(f *fields) {
	switch w.rnd.IntN(8) {
	case 0: // as records before version 1.01
		f.version, f.eventID = "1.0", ""
	case 1:
		f.agent = `"agent with \u0000 in it, and \\u0000 as text"`
	case 2:
		f.agent = `"a lone \ud83d surrogate"`
	case 3:
		f.agent = "\"bad UTF-8 \xff\xc0\x80\""
	case 4:
		f.params, f.response = `"HIDDEN_DUE_TO_SECURITY_REASONS"`, `"{\"as\":\"text\"}"`
	case 5:
		f.identity, f.ip, f.extra = "null", "null", `,"errorCode":null,"errorMessage":null,"vpcEndpointId":null`
	case 6:
		f.params = `{"beyondFloat64":1e400,"beyondInt64":123456789012345678901234567890,"exponent":1.688560107857E9}`
	case 7:
		f.extra = `,"eventVersion":"1.11","EventName":"in another case","emptyName":{"":0}`
	}
}
