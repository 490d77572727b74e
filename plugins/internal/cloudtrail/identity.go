package cloudtrail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
)

// eventID is the dedupe key from the record's own ID: eventID, else the eventId of
// aggregated events. It is empty if the record has neither as a text. A GUID comes
// in lower case. sharedEventID is no identity: copies of an event for several
// accounts have it in common.
func eventID(values ...[]byte) string {
	for _, v := range values {
		if len(v) <= 2 || v[0] != '"' {
			continue
		}
		id := jsonscan.Unquote(v)
		guid, upper := isGUID(id)
		switch {
		case upper:
			return strings.ToLower(id)
		case guid, plainID(id):
			return id
		}
		// The bytes as written, so that what Unquote replaces keeps IDs apart.
		sum := sha256.Sum256(v)
		return "id-sha256:" + hex.EncodeToString(sum[:])
	}
	return ""
}

// isGUID says whether s is a GUID, and one with letters in upper case.
func isGUID(s string) (guid, upper bool) {
	if len(s) != 36 {
		return false, false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false, false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return false, false
		}
	}
	return true, upper
}

// plainID reports whether an ID can serve as it is: not long, printable, and not
// in the form of a key made here.
func plainID(s string) bool {
	if len(s) > 1024 || strings.HasPrefix(s, "sha256:") || strings.HasPrefix(s, "id-sha256:") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// unnamed makes dedupe keys for records without an ID: the hash of the record and
// how many equal ones came before it in the same file. So two equal records of one
// file are two events, and reading the file again adds none.
//
// The recipe is frozen: another one would store all such events again.
type unnamed struct {
	max     int
	seen    map[[16]byte]uint32 // by the first half of the hash
	scratch []byte
}

func (u *unnamed) id(record []byte) (string, error) {
	return u.of(sha256.Sum256(u.canonical(record)))
}

// of is id for a record of which only the hash is known.
func (u *unnamed) of(sum [sha256.Size]byte) (string, error) {
	if u.seen == nil {
		u.seen = make(map[[16]byte]uint32)
	}
	key := [16]byte(sum[:16])
	n, seen := u.seen[key]
	if !seen && len(u.seen) >= u.max {
		return "", fmt.Errorf("records without an event ID over the limit of %d", u.max)
	}
	u.seen[key] = n + 1
	return "sha256:" + hex.EncodeToString(sum[:]) + ":" + strconv.FormatUint(uint64(n), 10), nil
}

// canonical is the record with sorted names, without space and with the fewest
// escapes; numbers stay as they are written. A record that has no such form, for
// it repeats a name or holds bad UTF-8, is taken byte for byte.
func (u *unnamed) canonical(record []byte) []byte {
	text, err := jsontext.AppendFormat(u.scratch[:0], record,
		jsontext.ReorderRawObjects(true), jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
	if err != nil {
		return record
	}
	u.scratch = text
	return text
}
