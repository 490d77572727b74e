package sqstest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// input has the members of all requests.
type input struct {
	QueueUrl, QueueName         string // the names on the wire
	Attributes                  map[string]string
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MaxNumberOfMessages         int
	WaitTimeSeconds             int
	VisibilityTimeout           *int
	about
	Entries []entry
}

// about is what concerns one message.
type about struct {
	MessageBody   string
	ReceiptHandle string
}

// entry is a part of a request about several messages.
type entry struct {
	Id string // the names on the wire
	about
	VisibilityTimeout *int
}

// output is an answer; what is not set is left out.
type output map[string]any

type operation func(context.Context, input) (output, *failure)

func (s *Server) operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":                  s.createQueue,
		"GetQueueAttributes":           s.onQueue(s.attributes),
		"SendMessage":                  s.onQueue(s.send),
		"SendMessageBatch":             s.batch(s.send),
		"ReceiveMessage":               s.receive,
		"DeleteMessage":                s.onQueue(s.remove),
		"DeleteMessageBatch":           s.batch(s.remove),
		"ChangeMessageVisibility":      s.onQueue(s.hide),
		"ChangeMessageVisibilityBatch": s.batch(s.hide),
	}
}

// onQueue finds the queue of a request and holds the lock.
func (s *Server) onQueue(do func(*queue, input) (output, *failure)) operation {
	return func(_ context.Context, in input) (output, *failure) {
		s.mu.Lock()
		defer s.mu.Unlock()
		q := s.queues[nameIn(in.QueueUrl)]
		if q == nil {
			return nil, noQueue()
		}
		return do(q, in)
	}
}

// batch carries out one operation for each entry. The answer is good even if none was.
func (s *Server) batch(do func(*queue, input) (output, *failure)) operation {
	return s.onQueue(func(q *queue, in input) (output, *failure) {
		seen := make(map[string]bool)
		for _, e := range in.Entries {
			if seen[e.Id] {
				return nil, &failure{"BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id " + e.Id + " repeated."}
			}
			seen[e.Id] = true
		}
		switch n := len(in.Entries); {
		case n == 0:
			return nil, &failure{"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry."}
		case n > 10:
			return nil, &failure{"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", n)}
		}
		good, bad := []output{}, []output{}
		for _, e := range in.Entries {
			out, f := do(q, input{about: e.about, VisibilityTimeout: e.VisibilityTimeout})
			if f != nil {
				bad = append(bad, output{"Id": e.Id, "SenderFault": true, "Code": f.code, "Message": f.message})
				continue
			}
			out["Id"] = e.Id
			good = append(good, out)
		}
		return output{"Successful": good, "Failed": bad}, nil
	})
}

func nameIn(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func (s *Server) createQueue(_ context.Context, in input) (output, *failure) {
	o := Queue{Visibility: 30 * time.Second, Retention: 4 * 24 * time.Hour}
	for name, value := range in.Attributes {
		n, err := strconv.Atoi(value)
		switch {
		case name == "RedrivePolicy":
			var policy struct {
				DeadLetterTargetARN string          `json:"deadLetterTargetArn"`
				MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"` // a number, or one in quotes
			}
			if json.Unmarshal([]byte(value), &policy) != nil {
				return nil, badValue("RedrivePolicy")
			}
			o.DeadLetter = policy.DeadLetterTargetARN[strings.LastIndexByte(policy.DeadLetterTargetARN, ':')+1:]
			o.MaxReceives, _ = strconv.Atoi(strings.Trim(string(policy.MaxReceiveCount), `"`))
		case err != nil:
			return nil, badValue(name)
		case name == "VisibilityTimeout":
			o.Visibility = time.Duration(n) * time.Second
		case name == "MessageRetentionPeriod":
			o.Retention = time.Duration(n) * time.Second
		}
	}
	return output{"QueueUrl": s.CreateQueue(in.QueueName, o)}, nil
}

func (s *Server) attributes(q *queue, in input) (output, *failure) {
	visible, hidden := q.count(s.now())
	all := map[string]string{
		"QueueArn":                              arn(q.name),
		"VisibilityTimeout":                     strconv.Itoa(int(q.Visibility / time.Second)),
		"MessageRetentionPeriod":                strconv.Itoa(int(q.Retention / time.Second)),
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
	}
	if q.DeadLetter != "" {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, arn(q.DeadLetter), q.MaxReceives)
	}
	asked := make(map[string]string)
	for _, name := range in.AttributeNames {
		if value, ok := all[name]; ok {
			asked[name] = value
		}
		if name == "All" {
			asked = all
		}
	}
	return output{"Attributes": asked}, nil
}

