package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A memorySource holds ten splits of three events. In any mode but "good" it breaks the
// contract.
type memorySource struct {
	mode  string
	calls atomic.Int64
	kept  [][]byte
}

func openSource(mode string) sdk.Source {
	s := &memorySource{mode: mode}
	if mode == "does not settle" {
		return unsettled{s}
	}
	return s
}

// unsettled hides Settle.
type unsettled struct{ sdk.Source }

var firstHour = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func (s *memorySource) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	for i := range 10 {
		split := sdk.Split{ID: fmt.Sprintf("hour-%d", i), Time: firstHour.Add(time.Duration(i) * time.Hour), Bytes: 1}
		switch s.mode {
		case "new IDs in each process":
			split.ID = fmt.Sprintf("hour-%d-%d", i, os.Getpid())
		case "one ID for all":
			split.ID = "hour-0"
		case "no ID":
			split.ID = ""
		case "long ID":
			split.ID += strings.Repeat("0", sdk.MaxSplitID+1-len(split.ID))
		}
		if s.mode != "ignores the range" && !r.Contains(split.Time) || s.mode == "lists too little" && i > 5 && !r.Since.IsZero() {
			continue
		}
		if err := found([]sdk.Split{split}); err != nil && s.mode != "lists on" {
			return err
		}
	}
	return nil
}

func (s *memorySource) Fetch(_ context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	var hour int
	if n, _ := fmt.Sscanf(split.ID, "hour-%d", &hour); n != 1 || strings.HasSuffix(split.ID, "version") {
		if s.mode == "reads what is not there" {
			return nil
		}
		return sdk.Gone(errors.New("no such split"))
	}
	call := s.calls.Add(1)
	if s.mode == "hoards" {
		s.kept = append(s.kept, make([]byte, 1<<20))
		for i := range s.kept[len(s.kept)-1] {
			s.kept[len(s.kept)-1][i] = 1
		}
	}
	for i := range 3 {
		if err := emit([]sdk.Event{s.event(hour, i, call)}); err != nil && s.mode != "reads on" {
			return err
		}
	}
	return nil
}

func (s *memorySource) event(hour, i int, call int64) sdk.Event {
	at := firstHour.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Minute)
	e := sdk.Event{ID: fmt.Sprintf("%d-%d", hour, i), Time: at, Name: "GetObject", Source: "s3.amazonaws.com", ReadOnly: sdk.True}
	e.Raw = fmt.Appendf(nil, `{"eventID":%q,"eventTime":%q,"eventName":"GetObject","eventSource":"s3.amazonaws.com","readOnly":true}`, e.ID, at.Format(time.RFC3339))
	switch s.mode {
	case "new event IDs each time":
		e.ID += fmt.Sprint("-", call)
	case "events without ID":
		e.ID = ""
	case "wrong envelope":
		e.Name = "PutObject"
	case "wrong time":
		e.Time = e.Time.Add(time.Hour)
	case "wrong flag":
		e.ReadOnly = sdk.Unset
	case "events without record":
		e.Raw = nil
	case "no JSON":
		e.Raw = []byte("x")
	}
	return e
}

func (s *memorySource) Settle(_ context.Context, settled []sdk.Settled) error {
	if s.mode == "settles once" && s.calls.Add(1) > 1 {
		return errors.New("I know")
	}
	return nil
}
