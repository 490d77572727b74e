package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A notice is what a message of the queue says.
type notice struct {
	objects []object
	asides  []aside // parts that speak of no object
}

// An object is one that a message speaks of. Nothing in it has been checked but its form.
type object struct {
	bucket, key string
	etag        string // empty if the message does not tell
	version     string
	bytes       int64     // 0 if unknown
	at          time.Time // of the event
	created     bool      // else it was removed, restored, tagged …
}

// An aside is the kind of a message that speaks of no object.
type aside string

const (
	testEvent    aside = "test event of S3"
	validation   aside = "validation message of CloudTrail"
	subscription aside = "subscription message of SNS; it is deleted, confirm the subscription where the topic is managed"
	foreign      aside = "text about something else; it is deleted"
)

const (
	// maxWraps is how many envelopes may lie around a notice: SNS in SQS, and one more.
	maxWraps = 3
	// maxObjects is far more than S3 and CloudTrail put into one message.
	maxObjects = 1000
	// maxKey is how long a key of S3 can be ("Creating object key names", S3 user guide),
	// and a version's ID too. Names of buckets are shorter by far.
	maxKey = 1024
)

// parseNotice reads the body of a message: an event notification of S3, an event of
// EventBridge, or CloudTrail's own notification, as it is or in an envelope of SNS or
// SQS. It tells them apart by their shape alone.
//
// The error is about parts that cannot be understood; the notice holds the others.
func parseNotice(body string) (notice, error) {
	var p noticeParser
	p.text(body, 0)
	if len(p.notice.objects) > maxObjects {
		return notice{}, fmt.Errorf("%d objects in one message", len(p.notice.objects))
	}
	return p.notice, errors.Join(p.errs...)
}

type noticeParser struct {
	notice notice
	errs   []error
}

func (p *noticeParser) aside(a aside) { p.notice.asides = append(p.notice.asides, a) }

func (p *noticeParser) failed(format string, args ...any) {
	if len(p.errs) < 10 { // a message may be all errors
		p.errs = append(p.errs, fmt.Errorf(format, args...))
	}
}

// members are those of a JSON object, or nil.
type members map[string]jsontext.Value

func membersOf(v jsontext.Value) members {
	if v.Kind() != '{' {
		return nil
	}
	var m members
	if json.Unmarshal(v, &m) != nil {
		return nil
	}
	return m
}

// text is the member's text, or "" if it is no text.
func (m members) text(name string) string {
	var s string
	if v := m[name]; v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// text reads a message, or one that lies in wraps others.
func (p *noticeParser) text(body string, wraps int) {
	if strings.TrimSpace(body) == "CloudTrail validation message." {
		p.aside(validation)
		return
	}
	var m members
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		p.failed("not a notification: %w", err)
		return
	}
	if m == nil {
		p.failed("not a notification: null")
		return
	}
	switch {
	case m.text("Type") == "Notification" && m["Message"].Kind() == '"':
		p.wrapped(m.text("Message"), wraps)
	case m.text("Type") == "SubscriptionConfirmation" || m.text("Type") == "UnsubscribeConfirmation":
		// Its URL is never fetched: whoever can write to the queue could name any.
		p.aside(subscription)
	case m.text("Event") == "s3:TestEvent":
		p.aside(testEvent)
	case m["Records"].Kind() == '[':
		p.records(m["Records"], wraps)
	case m["s3Bucket"].Kind() == '"' && m["s3ObjectKey"].Kind() == '[':
		p.cloudTrail(m)
	case m.text("source") == "aws.s3" && m["detail"].Kind() == '{':
		p.eventBridge(m)
	default:
		p.aside(foreign)
	}
}

func (p *noticeParser) wrapped(body string, wraps int) {
	if wraps == maxWraps {
		p.failed("more than %d envelopes around the notification", maxWraps)
		return
	}
	p.text(body, wraps+1)
}

