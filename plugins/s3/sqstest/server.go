// Package sqstest is a queue service in this process that speaks the JSON protocol of
// Amazon SQS, for tests: standard queues with long polling, visibility, batches,
// expiry, and redrive to a dead-letter queue. It needs no network beyond loopback and
// takes any credentials.
//
// Its rules are those of the SQS developer guide ("Amazon SQS short and long polling",
// "Amazon SQS visibility timeout", "Using dead-letter queues in Amazon SQS") and of the
// API reference. It is stricter than SQS in one thing: a receipt that is not the latest
// of its message never deletes it.
package sqstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Hook sees each request before the server does, with its operation, such as
// "ReceiveMessage". If it returns true it has answered the request itself. It may be
// called concurrently.
type Hook func(w http.ResponseWriter, r *http.Request, operation string) (handled bool)

// Options may be the zero value.
type Options struct {
	Hook Hook // nil for none; SetHook changes it
	// Now is the clock by which messages are hidden and expire; nil is time.Now. A long
	// poll waits by the system's clock all the same.
	Now func() time.Time
}

// A Server holds queues. It is an http.Handler. Its methods may be called concurrently.
type Server struct {
	// URL is the endpoint, such as http://127.0.0.1:41234. A server that does not
	// listen has one too, for clients with a transport of their own.
	URL string

	now    func() time.Time
	hook   atomic.Pointer[Hook]
	http   *http.Server
	served chan error

	mu       sync.Mutex
	queues   map[string]*queue
	changed  chan struct{} // closed, and replaced, when messages may have become visible
	requests map[string]int
	last     int // number of the latest message
}

// New makes a server that does not listen.
func New(o Options) *Server {
	s := &Server{
		URL: "http://sqs.test", now: o.Now,
		queues: make(map[string]*queue), changed: make(chan struct{}), requests: make(map[string]int),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.SetHook(o.Hook)
	return s
}

// Start makes a server that listens on a free port of 127.0.0.1; Close stops it.
func Start(o Options) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start SQS test server: %w", err)
	}
	s := New(o)
	s.URL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.served = make(chan error, 1)
	go func() { s.served <- s.http.Serve(l) }()
	return s, nil
}

// Close stops the server at once, cutting the answers under way.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	err := s.http.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// SetHook replaces the hook; nil removes it.
func (s *Server) SetHook(h Hook) { s.hook.Store(&h) }

// Requests is how many requests of one operation were made, whoever answered them.
func (s *Server) Requests(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[operation]
}

// A failure is an error of the API.
type failure struct{ code, old, message string }

// The errors that the server answers with. The second name is that of the protocol of
// old, which SDKs still show.
func noQueue() *failure {
	return &failure{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."}
}

func badReceipt() *failure {
	return &failure{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
}

func notInFlight() *failure {
	return &failure{"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The message referred to is not in flight."}
}

func badValue(what string) *failure {
	return &failure{"InvalidParameterValue", "InvalidParameterValue", what}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	s.mu.Lock()
	s.requests[operation]++
	s.mu.Unlock()
	if h := *s.hook.Load(); h != nil && h(w, r, operation) {
		return
	}
	s.Answer(w, r)
}

// Answer answers r as the server does without a hook.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	do, ok := s.operations()[operation]
	if !ok {
		Fail(w, http.StatusBadRequest, "UnknownOperationException", "no operation "+operation)
		return
	}
	var in input
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		Fail(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	out, bad := do(r.Context(), in)
	if bad != nil {
		w.Header().Set("X-Amzn-Query-Error", bad.old+";Sender")
		Fail(w, http.StatusBadRequest, bad.code, bad.message)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(out) // the client has gone if it fails
}

// Fail answers as SQS does for an error.
func Fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": message})
}
