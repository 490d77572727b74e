package oracle

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// FilteredName is the eventName of records that the pipelines under test filter out.
const FilteredName = "ChaosFilteredOut"

// The account and Region that all records are of.
const (
	Account = "111122223333"
	Region  = "us-east-1"
)

// An Object is what one upload holds.
type Object struct {
	Key     string
	Body    []byte // as uploaded
	Records []Issued
}

// A Generator makes objects of records that nobody has seen before. Its methods may be
// called concurrently; with one caller the same seed gives the same objects, times aside.
type Generator struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	n      int
	recent []string // records issued lately, which may come again as copies
}

// NewGenerator makes one. The names of its objects and records depend on the seed.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rnd: rand.New(rand.NewPCG(seed, 1))}
}

// Shares say how an object's records are divided; what is left are kept.
type Shares struct{ Filtered, Copies float64 }

// Object makes an object of n records whose key is of the given time.
func (g *Generator) Object(at time.Time, n int, shares Shares) Object {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := Object{Key: g.key(at)}
	var texts []string
	for range n {
		text, issued := g.record(at, shares)
		texts, o.Records = append(texts, text), append(o.Records, issued)
	}
	o.Body = Gzip([]byte(`{"Records":[` + strings.Join(texts, ",") + `]}`))
	return o
}

// Raw makes an object of a body that is uploaded as it is.
func (g *Generator) Raw(at time.Time, body []byte, records ...Issued) Object {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Object{Key: g.key(at), Body: body, Records: records}
}

// Record makes one record of a class, its text and its line for the manifest.
func (g *Generator) Record(at time.Time, class Class) (string, Issued) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := "PutObject"
	if class == Filtered {
		name = FilteredName
	}
	text, id := g.text(at, name)
	return text, issued(id, class, text)
}

// NewIssued is the line of the manifest for a text made elsewhere.
func NewIssued(id string, class Class, text string) Issued { return issued(id, class, text) }

// ID is a new eventID.
func (g *Generator) ID() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.id()
}

func (g *Generator) record(at time.Time, shares Shares) (string, Issued) {
	draw := g.rnd.Float64()
	switch {
	case draw < shares.Filtered:
		text, id := g.text(at, FilteredName)
		return text, issued(id, Filtered, text)
	case draw < shares.Filtered+shares.Copies && len(g.recent) > 0:
		text := g.recent[g.rnd.IntN(len(g.recent))]
		_, rest, _ := strings.Cut(text, `"eventID":"`)
		return text, issued(rest[:36], Copy, text)
	}
	names := []string{"AssumeRole", "GetObject", "PutObject", "ConsoleLogin", "RunInstances", "DescribeInstances"}
	text, id := g.text(at, names[g.rnd.IntN(len(names))])
	const remembered = 200
	if len(g.recent) < remembered {
		g.recent = append(g.recent, text)
	} else {
		g.recent[g.rnd.IntN(remembered)] = text
	}
	return text, issued(id, Kept, text)
}

func issued(id string, class Class, text string) Issued {
	return Issued{ID: id, Class: class, Content: Content([]byte(text)), Raw: Sum([]byte(text))}
}

// text is a record as CloudTrail writes them, about 1.2 KB, with values that a careless
// reader would change.
func (g *Generator) text(at time.Time, name string) (text, id string) {
	id = g.id()
	g.n++
	when := at.Add(-time.Duration(g.rnd.IntN(600)) * time.Second).UTC().Format(time.RFC3339)
	user := fmt.Sprintf("user-%d", g.rnd.IntN(50))
	size := g.rnd.IntN(1 << 20)
	return strings.NewReplacer("ACCOUNT", Account, "USER", user, "WHEN", when, "NAME", name, "REGION", Region,
		"ADDRESS", g.address(), "BUCKET", fmt.Sprintf("b-%d", g.rnd.IntN(9)), "NUMBER", strconv.Itoa(g.n), "SIZE", strconv.Itoa(size),
		"NOTE", strings.Repeat("lorem ipsum ", g.rnd.IntN(30)), "REQUEST", g.id(), "EVENT", id, "READ", strconv.FormatBool(g.rnd.IntN(2) == 0),
	).Replace(template), id
}

const template = `{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDANUMBER","arn":"arn:aws:iam::ACCOUNT:user/USER",` +
	`"accountId":"ACCOUNT","userName":"USER","sessionContext":{"attributes":{"mfaAuthenticated":"false","creationDate":"WHEN"}}},` +
	`"eventTime":"WHEN","eventSource":"s3.amazonaws.com","eventName":"NAME","awsRegion":"REGION","sourceIPAddress":"ADDRESS",` +
	`"userAgent":"[aws-cli/2.15.0 {\"a\": \"}\"} \\ \u00e9\ud83d\ude00]","requestParameters":{"bucketName":"BUCKET","key":"a/{NUMBER}/\"q\"","size":SIZE.50,` +
	`"big":12345678901234567890,"nested":[1,null,{"x":[]}],"note":"NOTE"},"responseElements":null,"additionalEventData":{"bytesTransferredIn":SIZE},` +
	`"requestID":"REQUEST","eventID":"EVENT","readOnly":READ,"resources":[{"ARN":"arn:aws:s3:::BUCKET","type":"AWS::S3::Bucket"}],` +
	`"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"ACCOUNT","eventCategory":"Data","tlsDetails":{"tlsVersion":"TLSv1.3"}}`

// address is as often a service as an IP address, as in real records.
func (g *Generator) address() string {
	if g.rnd.IntN(2) == 0 {
		return "ec2.amazonaws.com"
	}
	return fmt.Sprintf("203.0.113.%d", g.rnd.IntN(256))
}

func (g *Generator) id() string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(g.rnd.Uint32())
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}

func (g *Generator) key(at time.Time) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var suffix [16]byte
	for i := range suffix {
		suffix[i] = letters[g.rnd.IntN(len(letters))]
	}
	return Key(at, string(suffix[:]))
}

// Key is the key of an object of the given time.
func Key(at time.Time, suffix string) string {
	at = at.UTC()
	return fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%[1]s_CloudTrail_%[2]s_%[4]sZ_%[5]s.json.gz",
		Account, Region, at.Format("2006/01/02"), at.Format("20060102T1504"), suffix)
}

// Gzip compresses a body as CloudTrail does.
func Gzip(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is valid
	_, _ = w.Write(plain)                             // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
