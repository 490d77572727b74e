package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// again writes until it succeeds: each call that a crash cuts off may be repeated.
func again(t *testing.T, s *catalog.Sink) {
	t.Helper()
	until(t, "written", func() bool { return write(t, s) == nil })
}

// A pinned plugin that crashes comes back, although its checksum is computed each time.
func TestAPinnedPluginComesBackAfterACrash(t *testing.T) {
	c := open(t, nil, pinned(t, "webhook", program(t, "agent-sink-webhook", "sink", "webhook")))
	s := sink(t, c, "webhook", "good")
	again(t, s)
	kill(t, c)
	until(t, "noticed", func() bool { return c.States()[0].Crashes == 1 })
	again(t, s)
	st := c.States()[0]
	if !st.Running || st.Degraded || st.Kind != "sink" || st.Type != "webhook" || st.Block != "test" {
		t.Errorf("state %+v", st)
	}
	if st.Err == nil || !strings.Contains(st.Err.Error(), "signal: killed") {
		t.Errorf("the crash is told as %v", st.Err)
	}
}

// Whoever ends a run at what somebody has to mend would end it at this.
func TestAPluginThatIsKilledWhileItStartsAgainNeedsNobody(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	doomed := filepath.Join(t.TempDir(), "doomed") // the next start, while it is not empty
	path := filepath.Join(t.TempDir(), "agent-sink-webhook")
	script(t, path, fmt.Sprintf("if [ -s '%s' ]; then : >'%[1]s'; kill -9 $$; fi\nexec '%s' external sink webhook", doomed, self))
	c := open(t, nil, pinned(t, "webhook", path))
	s := sink(t, c, "webhook", "good")
	again(t, s)
	if err := os.WriteFile(doomed, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, c)
	until(t, "noticed", func() bool { return c.States()[0].Crashes > 0 })
	failed := 0
	until(t, "written", func() bool {
		err := write(t, s)
		if sdk.IsDenied(err) {
			t.Errorf("Write = %v, which waits for somebody", err)
		}
		if err != nil {
			failed++
		}
		return err == nil
	})
	if left, err := os.ReadFile(doomed); err != nil || len(left) > 0 || failed == 0 || c.States()[0].Crashes != 2 {
		t.Errorf("the second start was not killed: %q, %v, %d failures, state %+v", left, err, failed, c.States()[0])
	}
}

func TestAPluginThatCrashesAgainAndAgainIsDegraded(t *testing.T) {
	var log syncBuffer
	c := open(t, slog.New(slog.NewTextHandler(&log, nil)))
	s := sink(t, c, "own", "exit")
	until(t, "degraded", func() bool {
		_ = write(t, s)
		return c.States()[0].Degraded
	})
	st := c.States()[0]
	if st.Restarts < 4 {
		t.Errorf("%d restarts", st.Restarts)
	}
	if st.Crashes < 5 || !strings.Contains(st.Err.Error(), "exit status 0") {
		t.Errorf("state %+v", st)
	}
	if !strings.Contains(log.String(), "degraded") {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestAPluginThatDiesWhileItOpensIsTriedAgainAndTold(t *testing.T) {
	c := open(t, nil)
	s := sink(t, c, "own", "die in open")
	if err := write(t, s); err == nil || sdk.IsDenied(err) {
		t.Errorf("Write = %v", err)
	}
	until(t, "tried again", func() bool { return c.States()[0].Crashes > 2 })
}

func TestAPluginThatRefusesItsSettingsHasNotCrashed(t *testing.T) {
	c := open(t, nil)
	s := sink(t, c, "own", "refuse")
	if err := write(t, s); !sdk.IsDenied(err) {
		t.Errorf("Write = %v", err)
	}
	if st := c.States()[0]; st.Crashes > 0 || !sdk.IsDenied(st.Err) || st.Running {
		t.Errorf("state %+v", st)
	}
}

func TestAPluginThatDoesNotAnswerAWriteIsKilled(t *testing.T) {
	c := open(t, nil)
	c.Hasten(time.Second)
	s := sink(t, c, "own", "silent")
	err := write(t, s)
	if err == nil || sdk.IsInvalid(err) || !strings.Contains(err.Error(), "gives no answer for 1s") {
		t.Errorf("Write = %v", err)
	}
	until(t, "killed", func() bool { return c.States()[0].Crashes > 0 })
	if err := c.States()[0].Err; !strings.Contains(err.Error(), "without an answer") {
		t.Errorf("told as %v", err)
	}
}

func TestASourceThatFallsSilentInTheMiddleIsKilled(t *testing.T) {
	c := open(t, nil)
	c.Hasten(time.Second)
	s, err := c.Source("test", "own", []byte(`{"mode":"good"}`))
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	err = s.Fetch(t.Context(), sdk.Split{ID: "silent"}, func([]sdk.Event) error { events++; return nil })
	if err == nil || events != 1 || !strings.Contains(err.Error(), "gives no answer") {
		t.Errorf("Fetch = %v after %d events", err, events)
	}
	until(t, "killed", func() bool { return c.States()[0].Crashes > 0 })
}

func TestAStoppedPluginIsFoundAndReplaced(t *testing.T) {
	c := open(t, nil)
	c.Hasten(time.Minute)
	s := sink(t, c, "own", "good")
	again(t, s)
	pid := c.States()[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "replaced", func() bool { st := c.States()[0]; return st.Running && st.PID != pid })
	again(t, s)
	if alive(pid) {
		t.Errorf("process %d is left stopped", pid)
	}
}

// After an upgrade on disk a built-in is started from the program that runs, not from the
// one that took its place.
func TestABuiltinIsOfTheAgentsVersionAfterAnUpgradeOnDisk(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(old, self, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), old, "upgraded").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "came back as 1.0.0") {
		t.Errorf("%v\n%s", err, out)
	}
}