// records reads what S3, and what AWS Lambda on behalf of SQS and SNS, call Records.
func (p *noticeParser) records(list jsontext.Value, wraps int) {
	var records []jsontext.Value
	if err := json.Unmarshal(list, &records); err != nil {
		p.failed("records cannot be read: %w", err)
		return
	}
	if len(records) == 0 {
		p.aside(foreign)
	}
	for _, r := range records {
		m := membersOf(r)
		switch {
		case m.text("eventSource") == "aws:s3":
			p.s3(m)
		case m.text("eventSource") == "aws:sqs" && m["body"].Kind() == '"':
			p.wrapped(m.text("body"), wraps)
		case m.text("EventSource") == "aws:sns" && membersOf(m["Sns"])["Message"].Kind() == '"':
			p.wrapped(membersOf(m["Sns"]).text("Message"), wraps)
		default:
			p.aside(foreign)
		}
	}
}

// s3 reads a record of an event notification; see "Event message structure" in the S3
// user guide. The name may come without "s3:".
func (p *noticeParser) s3(m members) {
	if major, _, _ := strings.Cut(m.text("eventVersion"), "."); major != "2" {
		p.failed("notification of S3 in version %s", quote(m.text("eventVersion")))
		return
	}
	body := membersOf(m["s3"])
	bucket, o := membersOf(body["bucket"]), membersOf(body["object"])
	// The key is encoded like a form: + is a space.
	key, err := url.QueryUnescape(o.text("key"))
	if err != nil {
		p.failed("notification of S3 with a key that is not encoded as it should be: %s", quote(o.text("key")))
		return
	}
	p.object(object{
		bucket: bucket.text("name"), key: key,
		etag: o.text("eTag"), version: o.text("versionId"), bytes: sizeOf(o["size"]), at: timeOf(m.text("eventTime")),
		created: strings.HasPrefix(strings.TrimPrefix(m.text("eventName"), "s3:"), "ObjectCreated:"),
	})
}

// eventBridge reads an event of EventBridge; see "EventBridge event message structure"
// in the S3 user guide. Its key is not encoded.
func (p *noticeParser) eventBridge(m members) {
	detail := membersOf(m["detail"])
	bucket, o := membersOf(detail["bucket"]), membersOf(detail["object"])
	if bucket == nil || o == nil {
		p.aside(foreign)
		return
	}
	if major, _, _ := strings.Cut(detail.text("event-version"), "."); major != "" && major != "1" {
		p.failed("event of S3 in version %s", quote(detail.text("event-version")))
		return
	}
	p.object(object{
		bucket: bucket.text("name"), key: o.text("key"),
		etag: o.text("etag"), version: o.text("version-id"), bytes: sizeOf(o["size"]), at: timeOf(m.text("time")),
		created: m.text("detail-type") == "Object Created",
	})
}

// cloudTrail reads CloudTrail's own notification, which it publishes for each delivery;
// see "Configuring Amazon SNS notifications for CloudTrail". Its keys are not encoded.
func (p *noticeParser) cloudTrail(m members) {
	var keys []string
	if err := json.Unmarshal(m["s3ObjectKey"], &keys); err != nil {
		p.failed("notification of CloudTrail with keys that cannot be read: %w", err)
		return
	}
	if len(keys) == 0 {
		p.aside(foreign)
	}
	for _, key := range keys {
		p.object(object{bucket: m.text("s3Bucket"), key: key, created: true})
	}
}

func (p *noticeParser) object(o object) {
	switch {
	case o.bucket == "" || o.key == "":
		p.failed("notification without bucket or key")
	case len(o.bucket) > maxKey || len(o.key) > maxKey || len(o.version) > maxKey:
		p.failed("notification with a name of more than %d bytes", maxKey)
	default:
		o.etag = strings.Trim(o.etag, `"`)
		p.notice.objects = append(p.notice.objects, o)
	}
}

// sizeOf is a size in bytes, 0 if it is none.
func sizeOf(v jsontext.Value) int64 {
	const largest = 50 << 40 // "Amazon S3 object size", more than any object has
	var n int64
	if v.Kind() != '0' || json.Unmarshal(v, &n) != nil || n < 0 || n > largest {
		return 0
	}
	return n
}

// timeOf is the zero time for what is no time.
func timeOf(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// quote quotes the beginning of a text that may be of any length.
func quote(s string) string { return fmt.Sprintf("%.100q", s) }
