package sqstest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
)

// clocked is a server with a clock that the test sets.
func clocked(t *testing.T) (*sqstest.Server, user, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s, err := sqstest.Start(sqstest.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	u := user{T: t, c: client(s.URL), q: aws.String(s.CreateQueue("q", sqstest.Queue{Retention: 4 * 24 * time.Hour}))}
	return s, u, &now
}

func TestAMessageIsHiddenForItsVisibility(t *testing.T) {
	s, u, now := clocked(t)
	s.Send("q", "hello")
	u.one(300)
	*now = now.Add(299 * time.Second)
	if m := u.receive(0, 300); len(m) != 0 {
		t.Error("received within its visibility")
	}
	*now = now.Add(time.Second)
	u.one(300)
}

func TestVisibilityEndsAfterTwelveHours(t *testing.T) {
	s, u, now := clocked(t)
	s.Send("q", "hello")
	m := u.one(40000)
	*now = now.Add(10 * time.Hour)
	_, err := u.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: u.q, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 7201})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InvalidParameterValue" {
		t.Errorf("error = %v, want InvalidParameterValue", err)
	}
}

func TestAReceiptThatIsNotTheLatestDoesNothing(t *testing.T) {
	s, u, now := clocked(t)
	s.Send("q", "hello")
	first := u.one(300)
	*now = now.Add(time.Hour)
	u.one(300)
	if _, err := u.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: u.q, ReceiptHandle: first.ReceiptHandle}); err != nil {
		t.Error(err)
	}
	if err := u.show(first); !errors.As(err, new(*types.MessageNotInflight)) {
		t.Errorf("error = %v, want MessageNotInflight", err)
	}
	if got, want := s.State("q"), (sqstest.State{Hidden: 1}); got != want {
		t.Errorf("queue = %+v, want %+v", got, want)
	}
}

func TestMessagesExpire(t *testing.T) {
	s, u, now := clocked(t)
	s.Send("q", "hello")
	*now = now.Add(4*24*time.Hour + time.Second)
	if m := u.receive(0, 300); len(m) != 0 {
		t.Error("received after it expired")
	}
	if got, want := s.State("q"), (sqstest.State{}); got != want {
		t.Errorf("queue = %+v, want %+v", got, want)
	}
}

func TestAHookAnswersInstead(t *testing.T) {
	s, u, _ := clocked(t)
	s.SetHook(func(w http.ResponseWriter, _ *http.Request, operation string) bool {
		sqstest.Fail(w, http.StatusForbidden, "AccessDenied", operation)
		return true
	})
	_, err := u.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u.q})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDenied" || api.ErrorMessage() != "ReceiveMessage" {
		t.Errorf("error = %v, want AccessDenied of ReceiveMessage", err)
	}
	if n := s.Requests("ReceiveMessage"); n != 1 {
		t.Errorf("requests = %d, want 1", n)
	}
}
