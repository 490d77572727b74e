package sdktest_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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

func benchmarkHop(b *testing.B, c host.Command) {
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
	sink := p.Sink()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		batch := sdk.Batch{Pipeline: "bench", Events: sdktest.Events(hopBatch), Spans: []sdk.Span{{Source: "s3", Split: "x", Len: hopBatch}}}
		for pb.Next() {
			if _, err := sink.Write(b.Context(), batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(hopBatch*float64(b.N)/b.Elapsed().Seconds(), "events/s")
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