// upgraded is an agent whose program is replaced while it runs.
func upgraded() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	c := newCatalog(nil)
	defer closeNow(c)
	s, err := c.Sink("test", "own", []byte(`{"mode":"good"}`))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	batch := sdk.Batch{Events: []sdk.Event{{ID: "1"}}}
	if _, err := s.Write(ctx, batch); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte("#!/bin/false\n"), 0o700); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	first := c.States()[0].PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := s.Write(ctx, batch); err == nil && c.States()[0].PID != first {
			d, err := c.Inspect("own")
			fmt.Println("came back as", d.Version)
			return err
		}
	}
	return ctx.Err()
}

func TestAPluginThatUsesTooMuchMemoryIsKilled(t *testing.T) {
	block := pinned(t, "webhook", program(t, "agent-sink-webhook", "sink", "webhook"))
	block.Memory = 96 << 20
	c := open(t, nil, block)
	c.Hasten(time.Minute)
	s := sink(t, c, "webhook", "fat")
	until(t, "killed", func() bool {
		_ = write(t, s)
		st := c.States()[0]
		return st.Err != nil && strings.Contains(st.Err.Error(), "of the 96 MiB of memory")
	})
}

func TestACrashLoopLeavesNothingBehind(t *testing.T) {
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := newCatalogIn(dir)
	s := sink(t, c, "own", "good")
	var pids []int
	for range 4 {
		again(t, s)
		pid := c.States()[0].PID
		pids = append(pids, pid)
		kill(t, c)
		until(t, "gone", func() bool { return c.States()[0].Crashes == len(pids) })
	}
	c.Close(t.Context())
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if slices.ContainsFunc(pids, alive) {
		t.Error("a process is left")
	}
}

func TestCloseEndsEvenAPluginThatCannotBeAsked(t *testing.T) {
	c := newCatalog(nil)
	s := sink(t, c, "own", "good")
	again(t, s)
	pid := c.States()[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	closeNow(c)
	if alive(pid) {
		t.Error("it is still there")
	}
	if err := write(t, s); err == nil {
		t.Error("a closed plugin was written to")
	}
}

func TestACallWaitsForThePluginOnlyAsLongAsItsContext(t *testing.T) {
	c := open(t, nil)
	s := sink(t, c, "own", "stop")
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() {
		_, err := s.Write(ctx, sdk.Batch{Events: make([]sdk.Event, 1)})
		result <- err
	}()
	until(t, "stopped", func() bool { return stopped(c.States()[0].PID) })
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("Write = %v", err)
	}
}

// A syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
