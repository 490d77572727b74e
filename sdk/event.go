package sdk

import "time"

// An Event is one CloudTrail record: an envelope of the fields that filters and
// routing read, and the record itself as AWS wrote it.
type Event struct {
	// ID is the dedupe key, made by the source: the same record has the same ID
	// whenever and wherever it is read. It is never empty.
	ID string

	Time      time.Time // eventTime; the zero time where the record has none that can be read
	Name      string    // eventName
	Source    string    // eventSource, "s3.amazonaws.com"
	Region    string    // awsRegion
	Account   string    // recipientAccountId, else the account of the caller, else of the object
	Principal string    // userIdentity.arn, else principalId, else invokedBy
	ErrorCode string    // errorCode
	ReadOnly  Bool      // readOnly

	// Raw is the record byte for byte. It is usually JSON text, but nothing is
	// promised of an event with Reject set.
	Raw []byte

	// Reject is empty for a good event. Otherwise it says why the source could not
	// make an event of the record; the agent then quarantines Raw under this reason.
	Reject string
}

// Bool is a boolean that may be absent.
type Bool uint8

// The values of a [Bool].
const (
	Unset Bool = iota
	False
	True
)

// BoolOf returns [True] or [False].
func BoolOf(v bool) Bool {
	if v {
		return True
	}
	return False
}
