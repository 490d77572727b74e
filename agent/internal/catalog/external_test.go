package catalog_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestAnExternalPluginIsDescribedAndRun(t *testing.T) {
	path := program(t, "agent-sink-webhook", "sink", "webhook")
	c := open(t, nil, pinned(t, "webhook", path))
	if got := c.Types("sink"); !slices.Equal(got, []string{"own", "webhook"}) {
		t.Errorf("sinks %v", got)
	}
	if got := c.Types("source"); !slices.Equal(got, []string{"own"}) {
		t.Errorf("sources %v", got)
	}
	b, err := c.Describe("sink", "webhook")
	if err != nil || len(b.Attributes) != 2 || b.Attributes[0].Name != "mode" {
		t.Errorf("described as %+v, %v", b, err)
	}
	if f := c.Validate("sink", "webhook", []byte(`{"mode":"good"}`)); len(f) > 0 {
		t.Errorf("faults %+v", f)
	}
	if f := c.Validate("sink", "webhook", []byte(`{"mode":"faulty"}`)); len(f) != 1 || f[0].Path != "mode" {
		t.Errorf("faults %+v", f)
	}
	if err := write(t, sink(t, c, "webhook", "good")); err != nil {
		t.Error(err)
	}
}

func TestAnExternalSourceIsRun(t *testing.T) {
	path := program(t, "agent-source-queue", "source", "queue")
	c := open(t, nil, pinned(t, "queue", path))
	s, err := c.Source("test", "queue", []byte(`{"mode":"good"}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	if err := s.Fetch(t.Context(), sdk.Split{ID: "a"}, func(events []sdk.Event) error {
		ids = append(ids, events[0].ID)
		return nil
	}); err != nil || !slices.Equal(ids, []string{"2"}) {
		t.Errorf("events %v, %v", ids, err)
	}
}

// refusals are what an attacker, or a mistake, may have put in a program's place.
func TestAProgramIsRefusedWithTheReasonAndTheFix(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, path string) (newPath string)
		want  string
	}{
		"another program": {func(t *testing.T, path string) string {
			script(t, path, "exit 0")
			return path
		}, "run agent plugin lock"},
		"a symbolic link": {func(t *testing.T, path string) string {
			if err := os.Symlink(path, path+"-link"); err != nil {
				t.Fatal(err)
			}
			return path + "-link"
		}, "symbolic link"},
		"a folder that is a symbolic link": {func(t *testing.T, path string) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(filepath.Dir(path), link); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(link, filepath.Base(path))
		}, "write the real path"},
		"a link that leads nowhere": {func(t *testing.T, path string) string {
			if err := os.Symlink(path+"-gone", path+"-link"); err != nil {
				t.Fatal(err)
			}
			return path + "-link"
		}, "leads nowhere"},
		"a file that its group may write": {func(t *testing.T, path string) string {
			chmod(t, path, 0o770)
			return path
		}, "chmod go-w " + "PATH"},
		"a file that anybody may write": {func(t *testing.T, path string) string {
			chmod(t, path, 0o702)
			return path
		}, "chmod go-w " + "PATH"},
		"a folder that anybody may write": {func(t *testing.T, path string) string {
			chmod(t, filepath.Dir(path), 0o707)
			return path
		}, "chmod go-w"},
		"a file that is not executable": {func(t *testing.T, path string) string {
			chmod(t, path, 0o600)
			return path
		}, "chmod +x PATH"},
		"no file":  {func(t *testing.T, path string) string { return path + "-gone" }, "there is no program"},
		"a folder": {func(t *testing.T, path string) string { return filepath.Dir(path) }, "is not a file"},
		"a FIFO": {func(t *testing.T, path string) string {
			command(t, "mkfifo", path+"-fifo")
			return path + "-fifo"
		}, "is not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := program(t, "agent-sink-webhook", "sink", "webhook")
			block := pinned(t, "webhook", path)
			block.Path = tc.spoil(t, path)
			c := open(t, nil, block)
			_, err := c.Describe("sink", "webhook")
			if want := strings.ReplaceAll(tc.want, "PATH", path); !sdk.IsDenied(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("Describe = %v, want %q", err, want)
			}
			if err := write(t, sink(t, c, "webhook", "good")); !sdk.IsDenied(err) {
				t.Errorf("Write = %v", err)
			}
		})
	}
}

func TestAProgramOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	path := program(t, "agent-sink-webhook", "sink", "webhook")
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.Checksum(path); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("got %v", err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestAProgramThatIsNotPinnedIsRefusedOrWarnedOf(t *testing.T) {
	path := program(t, "agent-sink-webhook", "sink", "webhook")
	c := open(t, nil, config.Plugin{Type: "webhook", Path: path})
	if _, err := c.Describe("sink", "webhook"); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "agent plugin lock") {
		t.Errorf("Describe = %v", err)
	}

	var log bytes.Buffer
	c = open(t, slog.New(slog.NewTextHandler(&log, nil)), config.Plugin{Type: "webhook", Path: path, AllowUnpinned: true})
	s := sink(t, c, "webhook", "good")
	for range 2 {
		if err := write(t, s); err != nil {
			t.Fatal(err)
		}
		pid := c.States()[0].PID
		kill(t, c)
		until(t, "started again", func() bool { st := c.States()[0]; return st.Running && st.PID != pid })
	}
	c.Close(t.Context())
	if n := strings.Count(log.String(), "not pinned"); n != 3 {
		t.Errorf("%d warnings for 3 starts\n%s", n, log.String())
	}
}

func TestAProgramNeverTakesTheNameOfABuiltin(t *testing.T) {
	path := program(t, "agent-sink-own", "sink", "own")
	c := open(t, nil, pinned(t, "own", path))
	if _, err := c.Describe("sink", "own"); err == nil || !strings.Contains(err.Error(), "the agent's own") {
		t.Errorf("Describe = %v", err)
	}
	if _, err := c.Sink("test", "own", nil); err == nil {
		t.Error("it was started")
	}
	if _, err := c.Describe("source", "own"); err != nil {
		t.Errorf("the source of that name: %v", err)
	}
}

func TestAProgramThatServesSomethingElseIsRefused(t *testing.T) {
	c := open(t, nil,
		pinned(t, "mail", program(t, "some-program", "sink", "webhook")),
		pinned(t, "queue", program(t, "another-program", "source", "queue")))
	if _, err := c.Describe("sink", "mail"); err == nil || !strings.Contains(err.Error(), `is the sink plugin "webhook", not "mail"`) {
		t.Errorf("Describe = %v", err)
	}
	// The name of the program does not tell its kind, so it is known under both.
	if _, err := c.Describe("sink", "queue"); err == nil || !strings.Contains(err.Error(), "is a source, not a sink") {
		t.Errorf("Describe = %v", err)
	}
}

func TestAProgramThatIsNoPluginIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent-sink-webhook")
	script(t, path, "echo reason >&2; echo hello")
	c := open(t, nil, pinned(t, "webhook", path))
	_, err := c.Describe("sink", "webhook")
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `"hello"`) || !strings.Contains(err.Error(), "reason") {
		t.Errorf("Describe = %v", err)
	}
	if f := c.Validate("sink", "webhook", nil); len(f) != 1 || f[0].Path != "" {
		t.Errorf("faults %+v", f)
	}
}

func TestProgramsOfThePluginFolderAreFoundByTheirNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"agent-sink-pinned", "agent-source-loose", "agent-sink-both", "agent-source-both", "README", "agent-sink-"} {
		script(t, filepath.Join(dir, name), "exit 1")
	}
	if err := os.Mkdir(filepath.Join(dir, "agent-sink-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := newCatalog(nil)
	c.Configure(config.Agent{PluginDir: dir}, []config.Plugin{
		{Type: "pinned", SHA256: strings.Repeat("0", 64)},
		{Type: "both"},
		{Type: "absent"},
		{Type: "elsewhere", Path: "x/agent-sink-elsewhere", Pos: config.Pos{File: "/etc/agent/agent.hcl"}},
	})
	var got []string
	for _, p := range c.Programs() {
		line := p.Kind + " " + p.Type + " " + strings.TrimPrefix(p.Path, dir+"/")
		if p.Block == nil {
			line += " without a block"
		}
		if p.Fault != nil {
			line += " fault"
		}
		got = append(got, line)
	}
	want := []string{
		"sink pinned agent-sink-pinned",
		" both agent-sink-both fault",
		" absent  fault",
		"sink elsewhere /etc/agent/x/agent-sink-elsewhere",
		"source both agent-source-both without a block",
		"source loose agent-source-loose without a block",
	}
	if !slices.Equal(got, want) {
		t.Errorf("programs\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := c.Describe("source", "loose"); err == nil || !strings.Contains(err.Error(), "agent plugin lock") {
		t.Errorf("a program without a block: %v", err)
	}
}

func TestAnExternalPluginSeesTheEnvironmentOfItsBlockOnly(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	t.Setenv("TZ", "Asia/Seoul")
	block := pinned(t, "webhook", program(t, "agent-sink-webhook", "sink", "webhook"))
	block.Env = map[string]string{"GIVEN": "yes"}
	block.Memory = 100 << 20
	c := open(t, nil, block)
	res, err := sink(t, c, "webhook", "environment").Write(t.Context(), sdk.Batch{Events: make([]sdk.Event, 1)})
	if err != nil {
		t.Fatal(err)
	}
	env := res.Rejected[0].Reason
	for _, want := range []string{"GIVEN=yes", "GOMEMLIMIT=94371840", "PATH=/usr"} {
		if !strings.Contains(env, want) {
			t.Errorf("no %s in\n%s", want, env)
		}
	}
	if strings.Contains(env, "canary") || strings.Contains(env, "Seoul") {
		t.Errorf("environment:\n%s", env)
	}
}

// What is executed is a copy in memory, so changing the file meanwhile changes nothing.
// Without an ID they would all count as repeats of the first.
func TestWhatASourceGivesNoIDIsNotLost(t *testing.T) {
	c := open(t, nil)
	s, err := c.Source("test", "own", []byte(`{"mode":"good"}`))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Discover(t.Context(), sdk.TimeRange{Since: time.Unix(1, 0)}, func([]sdk.Split) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "a split without an ID") {
		t.Errorf("Discover = %v", err)
	}
	var got []sdk.Event
	if err := s.Fetch(t.Context(), sdk.Split{ID: "nameless"}, func(page []sdk.Event) error {
		for _, e := range page {
			e.Raw = bytes.Clone(e.Raw)
			got = append(got, e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Reject != "" || got[2].Reject != "odd" || got[1].ID == got[2].ID || !strings.HasPrefix(got[1].ID, "sha256:") ||
		!strings.Contains(got[1].Reject, "no ID") {
		t.Errorf("events %+v", got)
	}
}

// A plugin may be careless with what it is given; the agent is not.
func TestWhatAPluginTellsOfItsSecretsGoesNoFurther(t *testing.T) {
	const canary, password = "canary-8hGf2Kq", "canary-in-the-environment"
	var log syncBuffer
	block := pinned(t, "webhook", program(t, "agent-sink-webhook", "sink", "webhook"))
	block.Env = map[string]string{"PASSWORD": password}
	c := open(t, slog.New(slog.NewTextHandler(&log, nil)), block)
	settings := []byte(`{"mode":"leak","token":"` + canary + `"}`)
	if faults := c.Validate("sink", "webhook", settings); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
	s, err := c.Sink("test", "webhook", settings)
	if err != nil {
		t.Fatal(err)
	}
	_, writeErr := s.Write(t.Context(), sdk.Batch{Events: []sdk.Event{{ID: "1"}}})
	if !sdk.IsDenied(writeErr) {
		t.Errorf("Write = %v", writeErr)
	}
	rejected, err := s.Write(t.Context(), sdk.Batch{Events: []sdk.Event{{ID: "reject"}}})
	if err != nil {
		t.Error(err)
	}
	until(t, "logged", func() bool {
		return strings.Count(log.String(), "msg=write") == 2 && strings.Contains(log.String(), "https://user")
	})
	pid := c.States()[0].PID
	var process []byte
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		process = append(process, text...)
	}
	kill(t, c)
	until(t, "noticed", func() bool { return c.States()[0].Crashes == 1 })
	refused, err := c.Sink("refused", "webhook", []byte(`{"mode":"leak in open","token":"`+canary+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	openErr := write(t, refused)
	for where, text := range map[string]string{
		"log": log.String(), "error of Write": writeErr.Error(), "rejection": fmt.Sprint(rejected), "error of Open": openErr.Error(),
		"state": fmt.Sprint(c.States()), "arguments and environment": strings.ReplaceAll(string(process), password, ""),
	} {
		if strings.Contains(text, "canary-") {
			t.Errorf("a secret in the %s: %s", where, text)
		}
	}
	if !strings.Contains(log.String(), "msg=validate with=********") || !strings.Contains(log.String(), "env=********") || !strings.Contains(writeErr.Error(), "no use for ********") {
		t.Errorf("the rest is not told:\n%s%v", log.String(), writeErr)
	}
}

func TestARunningProgramCannotBeChanged(t *testing.T) {
	path := program(t, "agent-sink-webhook", "sink", "webhook")
	c := open(t, nil, pinned(t, "webhook", path))
	s := sink(t, c, "webhook", "good")
	if err := write(t, s); err != nil {
		t.Fatal(err)
	}
	script(t, path, "exit 1")
	if err := write(t, s); err != nil {
		t.Error(err)
	}
	kill(t, c)
	until(t, "refused", func() bool { return sdk.IsDenied(c.States()[0].Err) })
	if err := write(t, s); !sdk.IsDenied(err) {
		t.Errorf("Write = %v", err)
	}
}

func TestListSaysWhatCanBeUsed(t *testing.T) {
	good := program(t, "agent-sink-good", "sink", "good")
	c := open(t, nil, pinned(t, "good", good), config.Plugin{Type: "loose", Path: good})
	var got []string
	for _, in := range c.List() {
		line := strings.Join([]string{in.Kind, in.Type, in.Version}, " ")
		if in.Fault != nil {
			line += " fault"
		}
		got = append(got, line)
	}
	want := []string{"sink own 1.0.0", "source own 1.0.0", "sink good 2.0.0", "sink loose  fault"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInspectNeedsNoChecksum(t *testing.T) {
	c := newCatalog(nil)
	for name, want := range map[string]string{
		program(t, "whatever", "source", "queue"): "source queue 2.0.0",
		"own": "source own 1.0.0",
	} {
		d, err := c.Inspect(name)
		if got := strings.Join([]string{d.Kind, d.Type, d.Version}, " "); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if _, err := c.Inspect("/nonexistent"); err == nil {
		t.Error("no error")
	}
}

func TestQuestionsLeaveNothingBehind(t *testing.T) {
	// A test's own folder is too deep for the path of a socket.
	dir, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := program(t, "agent-sink-webhook", "sink", "webhook")
	c := newCatalogIn(dir)
	c.Configure(config.Agent{}, []config.Plugin{pinned(t, "webhook", path)})
	if _, err := c.Describe("sink", "webhook"); err != nil {
		t.Fatal(err)
	}
	c.Validate("sink", "webhook", []byte(`{}`))
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
