package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// serveOdd is a plugin that does what no plugin should.
func serveOdd(how string) {
	switch how {
	case "mute":
		select {}
	case "sick":
		serveSick()
	}
	if line, found := strings.CutPrefix(how, "print "); found {
		fmt.Println(line)
		select {}
	}
	plugin.ServeSink("odd", "1.0.0", func(context.Context, settings) (sdk.Sink, error) { return oddSink(how), nil })
}

// serveSick serves a plugin that says it is not well.
func serveSick() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{1: {wire.PluginName: &wire.Plugin{Definition: sickDefinition{}}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				if _, ok := req.(*healthpb.HealthCheckRequest); ok {
					return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}, nil
				}
				return next(ctx, req)
			}))...)
		},
	})
}

type sickDefinition struct{}

func (sickDefinition) Description() wire.Description {
	return wire.Description{Kind: "sink", Type: "sick"}
}
func (sickDefinition) Rights([]byte) []sdk.Right { return nil }

func (sickDefinition) Validate([]byte) []sdk.Fault { return nil }
func (sickDefinition) Open(context.Context, []byte) (any, error) {
	return oddSink(""), nil
}

type oddSink string

func (s oddSink) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	what, argument, _ := strings.Cut(string(s), " ")
	switch what {
	case "reply":
		n, _ := strconv.Atoi(argument)
		return sdk.Result{Rejected: []sdk.Reject{{Reason: strings.Repeat("x", n)}}}, nil
	case "twice":
		return sdk.Result{Rejected: []sdk.Reject{{Index: 0}, {Index: 0}}}, nil
	case "beyond":
		return sdk.Result{Rejected: []sdk.Reject{{Index: len(b.Events)}}}, nil
	case "late":
		return sdk.Result{}, fmt.Errorf("connect: %w", context.DeadlineExceeded)
	case "child":
		cmd := exec.Command("/bin/sleep", "600") // left behind
		cmd.Stderr = os.Stderr
		_ = cmd.Start()
		_ = os.WriteFile(argument, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
		os.Exit(3)
	case "flood":
		for range 50_000 {
			fmt.Fprintln(os.Stderr, "one of many lines that nobody wants to read")
		}
	case "lines":
		fmt.Fprintln(os.Stderr, `{"@message":1}`+"\n"+`{"@level":[]}`+"\n"+`{"@timestamp":{}}`+"\n"+`{"msg":1}`+"\n"+`{"msg":"x","level":7}`)
	}
	return sdk.Result{}, nil
}