func arn(queue string) string { return "arn:aws:sqs:us-east-1:000000000000:" + queue }

func (s *Server) send(q *queue, in input) (output, *failure) {
	if in.MessageBody == "" {
		return nil, &failure{"MissingParameter", "MissingParameter", "The request must contain the parameter MessageBody."}
	}
	m := s.put(q, in.MessageBody)
	return output{"MessageId": m.id, "MD5OfMessageBody": md5Of(m.body)}, nil
}

func (s *Server) remove(q *queue, in input) (output, *failure) {
	id, receives, ok := parseReceipt(in.ReceiptHandle)
	if !ok {
		return nil, badReceipt()
	}
	if m := q.find(id); m != nil && m.receives == receives {
		q.drop(m)
	}
	return output{}, nil
}

func (s *Server) hide(q *queue, in input) (output, *failure) {
	id, receives, ok := parseReceipt(in.ReceiptHandle)
	if !ok {
		return nil, badReceipt()
	}
	if in.VisibilityTimeout == nil || *in.VisibilityTimeout < 0 || *in.VisibilityTimeout > 43200 {
		return nil, badValue("VisibilityTimeout must be between 0 and 43200")
	}
	now := s.now()
	m := q.find(id)
	switch {
	case m == nil:
		return nil, badValue("Message does not exist or is not available for visibility timeout change.")
	case m.receives != receives || !m.visible.After(now):
		return nil, notInFlight()
	}
	until := now.Add(time.Duration(*in.VisibilityTimeout) * time.Second)
	if until.After(m.received.Add(12 * time.Hour)) {
		return nil, badValue("Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	m.visible = until
	s.wake()
	return output{}, nil
}

// receive waits for messages as long as the request allows.
func (s *Server) receive(ctx context.Context, in input) (output, *failure) {
	limit := max(in.MaxNumberOfMessages, 1)
	if limit > 10 {
		return nil, badValue("MaxNumberOfMessages must be between 1 and 10")
	}
	deadline := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer deadline.Stop()
	for {
		messages, next, changed, bad := s.hand(in, limit)
		if bad != nil || len(messages) > 0 || in.WaitTimeSeconds == 0 {
			return output{"Messages": messages}, bad
		}
		visible := time.NewTimer(next)
		select {
		case <-changed:
		case <-visible.C:
		case <-deadline.C:
			visible.Stop()
			return output{}, nil
		case <-ctx.Done():
			visible.Stop()
			return output{}, nil
		}
		visible.Stop()
	}
}

// hand hands out what is visible. If nothing is, it says how long until something may be.
func (s *Server) hand(in input, limit int) (messages []output, next time.Duration, changed <-chan struct{}, bad *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[nameIn(in.QueueUrl)]
	if q == nil {
		return nil, 0, nil, noQueue()
	}
	hidden := q.Visibility
	if in.VisibilityTimeout != nil {
		hidden = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	now := s.now()
	s.expire(q, now)
	next = time.Minute
	for _, m := range q.messages {
		if m.visible.After(now) {
			next = min(next, m.visible.Sub(now))
			continue
		}
		if len(messages) == limit {
			break
		}
		m.receives++
		m.received, m.visible = now, now.Add(hidden)
		messages = append(messages, output{
			"MessageId": m.id, "ReceiptHandle": m.receipt(), "Body": m.body, "MD5OfBody": md5Of(m.body),
			"Attributes": map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
			},
		})
	}
	return messages, next, s.changed, nil
}
