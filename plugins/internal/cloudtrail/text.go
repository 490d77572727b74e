package cloudtrail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// ratioFrom is how much must be inflated before [Limits.Ratio] is looked at: short
// texts may well compress better.
const ratioFrom = 16 << 20

// text is a file's JSON text: inflated if need be, without a byte order mark, and
// within limits.
type text struct {
	*readers
	src    *source
	out    *bufio.Reader // the text: in, or inflated if the file is compressed
	gz     *gzip.Reader  // gunzip, or nil if the file is not compressed
	limits Limits

	n       int64 // bytes of text read
	left    int   // bytes that may still be read before expect is called again
	tooLong bool  // err is that more than that was asked for
	err     error // why reading failed; not io.EOF
}

// readers are what reading takes whatever the file: buffers, gzip's tables, and the strings
// that most files have. They are used again for the next one.
type readers struct {
	in       *bufio.Reader // what the file holds
	gunzip   *gzip.Reader
	inflated *bufio.Reader
	memory   memory
	names    interner
}

var readersPool = sync.Pool{New: func() any {
	return &readers{in: bufio.NewReaderSize(nil, 32<<10), gunzip: new(gzip.Reader), inflated: bufio.NewReaderSize(nil, 32<<10)}
}}

// close gives the readers back. Nobody may read from t any more.
func (t *text) close() {
	t.in.Reset(nil)
	t.inflated.Reset(nil)
	t.memory.reset()
	t.names.reset()
	readersPool.Put(t.readers)
	t.readers = nil
}

// openText returns a text to be closed, also beside an error.
func openText(src *source, l Limits) (*text, error) {
	t := &text{src: src, readers: readersPool.Get().(*readers), limits: l}
	t.in.Reset(src)
	t.out = t.in
	magic, err := t.in.Peek(2)
	if len(magic) == 0 {
		if !errors.Is(err, io.EOF) {
			return t, err
		}
		return t, errors.New("the file is empty")
	}
	// The first bytes decide, not the name: copied objects are often stored
	// inflated, and HTTP stacks inflate on their own account.
	if len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		if err := t.gunzip.Reset(t.in); err != nil {
			return t, gzipError(err)
		}
		t.gz = t.gunzip
		// A second member is data that somebody appended: CloudTrail writes one, and
		// its own validation calls the rest unexpected.
		t.gz.Multistream(false)
		t.inflated.Reset(t.gz)
		t.out = t.inflated
	}
	t.expect(l.Record)
	if bom, _ := t.out.Peek(3); string(bom) == "\ufeff" {
		_, _ = t.out.Discard(3)
	}
	return t, nil
}

// expect says that what comes next has max bytes at most, or is too large a
// record.
func (t *text) expect(max int) { t.left, t.tooLong = max+1, false }

// Read reads text. The tokenizer above it keeps a whole record in memory, so that
// this is the place to stop a record without an end.
func (t *text) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	if t.left <= 0 {
		t.err, t.tooLong = errRecordSize(t.limits.Record), true
		return 0, t.err
	}
	n, err := t.out.Read(p[:min(len(p), t.left)])
	t.n += int64(n)
	t.left -= n
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		t.err = err
		if t.gz != nil {
			t.err = gzipError(err)
		}
	case t.n > t.limits.Inflated:
		t.err = fmt.Errorf("inflated size over the limit of %s", size(t.limits.Inflated))
	case t.gz != nil && t.n > ratioFrom && t.n/t.limits.Ratio > t.src.n:
		t.err = fmt.Errorf("compression ratio over the limit of %d:1", t.limits.Ratio)
	default:
		return n, err
	}
	return 0, t.err
}

// finish reports what follows the text. It has been read to io.EOF, so that the
// checksum of a gzip stream is known to be right.
func (t *text) finish() error {
	if t.gz == nil {
		return nil
	}
	if _, err := t.in.ReadByte(); err == nil {
		return errors.New("data after the end of the gzip stream")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func gzipError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("truncated: the gzip stream ends too early")
	}
	return fmt.Errorf("bad gzip: %w", err)
}

func errRecordSize(limit int) error {
	return fmt.Errorf("a record over the limit of %s", size(int64(limit)))
}

// size words a limit, which is a round number more often than not.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
