package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A queue is the SQS queue that announces objects.
type queue struct {
	client   *sqs.Client
	access   *awsconfig.Access
	settings Notifications
	name     string // account/name, for split IDs
}

// A message is one that was received and not deleted yet.
type message struct {
	id      string
	receipt string // of the latest receipt: only that one counts
	body    string
	sent    time.Time
	// receives is how often the message was handed out, to whomever.
	receives int
}

// batchSize is how many messages one request may speak of (SQS API reference).
const batchSize = 10

var regionInHost = regexp.MustCompile(`(?:^|\.)sqs\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.amazonaws\.com`)

// newQueue makes a queue that is asked where its URL says. Its Region comes from there
// too, and never from a message.
func newQueue(n Notifications, access *awsconfig.Access) (*queue, error) {
	u, err := url.Parse(n.QueueURL)
	if err != nil {
		return nil, sdk.Denied(fmt.Errorf("queue_url: %w", err))
	}
	endpoint := n.Endpoint
	if endpoint == "" {
		endpoint = u.Scheme + "://" + u.Host
	}
	region := access.Region
	if m := regionInHost.FindStringSubmatch(u.Hostname()); m != nil {
		region = m[1] + m[2]
	}
	client := sqs.NewFromConfig(access.Config, func(o *sqs.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.Region = region
	})
	return &queue{client: client, access: access, settings: n, name: strings.Trim(u.Path, "/")}, nil
}

// receive waits for up to limit messages, and returns none if there are none.
func (q *queue) receive(ctx context.Context, limit int) ([]message, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:            aws.String(q.settings.QueueURL),
		MaxNumberOfMessages: int32(min(limit, batchSize)),
		WaitTimeSeconds:     seconds(q.settings.Wait),
		VisibilityTimeout:   seconds(q.settings.Visibility),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", q.settings.QueueURL, q.classify(ctx, err, "sqs:ReceiveMessage"))
	}
	var messages []message
	for _, m := range out.Messages {
		receives, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		sent, _ := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
		messages = append(messages, message{
			id: aws.ToString(m.MessageId), receipt: aws.ToString(m.ReceiptHandle), body: aws.ToString(m.Body),
			receives: max(receives, 1), sent: time.UnixMilli(sent).UTC(),
		})
	}
	return messages, nil
}

// redrives reports whether the queue moves messages that nobody can read to another.
func (q *queue) redrives(ctx context.Context) (bool, error) {
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(q.settings.QueueURL),
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy},
	})
	if err != nil {
		return false, fmt.Errorf("ask queue %s for its redrive policy: %w", q.settings.QueueURL, q.classify(ctx, err, "sqs:GetQueueAttributes"))
	}
	return out.Attributes[string(types.QueueAttributeNameRedrivePolicy)] != "", nil
}

// A refusal is the fate of one entry of a batch that was not carried out.
type refusal struct {
	entry int
	// lost says that the receipt does not count any more: the message has gone back to
	// the queue, or out of it.
	lost bool
}

// remove deletes up to 10 messages by their receipts.
func (q *queue) remove(ctx context.Context, receipts []string) ([]refusal, error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(q.settings.QueueURL)}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipt),
		})
	}
	out, err := q.client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("delete messages of %s: %w", q.settings.QueueURL, q.classify(ctx, err, "sqs:DeleteMessage"))
	}
	return refusals(out.Failed), nil
}

// A hiding says how long from now on a message is to stay out of others' sight.
type hiding struct {
	receipt string
	during  time.Duration
}

// hide changes the visibility of up to 10 messages.
func (q *queue) hide(ctx context.Context, hidings []hiding) ([]refusal, error) {
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(q.settings.QueueURL)}
	for i, h := range hidings {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(h.receipt), VisibilityTimeout: seconds(h.during),
		})
	}
	out, err := q.client.ChangeMessageVisibilityBatch(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("change visibility of messages of %s: %w", q.settings.QueueURL, q.classify(ctx, err, "sqs:ChangeMessageVisibility"))
	}
	return refusals(out.Failed), nil
}

func refusals(failed []types.BatchResultErrorEntry) []refusal {
	var all []refusal
	for _, f := range failed {
		if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil {
			all = append(all, refusal{entry: i, lost: f.SenderFault})
		}
	}
	return all
}

// seconds rounds up to what SQS counts in.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// classify says what an error of SQS means and how to mend it. The codes are those of
// the SQS API reference; AWS.SimpleQueueService. precedes them where SQS is asked as of
// old.
func (q *queue) classify(ctx context.Context, err error, need string) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	denied := func(what string) error {
		return sdk.Denied(fmt.Errorf("%s: %s: %s", api.ErrorCode(), api.ErrorMessage(), what))
	}
	switch code := strings.TrimPrefix(api.ErrorCode(), "AWS.SimpleQueueService."); code {
	case "QueueDoesNotExist", "NonExistentQueue", "InvalidAddress":
		return denied("there is no such queue: check queue_url")
	case "AccessDenied", "AccessDeniedException":
		return denied("allow " + need + " on the queue")
	case "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidToken":
		q.access.Renew() // the files may hold others by now
		return denied("AWS refuses the credentials: renew or replace them")
	case "RequestTimeTooSkewed", "RequestExpired":
		return denied("set this host's clock")
	default:
		if status, _ := answer(err); strings.HasPrefix(code, "Kms") && code != "KmsThrottled" {
			return denied("allow kms:Decrypt with the key of the queue, and make that key usable")
		} else if status == http.StatusForbidden || status == http.StatusUnauthorized {
			return denied("allow " + need + " on the queue")
		}
	}
	return err // throttling, OverLimit and all the rest: retried
}
