package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Write posts the batch and returns when the endpoint has answered that it is stored.
// A batch that is posted again has the same webhook-id, by which the endpoint can tell.
func (s *sink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	body, id, rejected := encode(b.Events)
	result := sdk.Result{Rejected: rejected}
	if len(rejected) == len(b.Events) {
		return result, nil // nothing to post
	}
	var err error
	for attempt := range s.settings.Attempts {
		var again time.Duration
		if again, err = s.post(ctx, id, body); err == nil {
			return result, nil
		}
		if sdk.IsInvalid(err) || sdk.IsDenied(err) || attempt == s.settings.Attempts-1 {
			break
		}
		if err := wait(ctx, max(again, backoff(attempt))); err != nil {
			return sdk.Result{}, err
		}
	}
	return sdk.Result{}, fmt.Errorf("post %d events to %s: %w", len(b.Events), s.settings.URL, err)
}

// encode makes the body, {"events":[…]} with each record as it is, and an identity for
// the message that depends on nothing but its events.
func encode(events []sdk.Event) (body []byte, id string, rejected []sdk.Reject) {
	text := bytes.NewBufferString(`{"events":[`)
	sum := sha256.New()
	first := true
	for i, e := range events {
		mark := text.Len()
		if !first {
			text.WriteByte(',')
		}
		if err := json.Compact(text, e.Raw); err != nil {
			text.Truncate(mark)
			rejected = append(rejected, sdk.Reject{Index: i, Reason: "record is not JSON: " + err.Error()})
			continue
		}
		first = false
		_, _ = io.WriteString(sum, e.ID+"\n") // a hash takes all
	}
	text.WriteString("]}")
	return text.Bytes(), "msg_" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)), rejected
}

// post sends one request. Its error says by its class what the agent is to do, and
// after how long the endpoint wants to be asked again.
func (s *sink) post(ctx context.Context, id string, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.settings.URL, bytes.NewReader(body))
	if err != nil {
		return 0, sdk.Invalid(err)
	}
	for name, value := range s.settings.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	s.sign(req, id, time.Now(), body)
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	// Reading to the end lets the connection be used again.
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return 0, err
	}
	return retryAfter(res.Header), classify(res.StatusCode, fmt.Errorf("%s: %s", res.Status, line(answer)))
}

// classify: 4xx says that the request is at fault, and which of them that asking again
// may help.
func classify(status int, err error) error {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return sdk.Invalid(err) // the agent finds the event at fault by halves
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return err
	}
	if status >= 300 && status < 500 {
		return sdk.Denied(err) // a wrong URL or credential: somebody has to act
	}
	return err
}

// line is the start of an answer, for a message.
func line(answer []byte) string {
	text, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\n")
	return text[:min(len(text), 200)]
}

const longestWait = time.Minute

// retryAfter reads the header in seconds (RFC 9110, 10.2.3); its form as a date is rare
// in APIs and counts as absent.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestWait)
}

// backoff doubles from a quarter of a second, with jitter so that agents that failed
// together do not come back together.
func backoff(attempt int) time.Duration {
	d := 250 * time.Millisecond << attempt
	return d/2 + rand.N(d/2)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sign adds the three headers of Standard Webhooks. Without a secret there is no
// signature, but still an identity.
func (s *sink) sign(req *http.Request, id string, now time.Time, body []byte) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp)
	if len(s.key) > 0 {
		req.Header.Set("Webhook-Signature", "v1,"+signature(s.key, id, stamp, body))
	}
}

func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.", id, stamp) // a hash takes all
	_, _ = mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signingKey reads a secret: whsec_ and base64 as Standard Webhooks writes it, else the
// text itself. The error does not repeat it.
func signingKey(secret string) ([]byte, error) {
	encoded, found := strings.CutPrefix(secret, "whsec_")
	if !found {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("secret: what follows whsec_ is not base64")
	}
	return key, nil
}
