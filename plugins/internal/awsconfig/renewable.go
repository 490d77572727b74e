package awsconfig

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// renewable finds credentials once, and again when they could not be got or were
// refused. The SDK reads its files when it is configured, and never after.
type renewable struct {
	find func(context.Context) (aws.CredentialsProvider, error)

	mu    sync.Mutex
	found aws.CredentialsProvider // caches what it gives; nil after renew
}

// Retrieve implements [aws.CredentialsProvider].
func (r *renewable) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p, err := r.provider(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	creds, err := p.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		r.renew()
	}
	return creds, err
}

func (r *renewable) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found != nil {
		return r.found, nil
	}
	var err error
	r.found, err = r.find(ctx)
	return r.found, err
}

func (r *renewable) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = nil
}
