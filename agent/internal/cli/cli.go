// Package cli is the command line of the agent: its commands, what they print, and
// the exit codes 0 (ok), 1 (failed) and 2 (wrong usage or configuration).
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Program is the agent as the shell sees it.
type Program struct {
	Builtins       []catalog.Builtin
	Stdout, Stderr io.Writer
}

// A command is one word after `agent`; the empty word runs pipelines.
type command struct {
	name, summary string
	run           func(p *Program, args []string) int
}

func commands() []command {
	return []command{
		{"", "carry events (the service)", (*Program).run},
		{"init", "ask what differs between installations, write agent.hcl", (*Program).init},
		{"validate", "check a configuration without touching the network", (*Program).validate},
		{"filter", "try a pipeline's filter on files", (*Program).filter},
		{"check", "try everything a configuration needs, live", (*Program).checkAccess},
		{"test", "run the test blocks of a configuration", (*Program).test},
		{"explain", "tell what keeps or filters an event", (*Program).explain},
		{"status", "tell how the running service is", (*Program).status},
		{"reload", "have the running service take over its changed configuration", (*Program).reload},
		{"migrate", "create or upgrade the database's tables", (*Program).migrate},
		{"version", "print the version", (*Program).version},
		{"quarantine", "list, show, retry or discard what is kept aside", (*Program).quarantine},
		{"audit", "prove that every event is accounted for", (*Program).audit},
		{"plugin", "list, pin and describe plugins", (*Program).plugin},
	}
}

// Run runs the command that args name (without the program's own name) and returns
// the exit code.
func (p *Program) Run(args []string) int {
	if err := catalog.Seal(); err != nil {
		p.failf("warning: the agent's memory is open to other processes of its user: %v", err)
	}
	out := &checkedWriter{Writer: p.Stdout}
	code := (&Program{Builtins: p.Builtins, Stdout: out, Stderr: p.Stderr}).command(args)
	if out.err != nil && code == exitOK {
		p.failf("what was printed is not complete: %v", out.err)
		return exitFailed
	}
	return code
}

// A checkedWriter remembers that something could not be written, which most that print do
// not ask for.
type checkedWriter struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *checkedWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func (p *Program) command(args []string) int {
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if name == "help" {
		if len(args) > 0 {
			return p.command([]string{args[0], "-h"})
		}
		p.usage(p.Stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(p, args)
		}
	}
	var known []string
	for _, c := range commands()[1:] {
		known = append(known, c.name)
	}
	p.failf("unknown command %q: the commands are %s; agent -h shows more", name, strings.Join(known, ", "))
	return exitUsage
}

