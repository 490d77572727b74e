package wire

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The numbers of message Event's fields.
const (
	eventID protowire.Number = iota + 1
	eventTime
	eventName
	eventSource
	eventRegion
	eventAccount
	eventPrincipal
	eventErrorCode
	eventReadOnly
	eventRaw
	eventReject
)

// errText is what protobuf says of a string that is not UTF-8.
var errText = errors.New("string field contains invalid UTF-8")

func sizeOfText(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s)) // the field numbers are below 16, so a tag is one byte
}

func sizeOfNumber(n uint64) int {
	if n == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(n)
}

func sizeOfEvent(e *sdk.Event) int {
	n := sizeOfText(e.ID) + sizeOfNumber(uint64(micros(e.Time))) + sizeOfText(e.Name) + sizeOfText(e.Source) +
		sizeOfText(e.Region) + sizeOfText(e.Account) + sizeOfText(e.Principal) + sizeOfText(e.ErrorCode) +
		sizeOfNumber(uint64(e.ReadOnly)) + sizeOfText(e.Reject)
	if len(e.Raw) > 0 {
		n += 1 + protowire.SizeBytes(len(e.Raw))
	}
	return n
}

func sizeOfEvents(field protowire.Number, events []sdk.Event) (n int) {
	for i := range events {
		n += protowire.SizeTag(field) + protowire.SizeBytes(sizeOfEvent(&events[i]))
	}
	return n
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// appendEvents appends a repeated field of messages Event.
func appendEvents(b []byte, field protowire.Number, events []sdk.Event) ([]byte, error) {
	for i := range events {
		e := &events[i]
		for _, s := range [...]string{e.ID, e.Name, e.Source, e.Region, e.Account, e.Principal, e.ErrorCode, e.Reject} {
			if !utf8.ValidString(s) {
				return nil, fmt.Errorf("event %d: %w", i, errText)
			}
		}
		b = protowire.AppendTag(b, field, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeOfEvent(e)))
		b = appendText(b, eventID, e.ID)
		b = appendNumber(b, eventTime, uint64(micros(e.Time)))
		b = appendText(b, eventName, e.Name)
		b = appendText(b, eventSource, e.Source)
		b = appendText(b, eventRegion, e.Region)
		b = appendText(b, eventAccount, e.Account)
		b = appendText(b, eventPrincipal, e.Principal)
		b = appendText(b, eventErrorCode, e.ErrorCode)
		b = appendNumber(b, eventReadOnly, uint64(e.ReadOnly))
		if len(e.Raw) > 0 {
			b = protowire.AppendBytes(protowire.AppendTag(b, eventRaw, protowire.BytesType), e.Raw)
		}
		b = appendText(b, eventReject, e.Reject)
	}
	return b, nil
}

// readEvents appends the events of a message with a repeated field of messages Event. Their
// Raw lies in data. rest is a message of the other fields.
func readEvents(events []sdk.Event, data []byte, field protowire.Number) (_ []sdk.Event, rest []byte, err error) {
	n := 0
	for b := data; len(b) > 0; {
		at, _, length := protowire.ConsumeField(b)
		if length < 0 {
			return nil, nil, protowire.ParseError(length)
		}
		if at == field {
			n++
		}
		b = b[length:]
	}
	events = slices.Grow(events, n)
	seen := textPool.Get().(*texts)
	defer textPool.Put(seen)
	for len(data) > 0 {
		at, typ, tag := protowire.ConsumeTag(data)
		if at != field || typ != protowire.BytesType {
			length := protowire.ConsumeFieldValue(at, typ, data[tag:])
			rest = append(rest, data[:tag+length]...)
			data = data[tag+length:]
			continue
		}
		body, length := protowire.ConsumeBytes(data[tag:])
		data = data[tag+length:]
		events = append(events, sdk.Event{})
		if err := readEvent(body, &events[len(events)-1], seen); err != nil {
			return nil, nil, err
		}
	}
	return events, rest, nil
}

// readEvent reads one message Event. Fields that it does not know come from a newer
// version and are passed over, like in any protobuf.
func readEvent(b []byte, e *sdk.Event, seen *texts) error {
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var number uint64
		var text []byte
		switch {
		case typ == protowire.VarintType && (field == eventTime || field == eventReadOnly):
			number, n = protowire.ConsumeVarint(b)
		case typ == protowire.BytesType && field <= eventReject:
			text, n = protowire.ConsumeBytes(b)
		default:
			field, n = 0, protowire.ConsumeFieldValue(field, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := setField(e, field, number, text, seen); err != nil {
			return err
		}
	}
	return nil
}

// setField sets what a field of the message says. The last of several counts.
func setField(e *sdk.Event, field protowire.Number, number uint64, text []byte, seen *texts) (err error) {
	switch field {
	case eventID:
		e.ID, err = newText(text)
	case eventTime:
		e.Time = timeOf(int64(number))
	case eventName:
		e.Name, err = seen.text(text)
	case eventSource:
		e.Source, err = seen.text(text)
	case eventRegion:
		e.Region, err = seen.text(text)
	case eventAccount:
		e.Account, err = seen.text(text)
	case eventPrincipal:
		e.Principal, err = seen.text(text)
	case eventErrorCode:
		e.ErrorCode, err = seen.text(text)
	case eventReadOnly:
		e.ReadOnly = sdk.Bool(min(uint32(number), uint32(sdk.True)))
	case eventRaw:
		e.Raw = text[:len(text):len(text)]
	case eventReject:
		e.Reject, err = newText(text)
	}
	return err
}

func newText(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errText
	}
	return string(b), nil
}

// texts gives equal texts the same string: events repeat a few names, and a string of
// its own for each would be most of what reading them allocates. None lies in the
// message itself, so that one which is kept does not keep all of it.
type texts struct{ slots [512]string }

// longestRepeated bounds what the slots can hold.
const longestRepeated = 256

var (
	textSeed = maphash.MakeSeed()
	textPool = sync.Pool{New: func() any { return new(texts) }}
)

func (t *texts) text(b []byte) (string, error) {
	if len(b) == 0 || len(b) > longestRepeated {
		return newText(b)
	}
	slot := &t.slots[maphash.Bytes(textSeed, b)%uint64(len(t.slots))]
	if *slot == string(b) {
		return *slot, nil
	}
	s, err := newText(b)
	if err == nil {
		*slot = s
	}
	return s, err
}
