// Package sdktest is the conformance kit for the authors of plugins: it runs the real
// program through the agent's launcher and checks that it keeps the contract of
// package sdk, what happens when it is killed included. A plugin's test is one call:
//
//	func TestConformance(t *testing.T) {
//		path := filepath.Join(t.TempDir(), "out.jsonl")
//		sdktest.Sink(t, sdktest.Options{
//			Settings: Settings{Path: path},
//			Stored:   func(context.Context) ([]string, error) { return sdktest.IDs(path) },
//		})
//	}
//
// Each check is a subtest. The same checks run as `agent plugin test PATH`, for
// plugins in any language.
package sdktest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest/conformance"
)

// Options says what is checked. The zero value builds the package in the working
// directory, which is the test's own, and opens it with defaults.
type Options struct {
	// Build is the folder of the package main to build. It is not used if Program is
	// set; empty means ".".
	Build string
	// Program is a program to run as it is, Args are its arguments.
	Program string
	Args    []string
	// Env is the program's whole environment, as NAME=VALUE, but for PATH and TMPDIR;
	// the agent gives it no more either.
	Env []string

	// Settings are those of a block that works: the plugin's settings struct, or JSON
	// as []byte or string, or a map. Sensitive values in them are looked for in logs,
	// errors, arguments and environment.
	Settings any
	// OpenEnvironment is what the agent gives to its own plugins in Open. Others get none.
	OpenEnvironment map[string]string

	// Stored returns the IDs of the events that the sink's destination holds, each as
	// often as it is stored. Checks that have to look are skipped without it.
	Stored func(context.Context) ([]string, error)
	// Slow makes the sink's destination stop answering, or answer again.
	Slow func(slow bool)

	// Events is how many events the source holds; 0 means at least one.
	Events int
}

// Sink checks a sink.
func Sink(t *testing.T, o Options) {
	t.Helper()
	run(t, "sink", o)
}

// Source checks a source.
func Source(t *testing.T, o Options) {
	t.Helper()
	run(t, "source", o)
}

func run(t *testing.T, kind string, o Options) {
	t.Helper()
	settings, err := encode(o.Settings)
	if err != nil {
		t.Fatal(err)
	}
	program := o.Program
	if program == "" {
		program = build(t, o.Build)
	}
	suite, err := conformance.New(t.Context(), shortDir(t), conformance.Options{
		Path: program, Args: o.Args, Env: o.Env, Settings: settings, OpenEnvironment: o.OpenEnvironment,
		Stored: o.Stored, Slow: o.Slow, Events: o.Events,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := suite.Description().Kind; got != kind {
		t.Fatalf("the plugin is a %s, not a %s", got, kind)
	}
	for _, check := range suite.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			err := check.Run(t.Context())
			if skipped := (conformance.Skipped{}); errors.As(err, &skipped) {
				t.Skip(skipped.Reason)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// build builds the plugin as its author would.
func build(t *testing.T, dir string) string {
	t.Helper()
	if dir == "" {
		dir = "."
	}
	program := filepath.Join(t.TempDir(), "plugin")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, out)
	}
	return program
}

// shortDir is a folder for sockets, whose paths are limited; t.TempDir is long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sdktest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Events makes n CloudTrail events of about 1.5 KB, each with an ID of its own.
func Events(n int) []sdk.Event { return new(conformance.Generator).Events(n) }
