package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// This test binary is also the plugins that it starts: the first argument chooses.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "sink":
			plugin.ServeSink("test", "1.2.3", openSink)
		case "source":
			plugin.ServeSource("test", "1.2.3", openSource)
		case "garbage":
			fmt.Fprintln(os.Stderr, "reason: none")
			fmt.Println("hello, I am not a plugin")
			os.Exit(3)
		case "odd":
			serveOdd(os.Args[2])
		case "host":
			hostOfOrphan()
		}
	}
	goleak.VerifyTestMain(m)
}

type settings struct {
	Mode string `agent:"mode" desc:"How to behave." default:"good"`
}

type testSink struct {
	mode string
	mu   sync.Mutex
	ids  map[string]bool
}

func openSink(_ context.Context, s settings) (sdk.Sink, error) {
	if s.Mode == "refuse" {
		return nil, sdk.Denied(errors.New("no rights"))
	}
	return &testSink{mode: s.Mode, ids: make(map[string]bool)}, nil
}

func (s *testSink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	switch s.mode {
	case "panic":
		panic("at the disco")
	case "die":
		os.Exit(9)
	case "hang":
		<-ctx.Done()
		return sdk.Result{}, ctx.Err()
	case "invalid":
		return sdk.Result{}, sdk.Invalid(errors.New("bad event"))
	case "denied":
		return sdk.Result{}, sdk.Denied(errors.New("no table"))
	case "noise":
		fmt.Print(strings.Repeat("x", 70_000), "\n", strings.Repeat("y", 400_000))
		fmt.Fprintln(os.NewFile(1, "stdout"), "straight to descriptor 1")
		slog.Warn("structured", "answer", 42)
	case "wrong":
		return sdk.Result{New: make([]bool, len(b.Events)+1)}, nil
	case "environment":
		return sdk.Result{Rejected: []sdk.Reject{{Reason: strings.Join(os.Environ(), "\n")}}}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var r sdk.Result
	for _, e := range b.Events {
		r.New = append(r.New, !s.ids[e.ID])
		s.ids[e.ID] = true
	}
	return r, nil
}

func (s *testSink) Done(_ context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	states := make([]sdk.SplitState, len(q.Splits))
	for i, id := range q.Splits {
		states[i] = sdk.SplitState(len(id) % 3)
	}
	return states, nil
}

func (s *testSink) Parallel() int { return 7 }

// testSource answers with what it was asked, so that tests see what arrived.
type testSource struct{}

func openSource(context.Context, settings) (sdk.Source, error) { return testSource{}, nil }

var day = time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC)

var records = []sdk.Event{
	{ID: "1", Time: day, Name: "n", Source: "s", Region: "r", Account: "a", Principal: "p", ErrorCode: "e", ReadOnly: sdk.True, Raw: []byte("{\"x\":\"\xff\x00\"}")},
	{ID: "2", ReadOnly: sdk.False, Raw: []byte{}, Reject: "odd"},
	{ID: "3", Raw: bytes.Repeat([]byte("z"), 5<<20)},
}

func (testSource) Discover(_ context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	for i := range 3 {
		if err := found([]sdk.Split{{ID: strconv.Itoa(i), Time: r.Since, Bytes: int64(i), Pass: "late"}, {ID: "until", Time: r.Until}}); err != nil {
			return err
		}
	}
	return nil
}

func (testSource) Fetch(_ context.Context, s sdk.Split, emit func([]sdk.Event) error) error {
	switch s.ID {
	case "gone":
		return sdk.Gone(errors.New("no such split"))
	case "half":
		if err := emit(records[:1]); err != nil {
			return err
		}
		return errors.New("broke off")
	}
	for _, e := range records {
		if err := emit([]sdk.Event{e}); err != nil {
			return err
		}
	}
	return nil
}

