// Package s3test serves generated CloudTrail objects from an S3-compatible server
// in this process, for tests, benchmarks and the demonstration. It needs no
// network beyond loopback and no credentials that mean anything.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// A Hook sees each request before the server does. If it returns true it has
// answered the request itself. It may be called concurrently.
type Hook func(w http.ResponseWriter, r *http.Request) (handled bool)

// Options may be the zero value.
type Options struct {
	Hook Hook // nil for none; SetHook changes it
	// Addr is where the server listens. Empty means any free port of 127.0.0.1.
	Addr string
}

// A Server is an S3-compatible server that keeps its objects in memory. Clients
// must use path style; any credentials will do. Its methods may be called
// concurrently, while it serves too.
type Server struct {
	// URL is the endpoint, such as http://127.0.0.1:41234.
	URL string

	backend backend
	s3      http.Handler
	http    *http.Server
	served  chan error
	hook    atomic.Pointer[Hook]

	mu       sync.Mutex
	requests map[Operation]int
}

// Start starts a server; Close stops it.
func Start(o Options) (*Server, error) {
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start S3 test server: %w", err)
	}
	b := backend{s3mem.New()}
	s := &Server{
		URL:      "http://" + l.Addr().String(),
		backend:  b,
		s3:       gofakes3.New(b, gofakes3.WithTimeSkewLimit(0)).Server(),
		served:   make(chan error, 1),
		requests: make(map[Operation]int),
	}
	s.SetHook(o.Hook)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { s.served <- s.http.Serve(l) }()
	return s, nil
}

// Close stops the server at once, cutting the answers under way.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.served <- http.ErrServerClosed // closing twice is harmless
	return err
}

// CreateBucket makes an empty bucket, unless it is there.
func (s *Server) CreateBucket(bucket string) error {
	there, err := s.backend.BucketExists(bucket)
	if err != nil || there {
		return err
	}
	err = s.backend.CreateBucket(bucket)
	if gofakes3.HasErrorCode(err, gofakes3.ErrBucketAlreadyExists) {
		return nil
	}
	return err
}

// Put stores an object, and makes its bucket if need be.
func (s *Server) Put(bucket, key string, body []byte) error {
	return s.PutWithHeader(bucket, key, body, nil)
}

// PutWithHeader is Put for an object that is served with header, such as a
// Content-Encoding. An object that is overwritten leaves its header behind, unlike
// in S3.
func (s *Server) PutWithHeader(bucket, key string, body []byte, header map[string]string) error {
	if err := s.CreateBucket(bucket); err != nil {
		return err
	}
	meta := make(map[string]string) // not nil: gofakes3 adds to it
	maps.Copy(meta, header)
	_, err := s.backend.PutObject(bucket, key, meta, bytes.NewReader(body), int64(len(body)), nil)
	return err
}

// Load stores objects and returns what they hold.
func (s *Server) Load(bucket string, objects iter.Seq[Object]) (Manifest, error) {
	var m Manifest
	for o := range objects {
		if err := s.Put(bucket, o.Key, o.Body); err != nil {
			return m, err
		}
		m.Add(o)
	}
	return m, nil
}

// Delete removes an object. It is no error if there is none.
func (s *Server) Delete(bucket, key string) error {
	_, err := s.backend.DeleteObject(bucket, key)
	return err
}

// SetHook replaces the hook; nil removes it.
func (s *Server) SetHook(h Hook) { s.hook.Store(&h) }

// Requests is how many requests of one kind were made, whoever answered them.
func (s *Server) Requests(op Operation) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[op]
}

// ServeHTTP is the server as a handler: counters, the hook, then S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[OperationOf(r)]++
	s.mu.Unlock()
	if h := *s.hook.Load(); h != nil && h(w, r) {
		return
	}
	s.Answer(w, r)
}

// Answer answers r as the server does without a hook. A hook that only wants to
// change the answer calls it.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request) {
	if want := r.Header.Get("If-Match"); want != "" && OperationOf(r) == GetObject {
		// gofakes3 ignores the header.
		etag, ok := s.etag(r)
		if ok && strings.Trim(want, `"`) != etag {
			Fail(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
	}
	s.s3.ServeHTTP(w, r)
}

// etag is the ETag, without quotes, of the object that r asks for.
func (s *Server) etag(r *http.Request) (string, bool) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	o, err := s.backend.HeadObject(bucket, key)
	if err != nil {
		return "", false // the server itself says what is wrong
	}
	_ = o.Contents.Close()
	return strings.Trim(gofakes3.FormatETag(o.Hash), `"`), true
}

// AnswerCut answers r, but breaks the connection after n bytes of the body; the
// Content-Length promises all of it.
func (s *Server) AnswerCut(w http.ResponseWriter, r *http.Request, n int64) {
	s.Answer(&cutWriter{ResponseWriter: w, left: n}, r)
}

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) <= w.left {
		w.left -= int64(len(p))
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler) // net/http's way to break a connection
}

// Fail answers r as S3 does for an error code such as "AccessDenied".
func Fail(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+
		`</Code><Message>`+code+` (test server)</Message><RequestId>TEST</RequestId></Error>`)
}

// An Operation is a kind of request, by its name in the S3 API.
type Operation string

// The operations that are told apart.
const (
	ListObjectsV2 Operation = "ListObjectsV2"
	GetObject     Operation = "GetObject"
	HeadObject    Operation = "HeadObject"
	PutObject     Operation = "PutObject"
	Other         Operation = "Other"
)

// OperationOf says what r asks for.
func OperationOf(r *http.Request) Operation {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case key == "" && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		return ListObjectsV2
	case key == "":
		return Other
	case r.Method == http.MethodGet:
		return GetObject
	case r.Method == http.MethodHead:
		return HeadObject
	case r.Method == http.MethodPut:
		return PutObject
	}
	return Other
}