func startOdd(t *testing.T, how string, log *slog.Logger) *host.Process {
	t.Helper()
	p, err := host.Start(odd(t, how), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if _, err := p.Open(t.Context(), []byte(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	return p
}

func odd(t *testing.T, how string) host.Command {
	t.Helper()
	return host.Command{Path: "/proc/self/exe", Args: []string{"test", "odd", how}, Dir: t.TempDir()}
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

var quiet = slog.New(slog.DiscardHandler)

func TestAPluginOfAnotherProtocolIsToldWhichSideToUpgrade(t *testing.T) {
	for line, want := range map[string]string{
		"1|2|unix|/none|grpc|": "too new: it speaks protocol 2, this agent protocol 1; upgrade the agent",
		"1|0|unix|/none|grpc|": "too old: it speaks protocol 0, this agent protocol 1; upgrade the plugin",
		"2|1|unix|/none|grpc|": "another generation of go-plugin",
	} {
		_, err := host.Start(odd(t, "print "+line), quiet)
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestAStartThatComesToNothingIsGivenUp(t *testing.T) {
	c := odd(t, "mute")
	c.StartTimeout = 50 * time.Millisecond
	if _, err := host.Start(c, quiet); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("Start = %v", err)
	}
	if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAPluginThatSaysItIsNotWellIsNot(t *testing.T) {
	p := startOdd(t, "sick", quiet)
	if err := p.Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("Healthy = %v", err)
	}
}

// An answer that makes no sense acknowledges nothing, and is never the events' fault:
// they would go to quarantine for it.
func TestAWrongAnswerAcknowledgesNothing(t *testing.T) {
	for _, how := range []string{"twice", "beyond", "reply " + strconv.Itoa(9<<20), "reply " + strconv.Itoa(64<<20)} {
		p := startOdd(t, how, quiet)
		_, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]})
		if err == nil || sdk.IsInvalid(err) || sdk.IsDenied(err) || sdk.IsGone(err) {
			t.Errorf("%s: %v", how, err)
		}
		if err := p.Healthy(t.Context()); err != nil {
			t.Errorf("%s: afterwards %v", how, err)
		}
	}
}

// What a plugin waited for in vain is an answer like any other: the agent must not take it
// for the end of its own patience, and wait for that.
func TestADeadlineOfThePluginsOwnIsAnAnswer(t *testing.T) {
	p := startOdd(t, "late", quiet)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := p.Sink().Write(ctx, sdk.Batch{Events: records[:1]})
	if err == nil || ctx.Err() != nil || sdk.IsInvalid(err) || sdk.IsDenied(err) || !strings.Contains(err.Error(), "connect: context deadline exceeded") {
		t.Errorf("Write = %v with the call's context %v", err, ctx.Err())
	}
}

func TestOnlyAMessageBeyondTheLimitIsTheEventsFault(t *testing.T) {
	p := startOdd(t, "good", quiet)
	event := func(size int) sdk.Batch { return sdk.Batch{Events: []sdk.Event{{ID: "1", Raw: make([]byte, size)}}} }
	if _, err := p.Sink().Write(t.Context(), event(50<<20)); err != nil {
		t.Errorf("50 MiB: %v", err)
	}
	if _, err := p.Sink().Write(t.Context(), event(64<<20)); !sdk.IsInvalid(err) {
		t.Errorf("64 MiB and a little: %v", err)
	}
}

func TestNoProcessIsLeftThatAPluginStarted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	p := startOdd(t, "child "+file, quiet)
	if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err == nil {
		t.Error("the plugin lives")
	}
	<-p.Exited() // although the child holds the plugin's standard error
	p.Kill()
	if p.End() != "exit status 3" {
		t.Errorf("it ended with %s", p.End())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "ended", func() bool { return !alive(child) })
}

func TestAFloodOfLinesIsCutShort(t *testing.T) {
	var out syncBuffer
	p := startOdd(t, "flood", slog.New(slog.NewTextHandler(&out, nil)))
	for range 2 {
		if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "logged", func() bool { return strings.Contains(out.String(), "one of many lines") })
	p.Kill()
	if n := strings.Count(out.String(), "one of many lines"); n > 20_000 {
		t.Errorf("%d of 100,000 lines in the log", n)
	}
	if got := p.Output(); len(got) == 0 || len(got) > 20 {
		t.Errorf("%d lines are kept", len(got))
	}
}

// go-plugin's own parser of such lines panics in the agent.
func TestNoLineOfAPluginHurtsTheAgent(t *testing.T) {
	var out syncBuffer
	p := startOdd(t, "lines", slog.New(slog.NewTextHandler(&out, nil)))
	if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"@message", "@level", "@timestamp", "msg=x"} {
		until(t, "logged "+want, func() bool { return strings.Contains(out.String(), want) })
	}
}

// A parent-death signal is sent when the thread ends that started the child.
func TestAPluginOutlivesTheThreadThatAskedForIt(t *testing.T) {
	for range 5 {
		started := make(chan *host.Process)
		go func() {
			runtime.LockOSThread() // so that the thread ends with this goroutine
			p, err := host.Start(odd(t, "good"), quiet)
			if err != nil {
				t.Error(err)
			}
			started <- p
		}()
		p := <-started
		if p == nil {
			return
		}
		t.Cleanup(p.Kill)
		for range 100 {
			if err := p.Healthy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Whatever cleans up the folder for temporary files may remove sockets as well.
func TestAPluginIsReachedWithoutItsSocketFile(t *testing.T) {
	c := odd(t, "good")
	p, err := host.Start(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	open(t, p, "good")
	if err := os.RemoveAll(c.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sink().Write(t.Context(), sdk.Batch{Events: records[:1]}); err != nil {
		t.Error(err)
	}
}

func TestTheProgramThatIsGivenOpenIsExecuted(t *testing.T) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	c := odd(t, "good")
	c.Path, c.Program = "/nonexistent/agent-sink-odd", self
	p, err := host.Start(c, quiet)
	_ = self.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if d, err := p.Describe(t.Context()); err != nil || d.Type != "odd" {
		t.Errorf("Describe = %+v, %v", d, err)
	}
	_ = syscall.Kill(p.PID(), syscall.SIGKILL)
	<-p.Exited()
}
