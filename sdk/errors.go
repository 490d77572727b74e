package sdk

import "errors"

// What the agent does about an error depends on its class alone, never on its
// text. An error without a class is retried with backoff for ever.

// Invalid marks err as caused by the data: trying again cannot help. The agent
// quarantines what is at fault and goes on. Invalid(nil) is nil.
func Invalid(err error) error { return mark(err, classInvalid) }

// Denied marks err as caused by missing rights or set-up, such as credentials,
// privileges, or a table or bucket that is not there: somebody has to act. The agent
// says so, is degraded, and retries slowly; nothing is dropped. Denied(nil) is nil.
func Denied(err error) error { return mark(err, classDenied) }

// Gone marks err as: what the split names does not exist any more. The agent
// records it. Gone(nil) is nil.
func Gone(err error) error { return mark(err, classGone) }

// Retry marks err as passing, which is also what an error without a class means; it
// takes the class from an error that has one. Retry(nil) is nil.
func Retry(err error) error { return mark(err, classRetry) }

// IsInvalid reports whether err is caused by the data.
func IsInvalid(err error) bool { return classOf(err) == classInvalid }

// IsDenied reports whether somebody has to act before err goes away.
func IsDenied(err error) bool { return classOf(err) == classDenied }

// IsGone reports whether the split does not exist any more.
func IsGone(err error) bool { return classOf(err) == classGone }

type class uint8

const (
	classRetry class = iota
	classInvalid
	classDenied
	classGone
)

type classified struct {
	error
	class class
}

func (e *classified) Unwrap() error { return e.error }

func mark(err error, c class) error {
	if err == nil {
		return nil
	}
	return &classified{error: err, class: c}
}

// classOf is the outermost class in err's chain.
func classOf(err error) class {
	var c *classified
	if errors.As(err, &c) {
		return c.class
	}
	return classRetry
}
