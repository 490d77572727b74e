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
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// This test binary is also the plugins that it starts: as a built-in, "plugin KIND TYPE",
// and from the scripts that tests write, "external KIND TYPE".
func TestMain(m *testing.M) {
	if len(os.Args) == 4 {
		switch os.Args[1] {
		case "plugin":
			_ = newCatalog(nil).Serve(os.Args[2], os.Args[3])
			os.Exit(1)
		case "external":
			serveExternal(os.Args[2], os.Args[3])
		}
	}
	if len(os.Args) == 2 && os.Args[1] == "upgraded" {
		if err := upgraded(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func serveExternal(kind, typ string) {
	if kind == "source" {
		plugin.ServeSource(typ, "2.0.0", openSource)
	}
	plugin.ServeSink(typ, "2.0.0", openSink)
}

func newCatalog(log *slog.Logger) *catalog.Catalog {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return catalog.New(catalog.Config{Log: log, Builtins: builtins()})
}

// newCatalogIn makes its folder for sockets in dir.
func newCatalogIn(dir string) *catalog.Catalog {
	return catalog.New(catalog.Config{Log: slog.New(slog.DiscardHandler), Builtins: builtins(), Dir: dir})
}

func builtins() []catalog.Builtin {
	return []catalog.Builtin{
		{Definition: plugin.Sink("own", "1.0.0", openSink)},
		{Definition: plugin.Source("own", "1.0.0", openSource)},
	}
}

// open returns a catalog with these external plugins, which is closed with the test.
func open(t *testing.T, log *slog.Logger, blocks ...config.Plugin) *catalog.Catalog {
	t.Helper()
	c := newCatalog(log)
	c.Configure(config.Agent{}, blocks)
	t.Cleanup(func() { closeNow(c) })
	return c
}

// closeNow ends all plugins without asking them.
func closeNow(c *catalog.Catalog) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(ctx)
}

type settings struct {
	Mode  string `agent:"mode" desc:"How to behave." default:"good"`
	Token string `agent:"token" desc:"A secret." optional:"true" sensitive:"true"`
}

func (s settings) Validate() []sdk.Fault {
	if s.Mode == "leak" {
		slog.Error("validate", "with", s.Token)
	}
	if s.Mode == "faulty" {
		return []sdk.Fault{{Path: "mode", Summary: "Faulty", Detail: "it says so itself"}}
	}
	return nil
}

type testSource struct{}

func openSource(context.Context, settings) (sdk.Source, error) { return testSource{}, nil }

func (testSource) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	if !r.Since.IsZero() {
		return found([]sdk.Split{{ID: "a"}, {}})
	}
	return found([]sdk.Split{{ID: "a"}})
}

func (testSource) Fetch(ctx context.Context, s sdk.Split, emit func([]sdk.Event) error) error {
	if s.ID == "silent" {
		if err := emit([]sdk.Event{{ID: "1"}}); err != nil {
			return err
		}
		<-ctx.Done()
	}
	if s.ID == "nameless" {
		return emit([]sdk.Event{{ID: "1"}, {Raw: []byte("a")}, {Raw: []byte("b"), Reject: "odd"}})
	}
	return emit([]sdk.Event{{ID: "2"}})
}

type testSink struct {
	mode, token string
	held        [][]byte
}

func openSink(_ context.Context, s settings) (sdk.Sink, error) {
	switch s.Mode {
	case "refuse":
		return nil, sdk.Denied(errors.New("no rights"))
	case "die in open":
		os.Exit(7)
	case "leak in open":
		return nil, errors.New("no use for " + s.Token)
	}
	return &testSink{mode: s.Mode, token: s.Token}, nil
}

func (s *testSink) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	switch s.mode {
	case "leak":
		slog.Error("write", "token", s.token, "env", os.Getenv("PASSWORD"))
		fmt.Println("https://user:" + s.token + "@host/")
		if b.Events[0].ID == "reject" {
			return sdk.Result{Rejected: []sdk.Reject{{Reason: "no use for " + s.token}}}, nil
		}
		return sdk.Result{}, sdk.Denied(errors.New("no use for " + s.token))
	case "exit":
		os.Exit(0)
	case "silent":
		select {}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // the signal may reach another thread first
	case "fat":
		for range 16 {
			block := make([]byte, 8<<20)
			for i := range block {
				block[i] = byte(i)
			}
			s.held = append(s.held, block)
		}
	case "environment":
		return sdk.Result{Rejected: []sdk.Reject{{Reason: strings.Join(os.Environ(), "\n")}}}, nil
	}
	return sdk.Result{}, nil
}

// Check tells what it should not.
func (s *testSink) Check(context.Context) []sdk.Finding {
	return []sdk.Finding{{Subject: "token", State: sdk.CheckFailed, Detail: "no use for " + s.token}}
}

// program writes a program that serves a plugin of this binary, and returns its path.
func program(t *testing.T, name, kind, typ string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	script(t, path, fmt.Sprintf("exec '%s' external %s %s", self, kind, typ))
	return path
}

func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// pinned is the plugin block of a program as it is now.
func pinned(t *testing.T, typ, path string) config.Plugin {
	t.Helper()
	sum, err := catalog.Checksum(path)
	if err != nil {
		t.Fatal(err)
	}
	return config.Plugin{Type: typ, Path: path, SHA256: sum}
}

func write(t *testing.T, s *catalog.Sink) error {
	t.Helper()
	_, err := s.Write(t.Context(), sdk.Batch{Events: []sdk.Event{{ID: "1"}}})
	return err
}

func sink(t *testing.T, c *catalog.Catalog, typ, mode string) *catalog.Sink {
	t.Helper()
	s, err := c.Sink("test", typ, []byte(`{"mode":"`+mode+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// until polls what another process will make true.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for !true() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("never %s", what)
		}
	}
}

// kill ends the process of the only plugin.
func kill(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	if err := syscall.Kill(c.States()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	s := processState(pid)
	return s != 0 && s != 'Z' && s != 'X'
}

// stopped reports whether a process was stopped by a signal.
func stopped(pid int) bool { return processState(pid) == 'T' }

// processState is the letter that proc_pid_stat(5) gives for a process; 0 if it is gone.
func processState(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return stat[bytes.LastIndexByte(stat, ')')+2]
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
