package s3

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stalled is a connection that brings text and then nothing, until its request is
// cancelled.
type stalled struct {
	ctx  context.Context //nolint:containedctx // of the request, as in net/http
	text io.Reader
}

func (s stalled) Read(p []byte) (int, error) {
	if n, err := s.text.Read(p); n > 0 {
		return n, err
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s stalled) Close() error { return nil }

func TestABodyThatStallsIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text = "0123456789"
		var offsets []int64
		b := newBody(t.Context(), defaultPace(), func(ctx context.Context, offset int64) (part, error) {
			offsets = append(offsets, offset)
			if offset == 0 {
				return part{stalled{ctx, strings.NewReader(text[:5])}, int64(len(text))}, nil
			}
			return part{io.NopCloser(strings.NewReader(text[offset:])), int64(len(text))}, nil
		})
		defer b.close()
		start := time.Now()
		got, err := io.ReadAll(b)
		if string(got) != text || err != nil || len(offsets) != 2 {
			t.Errorf("body = %q, %v, opened at %v, want %q in two parts", got, err, offsets, text)
		}
		if waited := time.Since(start); waited < time.Minute || waited > 2*time.Minute {
			t.Errorf("waited %v, want a good minute", waited)
		}
	})
}

func TestABodyWaitsForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBody(t.Context(), defaultPace(), func(ctx context.Context, offset int64) (part, error) {
			if offset > 0 {
				t.Errorf("opened again at %d", offset)
			}
			return part{stalled{ctx, strings.NewReader("0123456789")}, 10}, nil
		})
		defer b.close()
		for range 10 {
			if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatalf("Read = %d, %v, want a byte", n, err)
			}
			<-time.After(time.Hour) // of the bubble: the agent is busy
		}
	})
}

func TestABodyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		b := newBody(ctx, defaultPace(), func(ctx context.Context, _ int64) (part, error) {
			return part{stalled{ctx, strings.NewReader("")}, 10}, nil
		})
		defer b.close()
		time.AfterFunc(time.Second, func() { cancel(stop) })
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, stop) {
			t.Errorf("Read = %v, want %v", err, stop)
		}
	})
}

func TestABodyWithoutALengthEndsWhereItEnds(t *testing.T) {
	b := newBody(t.Context(), quick(), func(context.Context, int64) (part, error) {
		return part{io.NopCloser(strings.NewReader("0123")), -1}, nil
	})
	defer b.close()
	if got, err := io.ReadAll(b); string(got) != "0123" || err != nil {
		t.Errorf("body = %q, %v, want 0123", got, err)
	}
}

func TestABodyWithAWrongChecksumIsNotOpenedAgain(t *testing.T) {
	wrong := errors.New("checksum did not match")
	opened := 0
	b := newBody(t.Context(), quick(), func(context.Context, int64) (part, error) {
		opened++
		return part{io.NopCloser(&endsWith{strings.NewReader("0123"), wrong}), 4}, nil
	})
	defer b.close()
	if _, err := io.ReadAll(b); !errors.Is(err, wrong) || opened != 1 {
		t.Errorf("body = %v after %d connections, want %v after one", err, opened, wrong)
	}
}

type endsWith struct {
	r   io.Reader
	err error
}

func (e *endsWith) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err == io.EOF {
		err = e.err
	}
	return n, err
}
