package main

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
)

// TestExamples runs pipelines through the plugins in examples, as separate programs,
// and kills the plugin and the agent in the middle.
func TestExamples(t *testing.T) {
	t.Parallel()
	programs := exampleBuilder{dir: t.TempDir()}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/examples",
		Setup: setupExample,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"build":       programs.buildCmd,
			"records":     recordsCmd,
			"eventbridge": eventbridgeCmd,
			"interrupted": interruptedCmd,
			"distinct":    distinctCmd,
			"sql":         sqlCmd,
			"replace":     replaceCmd,
		},
		Condition:           exampleCondition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exampleCondition knows python: the interpreter and the packages that plugins in Python
// need. In CI they may not be missing.
func exampleCondition(name string) (bool, error) {
	if name != "python" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	out, err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf, cryptography").CombinedOutput()
	if err != nil && os.Getenv("CI") != "" {
		return false, fmt.Errorf("install python3-grpcio and python3-cryptography: %w %s", err, out)
	}
	return err == nil, nil
}

// setupExample adds a receiver of webhooks to what every script has. The script's own
// agent.hcl stays.
func setupExample(env *testscript.Env) error {
	file := filepath.Join(env.WorkDir, "agent.hcl")
	own, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := setupScript(env); err != nil {
		return err
	}
	if err := os.WriteFile(file, own, 0o600); err != nil {
		return err
	}
	r := &receiver{file: filepath.Join(env.WorkDir, "received.jsonl")}
	server := httptest.NewTLSServer(r)
	env.Defer(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	env.Setenv("WEBHOOK_URL", server.URL)
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), ca, 0o600)
}

// A receiver stores the records of webhooks in a file, a line each.
type receiver struct {
	mu   sync.Mutex
	file string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var message struct{ Events []json.RawMessage }
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(r.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	for _, record := range message.Events {
		if _, err := f.Write(append(record, '\n')); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// An exampleBuilder builds each example once.
type exampleBuilder struct {
	dir string
	mu  sync.Mutex
}

// build EXAMPLE puts the program of an example into the script's folder, built as its
// author would.
func (b *exampleBuilder) buildCmd(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	b.mu.Lock()
	defer b.mu.Unlock()
	built := filepath.Join(b.dir, name)
	if _, err := os.Stat(built); err != nil {
		ts.Check(buildExample(filepath.Join("..", "examples", name), built))
	}
	program, err := os.ReadFile(built)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name), program, 0o700))
}

func buildExample(from, to string) error {
	if _, err := os.Stat(filepath.Join(from, "go.mod")); err != nil {
		return runIn(from, "/usr/bin/python3", "-m", "zipapp", "sink", "--python", "/usr/bin/python3", "--output", to)
	}
	if err := runIn(from, "go", "build", "-o", to, "."); err != nil {
		return err
	}
	return linksNothingOfOurs(to)
}

func runIn(dir string, command ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", strings.Join(command, " "), dir, err, out)
	}
	return nil
}

// linksNothingOfOurs holds the libraries in a plugin's program against what the SDK
// promises not to bring along.
func linksNothingOfOurs(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	for _, dep := range info.Deps {
		for _, ours := range []string{"github.com/jackc/", "github.com/aws/", "github.com/hashicorp/hcl", "github.com/zclconf/", "cel.dev/"} {
			if strings.HasPrefix(dep.Path, ours) {
				return fmt.Errorf("%s links %s: the SDK must not bring it along", program, dep.Path)
			}
		}
	}
	return nil
}

const recordsPerFile = 500

// records N DIR writes N generated records, each with an ID of its own, into .json.gz
// files as CloudTrail writes them.
func recordsCmd(ts *testscript.TestScript, _ bool, args []string) {
	writeFiles(ts, args, ".json.gz", func(w io.Writer, records []json.RawMessage) error {
		zipped := gzip.NewWriter(w)
		if err := json.NewEncoder(zipped).Encode(map[string]any{"Records": records}); err != nil {
			return err
		}
		return zipped.Close()
	})
}

// eventbridge N DIR writes N generated records as EventBridge events into .jsonl files.
func eventbridgeCmd(ts *testscript.TestScript, _ bool, args []string) {
	writeFiles(ts, args, ".jsonl", func(w io.Writer, records []json.RawMessage) error {
		for _, record := range records {
			if _, err := fmt.Fprintf(w, `{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":%s}`+"\n", record); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeFiles(ts *testscript.TestScript, args []string, ext string, write func(io.Writer, []json.RawMessage) error) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o755))
	for i := 0; i*recordsPerFile < n; i++ {
		var records []json.RawMessage
		for _, e := range sdktest.Events(min(recordsPerFile, n-i*recordsPerFile)) {
			records = append(records, e.Raw)
		}
		var text bytes.Buffer
		ts.Check(write(&text, records))
		ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d%s", i, ext)), text.Bytes(), 0o600))
	}
}

// interrupted agent|NAME FILE runs the agent once and kills it, or the plugin whose
// command line holds NAME, as soon as FILE is not empty. An agent whose plugin was
// killed must end well.
func interruptedCmd(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("agent", "-mode", "once")
	path, err := exec.LookPath("agent")
	ts.Check(err)
	cmd.Path = path
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "GORACE", "WEBHOOK_URL",
		"RDS_HOST", "RDS_PORT", "RDS_DATABASE", "RDS_USER", "RDS_PASSWORD", "GROUP_ID",
	} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	killed := awaitAndKill(cmd.Process.Pid, args[0], ts.MkAbs(args[1]), ended)
	err = <-ended
	switch {
	case !killed:
		ts.Fatalf("the run was over before anything could be killed: %v\n%s", err, out.String())
	case args[0] != "agent" && err != nil:
		ts.Fatalf("the agent did not get over it: %v\n%s", err, out.String())
	}
	ts.Logf("%s", out.String())
}

// awaitAndKill reports whether it killed something while the run was going on.
func awaitAndKill(agent int, who, file string, ended chan error) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			return false
		}
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			continue
		}
		pid := agent
		if who != "agent" {
			pid = pluginOf(agent, who)
		}
		if pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			return true
		}
	}
}

// pluginOf is the agent's child whose command line holds name, or 0. The interpreter of
// a script has another name than the script.
func pluginOf(agent int, name string) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(agent) {
			continue
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil || !bytes.Contains(command, []byte(name)) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		return pid
	}
	return 0
}

// distinct N FILE demands N different event IDs in a file of records. Repeats are what
// at-least-once delivery allows.
func distinctCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ids, err := sdktest.IDs(ts.MkAbs(args[1]))
	ts.Check(err)
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(seen) != want {
		ts.Fatalf("%d different events in %d lines, want %d", len(seen), len(ids), want)
	}
	ts.Logf("%d events in %d lines", len(seen), len(ids))
}
