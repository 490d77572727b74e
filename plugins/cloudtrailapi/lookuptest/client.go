package lookuptest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"
)

// A Client carries requests to a service in memory, so that it can be used where time
// is not real (package testing/synctest). It is an aws.HTTPClient.
type Client struct {
	Service *Service
	// Delay is the time that a request takes to the service, and its answer back; may
	// be nil.
	Delay func() time.Duration
}

// Do sends a request.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if err := c.travel(r.Context()); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	c.Service.ServeHTTP(w, r)
	if err := c.travel(r.Context()); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (c Client) travel(ctx context.Context) error {
	if c.Delay == nil {
		return ctx.Err()
	}
	select {
	case <-time.After(c.Delay()):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
