// Package cloudtrail reads CloudTrail files: it splits them into records, makes
// events of the records, and understands the keys they are stored under.
package cloudtrail

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Limits bound what one file may cost. A zero field means its default. A genuine
// file has 50 MB at most and its records 256 KB (AWS CloudTrail user guide,
// "CloudTrail record contents"), so that only foreign or hostile data meets them.
type Limits struct {
	Inflated   int64 // bytes of a file after decompression; 16 GiB
	Ratio      int64 // inflated to compressed bytes, looked at beyond 16 MiB inflated; 200
	Record     int   // bytes of one record, a larger one is emitted as rejected; 4 MiB
	Depth      int   // nesting of one record; 128
	Unnamed    int   // different records without an event ID in one file; 500,000
	PageEvents int   // events handed to emit at once; 500
	PageBytes  int   // bytes of records handed to emit at once, unless one record has more; 256 KiB
}

func (l Limits) withDefaults() Limits {
	set(&l.Inflated, 16<<30)
	set(&l.Ratio, 200)
	set(&l.Record, 4<<20)
	set(&l.Depth, 128)
	set(&l.Unnamed, 500_000)
	set(&l.PageEvents, 500)
	set(&l.PageBytes, 256<<10)
	return l
}

func set[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Read reads a CloudTrail file, compressed by gzip or not, and hands its events to
// emit page by page. It takes the memory of one page and one record, whatever the
// size of the file. account is the account of events that name none; it may be
// empty.
//
// Only when Read returns nil are the pages known to be the whole file: gzip's
// checksum stands at its end. An error of r or of emit comes back as it is; what
// is wrong with the file itself is an [sdk.Invalid] error. A record that is fine
// JSON but no good event is emitted with Reject set.
//
// emit may not keep the slice it is given, nor the bytes in it: both are used again.
func Read(r io.Reader, account string, limits Limits, emit func([]sdk.Event) error) error {
	limits = limits.withDefaults()
	src := &source{r: r}
	text, err := openText(src, limits)
	defer text.close()
	if err == nil {
		s := newSplitter(text, limits, newPager(account, limits, text.readers, emit))
		err = s.run()
		if err == nil {
			err = text.finish()
		}
	}
	var passed *passedOn
	switch {
	case err == nil && src.err == nil:
		return nil
	case errors.As(err, &passed):
		return passed.error
	case src.err != nil:
		return src.err // whatever follows from it is not the file's fault
	}
	return sdk.Invalid(err)
}

// source remembers why reading ended, and how much was read.
type source struct {
	r   io.Reader
	n   int64
	err error // of r; not io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	// A reader says io.EOF and nothing else at its end. One that wraps it failed: net/http
	// has such an error for a server that hung up.
	if err != nil && err != io.EOF {
		s.err = err
		return n, fmt.Errorf("%v", err) //nolint:errorlint // nobody above may take it for the end
	}
	return n, err
}

// passedOn is an error of emit on its way back to the caller.
type passedOn struct{ error }

func (e *passedOn) Unwrap() error { return e.error }

// splitter finds the records in a file's JSON text.
type splitter struct {
	text  *text
	in    io.Reader // what dec reads: text, or what was read of it too far and then text
	dec   *jsontext.Decoder
	pager *pager
	max   int // bytes of a record
}

func newSplitter(t *text, l Limits, p *pager) *splitter {
	return &splitter{text: t, in: t, pager: p, max: l.Record, dec: newDecoder(t)}
}

// run reads the whole text: an object with a member Records, or a list of records.
func (s *splitter) run() error {
	s.text.expect(s.max)
	switch kind := s.dec.PeekKind(); kind {
	case '{':
		if err := s.object(); err != nil {
			return err
		}
	case '[':
		// Files of CloudTrail's event aggregation are lists.
		if err := s.list(inList); err != nil {
			return err
		}
	default:
		if _, err := s.dec.ReadToken(); err != nil {
			return s.syntax(err)
		}
		return fmt.Errorf("no Records: the file holds %s", kindName(kind))
	}
	s.text.expect(s.max)
	switch _, err := s.dec.ReadToken(); {
	case err == nil:
		return errors.New("text after the end of the JSON document")
	case !errors.Is(err, io.EOF):
		return s.syntax(err)
	}
	return s.pager.flush()
}

// object reads the members of the top-level object. Records may stand anywhere in
// it, and a second list is read as well: nothing may hide behind the first.
func (s *splitter) object() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return s.syntax(err)
	}
	found, digest := false, false
	for s.dec.PeekKind() == '"' {
		s.text.expect(s.max)
		token, err := s.dec.ReadToken()
		if err != nil {
			return s.syntax(err)
		}
		switch token.String() {
		case "Records":
			found = true
			if kind := s.dec.PeekKind(); kind != '[' && kind != 0 {
				return fmt.Errorf("no Records: the member holds %s, not a list", kindName(kind))
			}
			err = s.list(inObject)
		case "digestS3Object", "digestStartTime":
			digest = true
			err = s.syntax(s.dec.SkipValue())
		default:
			err = s.syntax(s.dec.SkipValue())
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return s.syntax(err)
	}
	switch {
	case found:
		return nil
	case digest:
		return errors.New("no Records: this is a digest file, which lists log files")
	}
	return errors.New("no Records: the JSON object has no such member")
}

// list reads a list of records; prefix is what stands before the first.
func (s *splitter) list(prefix string) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return s.syntax(err)
	}
	if err := s.usualRecords(prefix); err != nil {
		return err
	}
	for ; ; s.text.expect(s.max) {
		if s.dec.PeekKind() == ']' {
			_, err := s.dec.ReadToken()
			return s.syntax(err)
		}
		raw, err := s.dec.ReadValue()
		switch {
		case err == nil && len(raw) > s.max:
			err = s.pager.reject(bytes.Clone(raw[:min(len(raw), keptOfOversize)]), sha256.Sum256(raw), errRecordSize(s.max))
		case err == nil:
			err = s.pager.addValue(raw)
		case s.text.tooLong:
			var skipped bool
			if skipped, err = s.oversize(prefix, errRecordSize(s.max)); err == nil && !skipped {
				err = s.text.err
			}
		case s.text.err == nil && s.tooDeep():
			_, err = s.oversize(prefix, fmt.Errorf("nested deeper than the limit of %d", s.pager.limits.Depth))
		default:
			err = s.syntax(err)
		}
		if err != nil {
			return err
		}
	}
}

// syntax words an error of the tokenizer. An error of the text below it, such as a
// limit or a bad gzip stream, is the better reason.
func (s *splitter) syntax(err error) error {
	switch {
	case err == nil:
		return nil
	case s.text.err != nil:
		return s.text.err
	case errors.Is(err, io.EOF):
		return errors.New("not JSON: the file has no text")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("truncated: the JSON text ends too early")
	}
	return fmt.Errorf("not JSON: %w", err)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "a list"
	case '{':
		return "an object"
	}
	return "no JSON value"
}