func (p *Program) usage(w io.Writer) {
	fmt.Fprint(w, `agent carries AWS CloudTrail events into PostgreSQL: each event is one row.

  agent -config agent.hcl              run as a service until SIGTERM
  agent -config agent.hcl -mode once   carry everything visible, then exit

`)
	for _, c := range commands()[1:] {
		fmt.Fprintf(w, "  agent %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, `
agent COMMAND -h shows a command's flags, agent -h those of the service.
Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration.
`)
}

func (p *Program) catalog(log *slog.Logger) *catalog.Catalog {
	return catalog.New(catalog.Config{Builtins: p.Builtins, Log: log})
}

// failf prints what went wrong, further lines of it indented.
func (p *Program) failf(format string, args ...any) {
	fmt.Fprintf(p.Stderr, "agent: %s\n", plain.Lines(fmt.Sprintf(format, args...)))
}

// columns is how wide a help text may be; with 24 lines it fits the smallest screen.
const columns = 80

// flags makes a flag set whose help is text, followed by the flags, a line each, but those
// that say nothing of themselves because the text does.
func (p *Program) flags(name, text string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {
		fmt.Fprintln(p.Stdout, strings.TrimSpace(text)+"\n")
		width := 0
		var told []*flag.Flag
		f.VisitAll(func(fl *flag.Flag) {
			if fl.Usage != "" {
				told = append(told, fl)
				width = max(width, len(flagAndValue(fl)))
			}
		})
		for _, fl := range told {
			_, usage := flag.UnquoteUsage(fl)
			if fl.DefValue != "" && fl.DefValue != "false" {
				usage += " (default " + fl.DefValue + ")"
			}
			for i, line := range wrap(usage, columns-width-4) {
				left := flagAndValue(fl)
				if i > 0 {
					left = ""
				}
				fmt.Fprintf(p.Stdout, "  %-*s  %s\n", width, left, line)
			}
		}
	}
	return f
}

// flagAndValue is a flag as it is typed, such as "-config file".
func flagAndValue(f *flag.Flag) string {
	value, _ := flag.UnquoteUsage(f)
	return strings.TrimSpace("-" + f.Name + " " + value)
}

// wrap breaks a text into lines between words.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// parse reads the flags. ok is false when the command is over, with exit code code.
func (p *Program) parse(f *flag.FlagSet, args []string) (code int, ok bool) {
	help := f.Usage
	f.Usage = func() {} // package flag would print it at every mistake
	err := f.Parse(args)
	f.Usage = help
	f.Visit(func(given *flag.Flag) {
		if err == nil && given.Value.String() == "" { // of a variable that is not set, as a rule
			err = fmt.Errorf("-%s is given nothing; leave it out, or give it a value", given.Name)
		}
	})
	switch {
	case err == nil:
		return 0, true
	case errors.Is(err, flag.ErrHelp):
		help()
		return exitOK, false
	}
	p.failf("%v; %s -h shows the flags", err, strings.TrimSpace("agent "+f.Name()))
	return exitUsage, false
}

// The configuration that is read if none is named: that of the working directory, or else
// that of the installed service.
const (
	localConfig     = "agent.hcl"
	installedConfig = "/etc/inu-detector/agent.hcl"
)

func defaultConfig() string {
	if _, err := os.Lstat(localConfig); err != nil {
		if _, err := os.Lstat(installedConfig); err == nil {
			return installedConfig
		}
	}
	return localConfig
}

// configFlags are the flags of every command that reads a configuration.
type configFlags struct {
	file, envFile string
	tests         bool // test blocks are decoded too
}

func (c *configFlags) define(f *flag.FlagSet) {
	f.StringVar(&c.file, "config", defaultConfig(), "the configuration `file`")
	f.StringVar(&c.envFile, "env-file", "", "set the environment variables of this `file` first, as systemd's EnvironmentFile= does")
}

// setEnv sets the variables of the environment file.
func (c *configFlags) setEnv(guard *config.Guard) error {
	vars, err := c.fileEnv(guard)
	if err != nil {
		return err
	}
	for name, value := range vars {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("%s: set %s: %w", c.envFile, name, err)
		}
	}
	return nil
}

// load reads the configuration and prints its diagnostics. ok is false if there are
// errors, and the command ends with exitUsage.
func (p *Program) load(c configFlags, strict bool) (_ *config.Config, ok bool) {
	cfg, diags, err := p.read(c, strict)
	if err != nil {
		p.failf("%v", err)
		return nil, false
	}
	diags.Print(p.Stderr, isTerminal(p.Stderr))
	return cfg, !diags.HasErrors()
}

func (p *Program) read(c configFlags, strict bool) (*config.Config, config.Diagnostics, error) {
	guard := &config.Guard{Service: isService()}
	if err := c.setEnv(guard); err != nil {
		return nil, nil, err
	}
	cfg, diags := config.Load(c.file, p.configOptions(c, strict, guard))
	return cfg, diags, nil
}

func (p *Program) configOptions(c configFlags, strict bool, guard *config.Guard) config.Options {
	return config.Options{
		CredentialsDir: credentialsDir(c.file),
		Strict:         strict,
		Tests:          c.tests,
		Guard:          guard,
		Catalog:        p.configCatalog,
	}
}

// credentialsDir is where credential() looks: where systemd says, or, for commands that an
// administrator runs by hand, in the folder that the packaged unit fills it from.
func credentialsDir(file string) string {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		return dir
	}
	dir := filepath.Join(filepath.Dir(file), "credentials")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// isGiven reports whether a flag stands on the command line.
func isGiven(f *flag.FlagSet, name string) (given bool) {
	f.Visit(func(x *flag.Flag) { given = given || x.Name == name })
	return given
}

// isService reports whether this is a service of the machine: systemd gives each an
// INVOCATION_ID, and one that a person's own manager runs a MANAGERPID too, as in a
// terminal of a desktop (systemd.exec(5)).
func isService() bool {
	return os.Getenv("INVOCATION_ID") != "" && os.Getenv("MANAGERPID") == ""
}

func (p *Program) configCatalog(agent config.Agent, plugins []config.Plugin) (config.Catalog, error) {
	cat := p.catalog(slog.New(slog.DiscardHandler))
	cat.Configure(agent, plugins)
	return cat, nil
}

// gatherEvents joins the words after -events, which may be separated by commas or by
// spaces, so that the flag package sees one value.
func gatherEvents(args []string) []string {
	i := slices.IndexFunc(args, func(a string) bool { return a == "-events" || a == "--events" })
	if i < 0 {
		return args
	}
	end := i + 1
	for end < len(args) && !strings.HasPrefix(args[end], "-") {
		end++
	}
	out := append(slices.Clone(args[:i]), "-events="+strings.Join(args[i+1:end], ","))
	return append(out, args[end:]...)
}
