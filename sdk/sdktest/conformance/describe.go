package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// commonChecks are those of sources and sinks alike, before anything is opened.
func (s *Suite) commonChecks() []Check {
	return []Check{
		s.check("says what it is", checkDescription),
		s.check("describes itself the same each time", checkDescribeTwice),
		s.check("describes itself without a network", checkDescribeOffline),
		s.check("accepts the given settings", checkSettings),
		s.check("refuses settings that lack a required attribute", checkMissing),
		s.check("refuses settings of a wrong type", checkWrongTypes),
		s.check("refuses settings with an unknown name", checkUnknown),
		s.check("does not open with wrong settings", checkOpenWrong),
		s.check("opens once", checkOpenOnce),
		s.check("keeps its secrets", checkSecrets),
	}
}

// answerTimeout bounds what needs no work of the plugin. A plugin that needs a part of
// it for anything but a slow machine is one that looks something up.
const answerTimeout = 10 * time.Second

func (p *process) describe() (host.Description, error) {
	ctx, cancel := context.WithTimeoutCause(p.trial.ctx, answerTimeout, fmt.Errorf("no answer within %s", answerTimeout))
	defer cancel()
	d, err := p.Describe(ctx)
	if err != nil {
		return d, fmt.Errorf("describe: %w", err)
	}
	return d, nil
}

var typeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func checkDescription(t *trial) error {
	p, err := t.start()
	if err != nil {
		return err
	}
	d, err := p.describe()
	if err != nil {
		return err
	}
	var errs []error
	if !typeName.MatchString(d.Type) {
		errs = append(errs, fmt.Errorf("the type %q is not in snake_case", d.Type))
	}
	if d.Version == "" {
		errs = append(errs, errors.New("the version is empty"))
	}
	return errors.Join(append(errs, documented(d.Settings, ""))...)
}

// documented reports what a reader of the settings' documentation would miss.
func documented(b schema.Block, prefix string) error {
	var errs []error
	for _, a := range b.Attributes {
		if !typeName.MatchString(a.Name) {
			errs = append(errs, fmt.Errorf("setting %q is not in snake_case", prefix+a.Name))
		}
		if a.Doc == "" {
			errs = append(errs, fmt.Errorf("setting %q has no documentation", prefix+a.Name))
		}
		if a.Default != nil {
			for _, v := range a.Check(a.Default) {
				errs = append(errs, fmt.Errorf("the default of setting %q breaks its own rule: %s", prefix+a.Name, v.Detail))
			}
		}
	}
	for _, bt := range b.Blocks {
		if bt.Doc == "" {
			errs = append(errs, fmt.Errorf("block %q has no documentation", prefix+bt.Name))
		}
		errs = append(errs, documented(bt.Block, prefix+bt.Name+"."))
	}
	return errors.Join(errs...)
}

func checkDescribeTwice(t *trial) error {
	var first host.Description
	for i := range 2 {
		p, err := t.start()
		if err != nil {
			return err
		}
		for range 2 {
			d, err := p.describe()
			if err != nil {
				return err
			}
			if i == 0 && first.Kind == "" {
				first = d
			}
			if err := sameDescription(first, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameDescription(a, b host.Description) error {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return fmt.Errorf("the agent caches the description, but it differs between calls:\n  %s\n  %s", one, other)
}

func checkDescribeOffline(t *trial) error {
	path, err := t.program()
	if err != nil {
		return err
	}
	unshare, err := withoutNetwork(t.ctx)
	if err != nil {
		return Skipped{"a process cannot be cut off from the network here: " + err.Error()}
	}
	p, err := t.startCommand(unshare[0], append(append(unshare[1:], path), t.options.Args...))
	if err != nil {
		return err
	}
	d, err := p.describe()
	if err != nil {
		return err
	}
	return sameDescription(t.description, d)
}

// program is the program's real path: /proc/self/exe is another one after an exec.
func (t *trial) program() (string, error) {
	if t.options.Path != "/proc/self/exe" {
		return t.options.Path, nil
	}
	return os.Executable()
}

// withoutNetwork is a command that runs the words after it in a network namespace of
// their own, which has no interface that is up; root needs no user namespace for it.
func withoutNetwork(ctx context.Context) ([]string, error) {
	path, err := exec.LookPath("unshare")
	if err != nil {
		return nil, err
	}
	command := []string{path, "--net", "--"}
	if os.Geteuid() != 0 {
		command = []string{path, "--user", "--map-root-user", "--net", "--"}
	}
	out, err := exec.CommandContext(ctx, command[0], append(command[1:], "true")...).CombinedOutput() //nolint:gosec // unshare as found
	if err != nil {
		return nil, fmt.Errorf("unshare: %w %s", err, out)
	}
	return command, nil
}

// Validate asks the plugin about settings, as the agent does while it reads a file.
func (s *Suite) Validate(ctx context.Context, settings []byte) ([]sdk.Fault, error) {
	t := &trial{Suite: s, ctx: ctx}
	defer t.end()
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	return p.Validate(ctx, settings)
}
