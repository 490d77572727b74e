package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

// memoryPromise is what the agent and its plugins together may take (PSS), however
// much they carry.
const memoryPromise = 256 << 20

// The run carries more than the promise allows to hold.
func TestPredecessorEverythingHeldInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("carries 300 MB of records; run without -short")
	}
	s := newSite(t, s3Block, rdsBlock)
	s.program = agentAsShipped(t)
	s.write(t, "agent.hcl", "agent {\n  memory_limit = \"8MiB\"\n}\npipeline \"audit\" {\n"+s3Block+rdsBlock+"}\n")
	want := s.load(t, s3test.Trail{Events: 50_000, EventsPerObject: 500, EventBytes: 6000}.Objects())
	r := s.start(t, "-mode", "once")
	var peak int64
	await(t, "the end of the run", func() bool {
		peak = max(peak, s.proportionalSetSize(t))
		return r.over()
	})
	got := r.wait()
	if got.code != 0 || got.count("stored") != want.distinct() {
		t.Errorf("once: %s", got)
	}
	t.Logf("at most %d MiB: %s", peak>>20, got.stdout)
	if peak > memoryPromise {
		t.Errorf("the agent and its plugins took %d MiB, want at most %d", peak>>20, memoryPromise>>20)
	}
}

// agentAsShipped builds the agent as make build does. The tests' own binary is the agent
// too, but the race detector takes several times the memory.
func agentAsShipped(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// proportionalSetSize is what the site's processes take together at the moment, pages
// that they share counted once.
func (s *site) proportionalSetSize(t *testing.T) (bytesOfAll int64) {
	t.Helper()
	for _, pid := range s.processes(t) {
		bytesOfAll += proportionalSetSize(t, pid)
	}
	return bytesOfAll
}

// proportionalSetSize is what one process takes; 0 if it has ended.
func proportionalSetSize(t *testing.T, pid int) int64 {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(rollup, []byte("\nPss:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) < 2 {
		return 0
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
