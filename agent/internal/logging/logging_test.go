package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/logging"
)

// written runs do with a text log in a bubble, and returns the messages.
func written(t *testing.T, do func(*slog.Logger)) []string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		log := logging.New(&out, logging.Journal, false, slog.LevelInfo, false)
		do(log)
		synctest.Wait()
		logging.Flush(log)
	})
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRepeatedErrorsAreCounted(t *testing.T) {
	equal(t, written(t, func(log *slog.Logger) {
		log = log.With("pipeline", "audit")
		for i := range 58 {
			log.Warn("sink failed, will retry", "sink", "rds_direct", "tries", i+1, "err", fmt.Errorf("dial 127.0.0.1:%d: connection refused", 4000+i))
			<-time.After(time.Second)
		}
		<-time.After(10 * time.Second)
	}),
		`<4>sink failed, will retry  pipeline=audit sink=rds_direct tries=1 err="dial 127.0.0.1:4000: connection refused"`,
		`<4>sink failed, will retry (repeated 57 times in 1m0s)  pipeline=audit sink=rds_direct tries=58 err="dial 127.0.0.1:4057: connection refused"`)
}

func TestWhatSaysSomethingElseIsNotCounted(t *testing.T) {
	got := written(t, func(log *slog.Logger) {
		log.Warn("failed", "sink", "a", "err", errors.New("refused"))
		log.Warn("failed", "sink", "b", "err", errors.New("refused"))
		log.With("pipeline", "p").Warn("failed", "sink", "a", "err", errors.New("refused"))
		log.Warn("failed", "sink", "a", "err", errors.New("wrong password"))
		log.Error("failed", "sink", "a", "err", errors.New("refused"))
		log.Info("carried", "read", 1)
		log.Info("carried", "read", 1)
	})
	if len(got) != 7 {
		t.Errorf("got %d lines:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestTheSameErrorOfManySplitsIsCounted(t *testing.T) {
	equal(t, written(t, func(log *slog.Logger) {
		for _, split := range []string{"bucket/a.json.gz@x", "bucket/b.json.gz@y", "bucket/c.json.gz@z"} {
			log.Warn("left for the next listing", "split", split, "err", fmt.Errorf("read %s: denied", split))
		}
	}),
		`<4>left for the next listing  split=bucket/a.json.gz@x err="read bucket/a.json.gz@x: denied"`,
		`<4>left for the next listing (repeated 2 times in 0s)  split=bucket/c.json.gz@z err="read bucket/c.json.gz@z: denied"`)
}

func TestAnErrorThatGoesOnIsToldEachMinuteAndAnewAfterAPause(t *testing.T) {
	got := written(t, func(log *slog.Logger) {
		for range 15 {
			log.Error("down")
			<-time.After(11 * time.Second)
		}
		<-time.After(5 * time.Minute)
		log.Error("down")
	})
	equal(t, got, "<3>down", "<3>down (repeated 5 times in 1m0s)", "<3>down (repeated 5 times in 1m0s)", "<3>down (repeated 4 times in 1m0s)", "<3>down")
}

func TestErrorsOfNoKindFillNoMemory(t *testing.T) {
	got := written(t, func(log *slog.Logger) {
		for i := range 3000 {
			log.Error("odd", "err", strings.Repeat("x", i+1))
		}
	})
	if len(got) != 3000 {
		t.Errorf("%d lines", len(got))
	}
}

func TestEachMessageIsOneLineThatNobodyForges(t *testing.T) {
	hostile := "a\nlevel=ERROR\r\x1b[31m\u009b2J\u2028\x00\x7f"
	for _, form := range []logging.Form{logging.Text, logging.Journal, logging.Terminal} {
		for _, asJSON := range []bool{false, true} {
			var out bytes.Buffer
			logging.New(&out, form, asJSON, slog.LevelInfo, false).Error(hostile, "err", hostile, hostile, 1) //nolint:sloglint // hostile on purpose
			got := out.String()
			if strings.Count(got, "\n") != 1 || strings.ContainsAny(strings.TrimSuffix(got, "\n"), "\r\x1b\x00\x7f\u009b\u2028") {
				t.Errorf("form %d, JSON %v: %q", form, asJSON, got)
			}
		}
	}
}

func TestForms(t *testing.T) {
	for _, tc := range []struct {
		form   logging.Form
		asJSON bool
		want   string
	}{
		{logging.Text, false, `level=WARN msg="it fails" block=s3 n=1`},
		{logging.Journal, false, "<4>it fails  block=s3 n=1\n"},
		{logging.Terminal, false, " WARN  it fails  block=s3 n=1\n"},
		{logging.Text, true, `"msg":"it fails","block":"s3","n":1}`},
		{logging.Journal, true, `<4>{"time":`},
	} {
		var out bytes.Buffer
		log := logging.New(&out, tc.form, tc.asJSON, slog.LevelInfo, false)
		log.Debug("unseen")
		log.With("block", "s3").Warn("it fails", "n", 1)
		got := out.String()
		if !strings.Contains(got, tc.want) || strings.Contains(got, "unseen") {
			t.Errorf("form %d: %q has no %q", tc.form, got, tc.want)
		}
		if tc.asJSON && !json.Valid([]byte(got[strings.IndexByte(got, '{'):])) {
			t.Errorf("not JSON: %q", got)
		}
	}
}

func TestPrioritiesOfTheJournal(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, logging.Journal, false, slog.LevelDebug, false)
	log.Debug("d")
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	if got, want := out.String(), "<7>d\n<6>i\n<4>w\n<3>e\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheJournalIsKnownByItsStream(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]logging.Form{
		fmt.Sprintf("%d:%d", st.Dev, st.Ino):   logging.Journal,
		fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): logging.Text, // standard error was redirected
		"":                                     logging.Text,
		"nonsense":                             logging.Text,
	} {
		if got := logging.FormOf(f, func(string) string { return stream }); got != want {
			t.Errorf("%q: form %d, want %d", stream, got, want)
		}
	}
}
