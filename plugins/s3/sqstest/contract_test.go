package sqstest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
)

// Every rule below is true of another stand-in as well, which somebody else wrote: see
// moto_test.go.
func TestContract(t *testing.T) {
	s, err := sqstest.Start(sqstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	contract(t, client(s.URL))
}

func client(url string) *sqs.Client {
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
}

// A user makes requests of the queue q, and fails the test where one fails.
type user struct {
	*testing.T
	c *sqs.Client
	q *string
}

func (u user) on(name string, attributes map[string]string) user {
	u.Helper()
	out, err := u.c.CreateQueue(u.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
	if err != nil {
		u.Fatal(err)
	}
	u.q = out.QueueUrl
	return u
}

func (u user) send(body string) {
	u.Helper()
	if _, err := u.c.SendMessage(u.Context(), &sqs.SendMessageInput{QueueUrl: u.q, MessageBody: aws.String(body)}); err != nil {
		u.Fatal(err)
	}
}

func (u user) receive(wait, hidden int32) []types.Message {
	u.Helper()
	out, err := u.c.ReceiveMessage(u.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: u.q, MaxNumberOfMessages: 10, WaitTimeSeconds: wait, VisibilityTimeout: hidden,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount", "SentTimestamp"},
	})
	if err != nil {
		u.Fatal(err)
	}
	return out.Messages
}

func (u user) one(hidden int32) types.Message {
	u.Helper()
	m := u.receive(0, hidden)
	if len(m) != 1 {
		u.Fatalf("received %d messages, want 1", len(m))
	}
	return m[0]
}

func (u user) show(m types.Message) error {
	_, err := u.c.ChangeMessageVisibility(u.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: u.q, ReceiptHandle: m.ReceiptHandle})
	return err
}

func contract(t *testing.T, c *sqs.Client) {
	for name, rule := range map[string]func(*testing.T, user){
		"a message is received, hidden and deleted":    hidden,
		"a hidden message can be shown at once":        shown,
		"a long poll ends when a message comes":        longPoll,
		"a batch answers for each entry":               batch,
		"a batch with equal ids is refused":            equalIDs,
		"a batch without entries is refused":           emptyBatch,
		"a queue that is not there is an error":        noQueue,
		"what is received too often goes to its queue": redrive,
		"a receipt that is none is an error":           badReceipt,
	} {
		t.Run(name, func(t *testing.T) {
			u := user{T: t, c: c}
			rule(t, u.on(strings.NewReplacer(" ", "-", ",", "").Replace(name), nil))
		})
	}
}

func hidden(t *testing.T, u user) {
	u.send("hello")
	m := u.one(300)
	if aws.ToString(m.Body) != "hello" || m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SentTimestamp"] == "" {
		t.Errorf("message = %+v", m)
	}
	if again := u.receive(0, 300); len(again) != 0 {
		t.Errorf("a hidden message was received again")
	}
	if _, err := u.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: u.q, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Error(err)
	}
	out, err := u.c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: u.q, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	if a := out.Attributes; a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" || a["VisibilityTimeout"] != "30" {
		t.Errorf("attributes = %v", a)
	}
}

func shown(t *testing.T, u user) {
	u.send("hello")
	m := u.one(300)
	if err := u.show(m); err != nil {
		t.Fatal(err)
	}
	again := u.one(300)
	if again.Attributes["ApproximateReceiveCount"] != "2" || aws.ToString(again.MessageId) != aws.ToString(m.MessageId) {
		t.Errorf("message = %+v, want the same, received twice", again)
	}
	if aws.ToString(again.ReceiptHandle) == aws.ToString(m.ReceiptHandle) {
		t.Error("both receipts are the same")
	}
}

func longPoll(t *testing.T, u user) {
	received := make(chan []types.Message)
	go func() {
		out, err := u.c.ReceiveMessage(context.WithoutCancel(t.Context()), &sqs.ReceiveMessageInput{QueueUrl: u.q, WaitTimeSeconds: 20})
		if err != nil {
			received <- nil
			return
		}
		received <- out.Messages
	}()
	u.send("hello")
	if m := <-received; len(m) != 1 {
		t.Errorf("received %d messages, want 1", len(m))
	}
}

func batch(t *testing.T, u user) {
	u.send("a")
	u.send("b")
	in := &sqs.DeleteMessageBatchInput{QueueUrl: u.q}
	for i, m := range append(u.receive(0, 300), types.Message{ReceiptHandle: aws.String("nonsense")}) {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("e", i)), ReceiptHandle: m.ReceiptHandle})
	}
	out, err := u.c.DeleteMessageBatch(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 2 || len(out.Failed) != 1 || aws.ToString(out.Failed[0].Id) != "e2" || !out.Failed[0].SenderFault {
		t.Errorf("answer = %+v, %+v, want two good entries and e2 bad", out.Successful, out.Failed)
	}
}

func equalIDs(t *testing.T, u user) {
	e := types.DeleteMessageBatchRequestEntry{Id: aws.String("a"), ReceiptHandle: aws.String("r")}
	_, err := u.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: u.q, Entries: []types.DeleteMessageBatchRequestEntry{e, e}})
	if !errors.As(err, new(*types.BatchEntryIdsNotDistinct)) {
		t.Errorf("error = %v, want BatchEntryIdsNotDistinct", err)
	}
}

func emptyBatch(t *testing.T, u user) {
	_, err := u.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: u.q, Entries: []types.DeleteMessageBatchRequestEntry{}})
	if !errors.As(err, new(*types.EmptyBatchRequest)) {
		t.Errorf("error = %v, want EmptyBatchRequest", err)
	}
}

func noQueue(t *testing.T, u user) {
	_, err := u.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(aws.ToString(u.q) + "-other")})
	if !errors.As(err, new(*types.QueueDoesNotExist)) {
		t.Errorf("error = %v, want QueueDoesNotExist", err)
	}
}

func redrive(t *testing.T, u user) {
	dead := u.on("dead", nil)
	u = u.on("live", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:` + account(t, dead) + `:dead","maxReceiveCount":"2"}`})
	u.send("poison")
	for range 2 {
		if err := u.show(u.one(300)); err != nil {
			t.Fatal(err)
		}
	}
	if m := u.receive(0, 300); len(m) != 0 {
		t.Errorf("received a third time, want it gone")
	}
	if m := dead.one(300); aws.ToString(m.Body) != "poison" {
		t.Errorf("the other queue has %+v", m)
	}
}

// account is that in the queue's ARN; stand-ins have different ones.
func account(t *testing.T, u user) string {
	t.Helper()
	out, err := u.c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: u.q, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(out.Attributes["QueueArn"], ":")[4]
}

func badReceipt(t *testing.T, u user) {
	_, err := u.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: u.q, ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "ReceiptHandleIsInvalid" {
		t.Errorf("error = %v, want ReceiptHandleIsInvalid", err)
	}
}
