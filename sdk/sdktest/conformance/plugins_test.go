package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// This test binary is also the plugins that the tests start: the first argument says
// which, the second how it breaks the contract.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		mode := os.Args[2]
		switch os.Args[1] {
		case "sink":
			plugin.ServeSink("lines", "1.0.0", func(_ context.Context, s sinkSettings) (sdk.Sink, error) { return openSink(mode, s) })
		case "parallel":
			plugin.ServeSink("lines", "1.0.0", func(_ context.Context, s sinkSettings) (sdk.Sink, error) {
				sink, err := openSink(mode, s)
				return parallelSink{sink}, err
			})
		case "ledger":
			plugin.ServeSink("lines", "1.0.0", func(_ context.Context, s sinkSettings) (sdk.Sink, error) {
				sink, err := openSink(mode, s)
				return &ledgerSink{lineSink: sink, path: s.Path + ".ledger"}, err
			})
		case "undocumented":
			plugin.ServeSink("lines", "", func(context.Context, undocumented) (sdk.Sink, error) { return nil, errors.New("no") })
		case "source":
			plugin.ServeSource("memory", "1.0.0", func(context.Context, struct{}) (sdk.Source, error) { return openSource(mode), nil })
		}
	}
	os.Exit(m.Run())
}

type sinkSettings struct {
	Path  string        `agent:"path" desc:"File to append to."`
	Token string        `agent:"token" desc:"Ignored." optional:"true" sensitive:"true"`
	Wait  time.Duration `agent:"wait" desc:"Ignored." default:"1s"`
	Rules []rule        `agent:"rule,block" desc:"Ignored."`
}

type rule struct {
	Name string `agent:"name" desc:"Ignored."`
}

type undocumented struct {
	Path string `agent:"path"`
}

// A lineSink appends records to a file, a line each. In the mode "exact" it knows what
// it has stored; the other modes break the contract.
type lineSink struct {
	mode  string
	token string
	path  string

	mu   sync.Mutex
	file *os.File
	seen map[string]bool
	kept [][]byte
}

func openSink(mode string, s sinkSettings) (*lineSink, error) {
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	sink := &lineSink{mode: mode, token: s.Token, path: s.Path, file: f, seen: map[string]bool{}}
	switch mode {
	case "tells its token":
		slog.Info("opened", "token", s.Token)
	case "obeys signals":
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		go func() {
			<-told
			os.Exit(1)
		}()
	case "litters":
		if _, err := os.CreateTemp("", ""); err != nil {
			return nil, err
		}
	case "marks first":
		marks, _ := os.ReadFile(s.Path + ".marks")
		for id := range strings.FieldsSeq(string(marks)) {
			sink.seen[id] = true
		}
	}
	if mode != "torn" {
		if err := sink.repair(); err != nil {
			return nil, err
		}
	}
	return sink, nil
}

// repair cuts off a line that a kill left unfinished, and reads what is stored.
func (s *lineSink) repair() error {
	text, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if s.mode == "exact" || s.mode == "lies" || s.mode == "doubles" {
		for line := range bytes.Lines(whole) {
			s.seen[idOf(line)] = true
		}
	}
	return s.file.Truncate(int64(len(whole)))
}

// idOf looks for the eventID of a generated record. Files of the checks are long, and
// parsing them takes a while under the race detector.
func idOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"eventID":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

