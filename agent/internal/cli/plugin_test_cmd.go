package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest/conformance"
)

const pluginTestText = `
agent plugin test PATH checks that a program keeps the contract of plugins, in
whatever language it is written. It starts the program many times and kills it
in the middle of its work. A sink is written to: name a destination that may
hold events of the checks.

  agent plugin test ./agent-sink-hello -config sink.hcl -stored 'cat out.jsonl'

The file holds a block of the plugin's type with settings that work, alone or
within a configuration. The env of its plugin block is given to the program.
`

func (p *Program) pluginTest(args []string) int {
	var c configFlags
	f := p.flags("plugin test", pluginTestText)
	f.StringVar(&c.file, "config", "", "take the settings from this `file`; without it there are none")
	f.StringVar(&c.envFile, "env-file", "", "set the environment variables of this `file` first")
	stored := f.String("stored", "", "shell `command` that prints what a sink has stored: on each line an event's ID, or its record")
	events := f.Int("events", 0, "how many events the source holds; 0 is not known")
	path, args := wordFirst(args)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if path == "" && f.NArg() == 1 {
		path = f.Arg(0)
	} else if path == "" || f.NArg() > 0 {
		p.failf("usage: agent plugin test PATH [-config FILE] [-stored COMMAND]; agent plugin test -h shows more")
		return exitUsage
	}
	if err := c.setEnv(&config.Guard{}); err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	path, err := filepath.Abs(path)
	if err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := conformance.Options{Path: path, Events: *events}
	if *stored != "" {
		o.Stored = func(ctx context.Context) ([]string, error) { return printedIDs(ctx, *stored) }
	}
	return p.check(ctx, o, c.file)
}

// wordFirst takes a word off the front, where the flag package would stop.
func wordFirst(args []string) (string, []string) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], args[1:]
	}
	return "", args
}

// check runs all checks with the settings of the file, if there is one.
func (p *Program) check(ctx context.Context, o conformance.Options, file string) int {
	dir, err := os.MkdirTemp("", "plugin-test-")
	if err != nil {
		p.failf("make folder for the checks: %v", err)
		return exitFailed
	}
	defer os.RemoveAll(dir)
	suite, err := conformance.New(ctx, dir, o)
	if err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	if file != "" {
		var code int
		if suite, code = p.configured(ctx, suite, dir, o, file); suite == nil {
			return code
		}
	}
	d := suite.Description()
	if needed := neededIn(d.Settings); file == "" && needed != "" {
		p.failf("the plugin needs settings, such as %q: write a block %s %q { … } with settings that work into a file, and name it with -config", needed, d.Kind, d.Type)
		return exitUsage
	}
	fmt.Fprintf(p.Stdout, "%s %q, version %s\n", plain.Text(d.Kind), d.Type, plain.Text(d.Version))
	return p.report(ctx, suite.Checks())
}

// neededIn is the name of something that settings must have; empty if none need be given.
func neededIn(b schema.Block) string {
	for _, a := range b.Attributes {
		if a.Required || a.OneOf != "" {
			return a.Name
		}
	}
	for _, n := range b.Blocks {
		if n.Required && neededIn(n.Block) != "" || n.OneOf != "" {
			return n.Name
		}
	}
	return ""
}

// configured makes the suite anew with what the file has for the plugin that probe has
// described. If it returns no suite, the command ends with the exit code.
func (p *Program) configured(ctx context.Context, probe *conformance.Suite, dir string, o conformance.Options, file string) (*conformance.Suite, int) {
	d := probe.Description()
	block, diags := config.LoadBlock(file, d.Kind, d.Type, config.Options{
		CredentialsDir: os.Getenv("CREDENTIALS_DIRECTORY"),
		Strict:         true,
		Catalog:        func(config.Agent, []config.Plugin) (config.Catalog, error) { return tested{ctx, probe}, nil },
	})
	diags.Print(p.Stderr, isTerminal(p.Stderr))
	if diags.HasErrors() {
		return nil, exitUsage
	}
	o.Settings = block.Settings
	for name, value := range block.Env {
		o.Env = append(o.Env, name+"="+value)
	}
	suite, err := conformance.New(ctx, dir, o)
	if err != nil {
		p.failf("%v", err)
		return nil, exitFailed
	}
	return suite, exitOK
}

// report runs the checks and prints a line for each.
func (p *Program) report(ctx context.Context, checks []conformance.Check) int {
	var passed, skipped, failed int
	for _, check := range checks {
		begun := time.Now()
		err := check.Run(ctx)
		took := time.Since(begun).Seconds()
		if ctx.Err() != nil {
			p.failf("interrupted")
			return exitFailed
		}
		reason := conformance.Skipped{}
		switch {
		case err == nil:
			passed++
			fmt.Fprintf(p.Stdout, "ok    %-52s %5.1fs\n", check.Name, took)
		case errors.As(err, &reason):
			skipped++
			fmt.Fprintf(p.Stdout, "skip  %s: %s\n", check.Name, plain.Text(reason.Reason))
		default:
			failed++
			fmt.Fprintf(p.Stdout, "FAIL  %-52s %5.1fs\n      %s\n", check.Name, took, strings.ReplaceAll(plain.Lines(err.Error()), "\n", "\n    "))
		}
	}
	fmt.Fprintf(p.Stdout, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 {
		return exitFailed
	}
	return exitOK
}

// tested is a catalog of the one plugin that is checked.
type tested struct {
	ctx   context.Context //nolint:containedctx // lives as long as the reading of one file
	suite *conformance.Suite
}

var _ config.Catalog = tested{}

func (t tested) Types(kind string) []string {
	if d := t.suite.Description(); d.Kind == kind {
		return []string{d.Type}
	}
	return nil
}

func (t tested) Describe(string, string) (schema.Block, error) {
	return t.suite.Description().Settings, nil
}

func (t tested) Validate(_, _ string, settings json.RawMessage) []sdk.Fault {
	faults, err := t.suite.Validate(t.ctx, settings)
	if err != nil {
		return []sdk.Fault{{Summary: "Plugin cannot be asked", Detail: err.Error()}}
	}
	return faults
}

// printedIDs runs a shell command and reads IDs from its lines: a line that is a JSON
// object stands for the eventID in it, any other for itself.
func printedIDs(ctx context.Context, command string) ([]string, error) {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %q: %w %s", command, err, complaint.String())
	}
	var ids []string
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		var record struct {
			EventID string `json:"eventID"`
		}
		if json.Unmarshal(line, &record) == nil {
			ids = append(ids, record.EventID)
			continue
		}
		ids = append(ids, string(line))
	}
	return ids, lines.Err()
}
