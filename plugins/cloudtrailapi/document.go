package cloudtrailapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// document is a pass over a window in the form of a CloudTrail file, {"Records":[…]},
// so that an event becomes the same whether it comes from here or from S3. It asks for
// the next page when the last one has been read, and holds one page at a time.
type document struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Fetch
	region *region
	in     cloudtrail.LookupEventsInput
	stream stream
	emit   func([]sdk.Event) error // of what cannot be a record

	text    bytes.Buffer
	began   bool
	records int
	ended   bool
}

// Read implements [io.Reader].
func (d *document) Read(p []byte) (int, error) {
	for d.text.Len() == 0 {
		if d.ended {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	return d.text.Read(p)
}

// next gets a page. A page may be short or empty and still not be the last: only one
// without a token is (AWS CloudTrail API reference, LookupEvents, NextToken).
//
// A token that is refused makes the pass begin again, as an error does: the agent
// throws away what it counted and calls Fetch anew.
func (d *document) next() error {
	out, err := d.region.lookUp(d.ctx, &d.in, maxAttempts)
	if err != nil {
		return err
	}
	if !d.began {
		d.began = true
		d.text.WriteString(`{"Records":[`)
	}
	for _, e := range out.Events {
		if err := d.add(e); err != nil {
			return err
		}
	}
	switch {
	case aws.ToString(out.NextToken) == "":
		d.ended = true
		d.text.WriteString(`]}`)
		return nil
	case aws.ToString(out.NextToken) == aws.ToString(d.in.NextToken):
		// Ending here would pass for a complete reading, going on might never end.
		return errors.New("the service says that there is more but not where")
	}
	d.in.NextToken = out.NextToken
	return nil
}

// add appends an event's record to the text. One without is emitted as rejected, with
// all that the service said of it.
func (d *document) add(e types.Event) error {
	record := strings.Trim(aws.ToString(e.CloudTrailEvent), " \t\r\n")
	switch {
	case record == "":
		return d.reject(e, "LookupEvents gave no CloudTrailEvent")
	case !isJSON(record):
		return d.reject(e, "CloudTrailEvent is not JSON")
	}
	if d.records > 0 {
		d.text.WriteByte(',')
	}
	d.records++
	d.text.Write(annotate([]byte(record), e))
	return nil
}

// deep is fewer bytes than a text needs to be nested as deep as the tokenizer goes,
// 10,000 levels, less the two of the document around it.
const deep = 2 * 9_998

// isJSON reports whether text is one JSON value, also when it stands in the document,
// with the tolerance for bad UTF-8 and repeated names that records are read with.
func isJSON(text string) bool {
	valid := func(text string) bool {
		return jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	}
	return valid(text) && (len(text) < deep || valid("[["+text+"]]"))
}

func (d *document) reject(e types.Event, reason string) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write down event %s: %w", aws.ToString(e.EventId), err)
	}
	id := strings.ToLower(aws.ToString(e.EventId))
	if id == "" {
		sum := sha256.Sum256(raw)
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	rejected := sdk.Event{
		ID: id, Name: aws.ToString(e.EventName), Source: aws.ToString(e.EventSource),
		Region: d.stream.region, Account: d.stream.account, Raw: raw, Reject: reason,
	}
	if e.EventTime != nil {
		rejected.Time = e.EventTime.UTC()
	}
	return d.emit([]sdk.Event{rejected})
}
