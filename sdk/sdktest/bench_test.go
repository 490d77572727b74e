package sdktest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/python"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

// hopBatch is how many events of 1.5 KB one write of the benchmarks holds: 1.5 MB, just
// below what the agent puts into one.
const hopBatch = 1000

// BenchmarkHop is what the process boundary costs: from the agent's side of the wire to
// a sink that discards, with mTLS and two writes at a time. One iteration is one batch.
func BenchmarkHop(b *testing.B) {
	b.Run("go", func(b *testing.B) {
		benchmarkHop(b, host.Command{Path: self(b), Args: []string{"plugin", "discard"}})
	})
	b.Run("python", func(b *testing.B) {
		program := pythonSink(b)
		benchmarkHop(b, host.Command{Path: program, Args: []string{program}})
	})
}

// BenchmarkHopMemory is the memory of the plugin's process, its private part, before and
// after 500 batches, of which a few have warmed it up. One iteration is 500 batches.
func BenchmarkHopMemory(b *testing.B) {
	b.Run("go", func(b *testing.B) {
		benchmarkMemory(b, host.Command{Path: self(b), Args: []string{"plugin", "discard"}})
	})
	b.Run("python", func(b *testing.B) {
		program := pythonSink(b)
		benchmarkMemory(b, host.Command{Path: program, Args: []string{program}})
	})
}

func benchmarkMemory(b *testing.B, c host.Command) {
	p := opened(b, c)
	batch := hopOf()
	write := func(n int) {
		for range n {
			if _, err := p.Sink().Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	write(100)
	before := privateMiB(b, p.PID())
	for b.Loop() {
		write(500)
	}
	b.ReportMetric(before, "MiB-before")
	b.ReportMetric(privateMiB(b, p.PID()), "MiB-after")
}

// privateMiB is RssAnon of proc_pid_status(5).
func privateMiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

func hopOf() sdk.Batch {
	return sdk.Batch{Pipeline: "bench", Events: sdktest.Events(hopBatch), Spans: []sdk.Span{{Source: "s3", Split: "x", Len: hopBatch}}}
}

func benchmarkHop(b *testing.B, c host.Command) {
	p := opened(b, c)
	sink := p.Sink()
	b.ReportAllocs()
	b.ResetTimer()
	spent := cpuOf(b, p.PID(), os.Getpid())
	b.RunParallel(func(pb *testing.PB) {
		batch := hopOf()
		for pb.Next() {
			if _, err := sink.Write(b.Context(), batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(hopBatch*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	spent = cpuOf(b, p.PID(), os.Getpid()) - spent
	b.ReportMetric(float64(spent.Microseconds())/(hopBatch*float64(b.N)), "cpu-µs/event")
}

// cpuOf is the processor time that processes have used, from proc_pid_stat(5), whose unit
// on Linux is a hundredth of a second. Other work on the machine changes it little, unlike
// the events a second.
func cpuOf(b *testing.B, pids ...int) (sum time.Duration) {
	b.Helper()
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Fatal(err)
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the 3rd on
		for _, field := range fields[11:13] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}

// opened starts a plugin and opens it.
func opened(b *testing.B, c host.Command) *host.Process {
	b.Helper()
	dir, err := os.MkdirTemp("", "hop-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	c.Dir = dir
	p, err := host.Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Kill)
	if _, err := p.Open(b.Context(), []byte("{}"), nil); err != nil {
		b.Fatal(err)
	}
	return p
}

const discardingPython = `import agent_plugin

class Sink:
    def __init__(self, settings):
        pass

    def write(self, batch):
        for event in batch.events:
            len(event.raw)

agent_plugin.serve_sink("discard", "1.0.0", Sink, [])
`

// pythonSink packs a sink that looks at each record and discards it.
func pythonSink(b *testing.B) string {
	b.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf, cryptography").CombinedOutput(); err != nil {
		b.Skipf("install python3-grpcio and python3-cryptography: %s", out)
	}
	dir := b.TempDir()
	source := filepath.Join(dir, "sink")
	if err := os.CopyFS(source, python.Files); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "__main__.py"), []byte(discardingPython), 0o600); err != nil {
		b.Fatal(err)
	}
	program := filepath.Join(dir, "agent-sink-discard")
	out, err := exec.Command("/usr/bin/python3", "-m", "zipapp", source, "--python", "/usr/bin/python3", "--output", program).CombinedOutput()
	if err != nil {
		b.Fatalf("pack: %v %s", err, out)
	}
	return program
}