// start starts this binary as a plugin and stops it at the end of the test.
func start(t *testing.T, kind string, log *slog.Logger, env ...string) *host.Process {
	t.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p, err := host.Start(host.Command{Path: "/proc/self/exe", Args: []string{"test", kind}, Env: env, Dir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func open(t *testing.T, p *host.Process, mode string) host.Opened {
	t.Helper()
	o, err := p.Open(t.Context(), []byte(`{"mode":"`+mode+`"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAPluginSaysWhatItIs(t *testing.T) {
	p := start(t, "sink", nil)
	first, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Kind != "sink" || first.Type != "test" || first.Version != "1.2.3" || first.Settings.Attributes[0].Name != "mode" {
		t.Errorf("description %+v", first)
	}
	second, err := p.Describe(t.Context())
	if err != nil || cmp.Diff(first, second) != "" {
		t.Errorf("second answer differs: %v %s", err, cmp.Diff(first, second))
	}
	if o := open(t, p, "good"); !o.Ledger || o.Parallel != 7 || o.Settles {
		t.Errorf("opened %+v", o)
	}
}

func TestEventsAndAnswersCrossTheWireUnchanged(t *testing.T) {
	p := start(t, "source", nil)
	open(t, p, "good")
	var events []sdk.Event
	if err := p.Source().Fetch(t.Context(), sdk.Split{ID: "all"}, func(page []sdk.Event) error {
		for _, e := range page {
			e.Raw = bytes.Clone(e.Raw)
			events = append(events, e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := append([]sdk.Event(nil), records...)
	want[1].Raw = nil // proto3 does not tell empty bytes from none
	if d := cmp.Diff(want, events, cmp.Comparer(bytes.Equal)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}

	var splits []sdk.Split
	if err := p.Source().Discover(t.Context(), sdk.TimeRange{Since: day}, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(splits) != 6 || !splits[2].Time.Equal(day) || splits[2].Bytes != 1 || !splits[1].Time.IsZero() {
		t.Errorf("splits %+v", splits)
	}
}

func TestErrorsKeepTheirClassAcrossTheWire(t *testing.T) {
	source := start(t, "source", nil)
	open(t, source, "good")
	none := func([]sdk.Event) error { return nil }
	if err := source.Source().Fetch(t.Context(), sdk.Split{ID: "gone"}, none); !sdk.IsGone(err) {
		t.Errorf("gone: %v", err)
	}
	if err := source.Source().Fetch(t.Context(), sdk.Split{ID: "half"}, none); err == nil || sdk.IsGone(err) || sdk.IsInvalid(err) || sdk.IsDenied(err) {
		t.Errorf("a stream that broke off: %v", err)
	}
	enough := errors.New("enough")
	if err := source.Source().Fetch(t.Context(), sdk.Split{ID: "all"}, func([]sdk.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the caller's own error: %v", err)
	}

	for mode, is := range map[string]func(error) bool{
		"invalid": sdk.IsInvalid,
		"denied":  sdk.IsDenied,
		"panic":   func(err error) bool { return err != nil && strings.Contains(err.Error(), "at the disco") },
		"die":     func(err error) bool { return err != nil && !sdk.IsInvalid(err) && !sdk.IsDenied(err) },
		"wrong":   func(err error) bool { return err != nil && !sdk.IsInvalid(err) },
	} {
		p := start(t, "sink", nil)
		open(t, p, mode)
		if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); !is(err) {
			t.Errorf("mode %s: %v", mode, err)
		}
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	p := start(t, "sink", nil)
	open(t, p, "hang")
	why := errors.New("out of patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	go cancel(why)
	if _, err := p.Sink().Write(ctx, sdk.Batch{}); !errors.Is(err, why) {
		t.Errorf("Write = %v, want the context's cause", err)
	}
}

func TestTheAgentSeesAProcessEnd(t *testing.T) {
	p := start(t, "sink", nil)
	open(t, p, "good")
	if err := p.Healthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.PID(), syscall.SIGKILL)
	<-p.Exited()
	if err := p.Healthy(t.Context()); err == nil {
		t.Error("a dead plugin is healthy")
	}
}

func TestTerminationSignalsAreLeftToTheAgent(t *testing.T) {
	p := start(t, "sink", nil)
	open(t, p, "good")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(p.PID(), s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err != nil {
		t.Error(err)
	}
}

func TestStopEndsEvenAStoppedProcess(t *testing.T) {
	for _, signal := range []syscall.Signal{0, syscall.SIGSTOP, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p, err := host.Start(host.Command{Path: "/proc/self/exe", Args: []string{"test", "sink"}, Dir: dir}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			open(t, p, "good")
			if signal != 0 {
				_ = syscall.Kill(p.PID(), signal)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = p.Stop(ctx)
			if signal == 0 && err != nil {
				t.Error(err)
			}
			<-p.Exited()
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestStrayOutputIsHarmlessAndLogged(t *testing.T) {
	var out syncBuffer
	p := start(t, "sink", slog.New(slog.NewTextHandler(&out, nil)))
	open(t, p, "noise")
	for range 3 {
		if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err != nil {
			t.Fatal(err)
		}
	}
	p.Kill()
	for _, want := range []string{"straight to descriptor 1", "level=WARN msg=structured answer=42"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("log lacks %q", want)
		}
	}
}

func TestAPluginSeesNothingOfTheAgentsEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	p := start(t, "sink", nil, "GIVEN=yes")
	open(t, p, "environment")
	res, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]})
	if err != nil {
		t.Fatal(err)
	}
	env := res.Rejected[0].Reason
	if strings.Contains(env, "canary") || !strings.Contains(env, "GIVEN=yes") {
		t.Errorf("environment:\n%s", env)
	}
}

func TestAProgramThatIsNoPluginIsExplained(t *testing.T) {
	dir := t.TempDir()
	_, err := host.Start(host.Command{Path: "/proc/self/exe", Args: []string{"test", "garbage"}, Dir: dir}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "hello, I am not a plugin") || !strings.Contains(err.Error(), "reason: none") {
		t.Errorf("error: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := host.Start(host.Command{Path: "/nonexistent", Args: []string{"x"}, Dir: dir}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("started a program that does not exist")
	}
}

func TestATooLongSocketFolderIsExplained(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := host.Start(host.Command{Path: "/proc/self/exe", Args: []string{"test", "sink"}, Dir: dir}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "characters long") {
		t.Errorf("error: %v", err)
	}
}

func TestOpenErrorsKeepTheirClass(t *testing.T) {
	p := start(t, "sink", nil)
	if _, err := p.Open(t.Context(), []byte(`{"mode":"refuse"}`), nil); !sdk.IsDenied(err) {
		t.Errorf("Open = %v", err)
	}
}

// hostOfOrphan plays an agent: it starts a plugin, tells its pid, and waits to be
// killed.
func hostOfOrphan() {
	p, err := host.Start(host.Command{Path: "/proc/self/exe", Args: []string{"test", "sink"}, Dir: os.Args[2]}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	select {}
}

func TestAPluginDiesWithTheAgent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "host", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for alive(pid) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the plugin outlived the agent")
		}
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

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