func (s *lineSink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	if s.mode == "races" {
		return s.race(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(ctx); err != nil {
		return sdk.Result{}, err
	}
	return s.write(b)
}

// wait stands in for a destination that does not answer while a file lies there.
func (s *lineSink) wait(ctx context.Context) error {
	for {
		if _, err := os.Stat(s.path + ".slow"); err != nil {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			if s.mode != "waits for ever" {
				return ctx.Err()
			}
		}
	}
}

func (s *lineSink) write(b sdk.Batch) (sdk.Result, error) {
	switch s.mode {
	case "panics on nothing":
		_ = b.Events[0]
	case "forgets":
		b.Events = b.Events[:max(0, len(b.Events)-1)]
	case "hoards":
		for _, e := range b.Events {
			s.kept = append(s.kept, bytes.Clone(e.Raw))
		}
	case "buffers":
		for _, e := range b.Events {
			s.kept = append(s.kept, append(bytes.Clone(e.Raw), '\n'))
		}
		return sdk.Result{}, nil
	case "tells its token in an error":
		if s.token != "" {
			return sdk.Result{}, fmt.Errorf("login with %s", s.token)
		}
	case "rejects neighbours":
		for _, e := range b.Events {
			if !json.Valid(e.Raw) {
				return rejectAll(b), nil
			}
		}
	case "refuses large events":
		for _, e := range b.Events {
			if len(e.Raw) > 1<<20 {
				return sdk.Result{}, errors.New("too large")
			}
		}
	case "dies":
		os.Exit(7)
	}
	return s.append(b)
}

func rejectAll(b sdk.Batch) (r sdk.Result) {
	for i := range b.Events {
		r.Rejected = append(r.Rejected, sdk.Reject{Index: i, Reason: "bad company"})
	}
	return r
}

func (s *lineSink) append(b sdk.Batch) (sdk.Result, error) {
	var r sdk.Result
	var text bytes.Buffer
	for i, e := range b.Events {
		fresh := !s.seen[e.ID]
		switch s.mode {
		case "exact", "doubles":
			r.New = append(r.New, fresh)
		case "lies":
			r.New = append(r.New, true)
		}
		if known := s.mode == "exact" || s.mode == "marks first"; known && !fresh {
			continue
		}
		if err := json.Compact(&text, e.Raw); err != nil {
			r.Rejected = append(r.Rejected, sdk.Reject{Index: i, Reason: "not JSON"})
			continue
		}
		s.seen[e.ID] = true
		text.WriteByte('\n')
	}
	if s.mode == "marks first" {
		if err := s.mark(b); err != nil {
			return r, err
		}
	}
	if _, err := s.file.Write(text.Bytes()); err != nil {
		return r, err
	}
	return r, s.file.Sync()
}

// mark remembers the events before they are stored, and takes its time in between.
func (s *lineSink) mark(b sdk.Batch) error {
	f, err := os.OpenFile(s.path+".marks", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var ids bytes.Buffer
	for _, e := range b.Events {
		ids.WriteString(e.ID + "\n")
	}
	if _, err := f.Write(ids.Bytes()); err != nil {
		return err
	}
	// Longer than all else in a write, so that some of the kit's kills fall in here however
	// fast or busy the machine is.
	<-time.After(250 * time.Millisecond)
	return f.Sync()
}

// race drops a batch while another is being written.
func (s *lineSink) race(b sdk.Batch) (sdk.Result, error) {
	if !s.mu.TryLock() {
		return sdk.Result{}, nil
	}
	defer s.mu.Unlock()
	<-time.After(10 * time.Millisecond)
	return s.append(b)
}

func (s *lineSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.mode {
	case "buffers":
		for _, line := range s.kept {
			if _, err := s.file.Write(line); err != nil {
				return err
			}
		}
	case "exits in Close":
		os.Exit(0)
	case "cannot close":
		return errors.New("no")
	}
	return s.file.Close()
}

type parallelSink struct{ *lineSink }

func (parallelSink) Parallel() int { return 4 }

// A ledgerSink keeps its ledger in a second file. In the mode "ledger first" it writes
// the entry before the events.
type ledgerSink struct {
	*lineSink
	path string
}

func (s *ledgerSink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	if s.mode == "ledger first" {
		if err := s.complete(b); err != nil {
			return sdk.Result{}, err
		}
		<-time.After(20 * time.Millisecond)
		return s.lineSink.Write(ctx, b)
	}
	r, err := s.lineSink.Write(ctx, b)
	if err != nil || s.mode == "no ledger" {
		return r, err
	}
	return r, s.complete(b)
}

func (s *ledgerSink) complete(b sdk.Batch) error {
	f, err := os.OpenFile(s.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, c := range b.Completed {
		if _, err := fmt.Fprintf(f, "%s %s %d\n", c.Split.ID, c.Filter, c.Filtered); err != nil {
			return err
		}
	}
	return f.Sync()
}

func (s *ledgerSink) Done(_ context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	text, _ := os.ReadFile(s.path)
	states := make([]sdk.SplitState, len(q.Splits))
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		for i, id := range q.Splits {
			if len(fields) != 3 || fields[0] != id {
				continue
			}
			states[i] = sdk.SplitFiltered
			if fields[1] == q.Filter || fields[2] == "0" {
				states[i] = sdk.SplitDone
			}
		}
	}
	return states, nil
}
