// Package conformance checks whether a plugin keeps the contract of package sdk. It
// starts the author's real program through the agent's own launcher, so it does not
// matter what language the program is written in.
//
// Authors who write Go use package sdktest, which makes each check a subtest. The
// command `agent plugin test` runs the same checks; therefore this package does not
// import testing.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

// Options says what is checked, and how the checks can look at what it does.
type Options struct {
	// Path is the program, Args are its arguments, argv[0] not included.
	Path string
	Args []string
	// Env is its whole environment, as NAME=VALUE, but for PATH and TMPDIR.
	Env []string
	// Settings are those of a block that works: a JSON object by attribute name, with
	// durations in nanoseconds and sizes in bytes.
	Settings json.RawMessage
	// OpenEnvironment is given to the plugin in Open, as the agent does for the
	// plugins that are part of it. Other plugins get none.
	OpenEnvironment map[string]string

	// Stored returns the IDs of all events that a sink's destination holds, in any
	// order and each as often as it is stored; IDs of events that the checks did not
	// write do no harm. Without it only the sink's own word can be checked, and checks
	// that must look are skipped.
	Stored func(context.Context) ([]string, error)
	// Slow makes a sink's destination stop answering, or answer again. Without it that
	// check is skipped.
	Slow func(slow bool)

	// Events is how many events a source holds; 0 means at least one.
	Events int
}

// A Suite holds the checks of one plugin.
type Suite struct {
	options     Options
	description host.Description
	dir         string // parent of the folders for sockets and temporary files
	generator   Generator
}

// A Check is one rule that a plugin keeps or breaks.
type Check struct {
	Name  string // as in "keeps its secrets"
	suite *Suite
	run   func(*trial) error
}

// A Skipped is the error of a check that does not apply, or lacks what it needs.
type Skipped struct{ Reason string }

// Error is the reason.
func (s Skipped) Error() string { return s.Reason }

// New asks the program what it is and returns the checks for it. dir is a short path,
// for sockets and for the plugin's temporary files; the caller removes it.
func New(ctx context.Context, dir string, o Options) (*Suite, error) {
	if len(o.Settings) == 0 {
		o.Settings = json.RawMessage("{}")
	}
	s := &Suite{options: o, dir: dir}
	t := &trial{Suite: s, ctx: ctx}
	defer t.end()
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	if s.description, err = p.Describe(ctx); err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	if k := s.description.Kind; k != "source" && k != "sink" {
		return nil, fmt.Errorf("the plugin says that its kind is %q, neither \"source\" nor \"sink\"", k)
	}
	return s, nil
}

// Description is what the plugin says of itself.
func (s *Suite) Description() host.Description { return s.description }

// Checks are those of the plugin's kind, in the order in which they make sense.
func (s *Suite) Checks() []Check {
	checks := s.commonChecks()
	if s.description.Kind == "source" {
		checks = append(checks, s.sourceChecks()...)
	} else {
		checks = append(checks, s.sinkChecks()...)
	}
	return append(checks, s.lifeChecks()...)
}

// checkTimeout bounds one check of a plugin that hangs. It is far more than any check
// takes, also on a slow machine.
const checkTimeout = 5 * time.Minute

// Run runs the check. It returns a [Skipped] where the check does not apply, and any
// other error says what rule is broken and how that shows. Checks of one suite run one
// after the other: they share the destination.
func (c Check) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("the check takes longer than %s", checkTimeout))
	defer cancel()
	t := &trial{Suite: c.suite, ctx: ctx}
	defer t.end()
	err := c.run(t)
	if skipped := (Skipped{}); errors.As(err, &skipped) {
		return skipped
	}
	return errors.Join(err, t.findSecrets(err))
}

func (s *Suite) check(name string, run func(*trial) error) Check {
	return Check{Name: name, suite: s, run: run}
}

// mkdir makes a folder with a short name; paths of sockets are limited.
func (s *Suite) mkdir() (string, error) {
	dir, err := os.MkdirTemp(s.dir, "c")
	if err != nil {
		return "", fmt.Errorf("make folder for the check: %w", err)
	}
	return dir, nil
}
