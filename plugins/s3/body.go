package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// part is an object's bytes from some offset on, over one connection.
type part struct {
	io.ReadCloser
	size int64 // of the whole object; -1 if the server does not say
}

// body reads an object over as many connections as it takes: when one breaks, it
// asks for the rest from where it broke. What reads from it sees one stream of
// bytes.
type body struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call of Fetch
	open func(ctx context.Context, offset int64) (part, error)
	pace pace

	part   *part
	cancel context.CancelCauseFunc // of part's request
	stall  *time.Timer             // cancels it when no byte comes

	offset int64 // bytes read
	opened int64 // offset at which part was opened
	breaks int   // connections in a row that brought little before they broke
}

// progress is how much a connection must bring to count as one that works.
const progress = 64 << 10

var errStalled = errors.New("no data for too long")

func newBody(ctx context.Context, p pace, open func(context.Context, int64) (part, error)) *body {
	return &body{ctx: ctx, open: open, pace: p}
}

// Read returns io.EOF only at the object's end as the server announced it.
func (b *body) Read(p []byte) (int, error) {
	for {
		if b.part == nil {
			if err := b.connect(); err != nil {
				return 0, err
			}
		}
		n, err := b.readPart(p)
		b.offset += int64(n)
		if err == nil || errors.Is(err, io.EOF) && (b.part.size < 0 || b.offset >= b.part.size) {
			return n, err
		}
		if err := b.broken(err); err != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// connect opens the object at the present offset.
func (b *body) connect() error {
	if b.breaks > 0 {
		if err := b.wait(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(b.ctx)
	p, err := b.open(ctx, b.offset)
	if err != nil {
		cancel(nil)
		return err
	}
	b.part, b.opened, b.cancel = &p, b.offset, cancel
	b.stall = time.AfterFunc(b.pace.idle, func() { cancel(errStalled) })
	b.stall.Stop()
	return nil
}

// readPart reads from the open connection, but does not wait for ever. Between two
// calls the agent may well be busy; that time does not count.
func (b *body) readPart(p []byte) (int, error) {
	b.stall.Reset(b.pace.idle)
	n, err := b.part.Read(p)
	if !b.stall.Stop() && err != nil && !errors.Is(err, io.EOF) {
		err = errStalled
	}
	return n, err
}

// broken gives up the connection. It returns an error if the object is not worth
// another one.
func (b *body) broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	whole := b.part.size >= 0 && b.offset >= b.part.size
	if b.offset-b.opened >= progress {
		b.breaks = 0
	}
	b.breaks++
	b.close()
	switch {
	case b.ctx.Err() != nil:
		return context.Cause(b.ctx)
	case whole: // every byte came, and the SDK says that their checksum is wrong
		return err
	case b.breaks > b.pace.reopens:
		return fmt.Errorf("the connection broke %d times at about byte %d: %w", b.breaks, b.offset, err)
	}
	return nil
}

// wait is the pause before another connection: 0.1 to 0.2 s, doubled each time.
func (b *body) wait() error {
	delay := time.Duration(100+rand.IntN(100)) * time.Millisecond << (b.breaks - 1)
	select {
	case <-time.After(min(delay, b.pace.maxBackoff)):
		return nil
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

// close ends the connection; Read would open another one.
func (b *body) close() {
	if b.part == nil {
		return
	}
	b.stall.Stop()
	b.cancel(nil)
	_ = b.part.Close() // nothing that it says matters to bytes that were read
	b.part = nil
}
