package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A service that is taken over must not be able to change, for good, what it runs. A
// person who starts the agent by hand owns its configuration, and so does a container.
func TestAServiceIsNotRunWithAConfigurationThatItCanWrite(t *testing.T) {
	s := newSite(t, s3Block, rdsBlock)
	s.asOrdinaryUser(t)
	if got := s.run(t, "-mode", "once"); got.code != 0 {
		t.Fatalf("not as a service: %s", got)
	}
	person := s.env
	s.env = append(s.env[:len(s.env):len(s.env)], "INVOCATION_ID=0123456789abcdef0123456789abcdef")
	for _, args := range [][]string{{"-mode", "once"}, {"validate"}, {"plugin", "list"}} {
		got := s.run(t, args...)
		if got.code != 2 || !strings.Contains(got.stderr, "agent.hcl: The service can write the file; ") || !strings.Contains(got.stderr, "Run chown root:") {
			t.Errorf("%v as a service that owns its configuration: %s", args, got)
		}
	}
	// A desktop's terminal and a person's own services have an INVOCATION_ID as well.
	s.env = append(s.env, "MANAGERPID=1")
	if got := s.run(t, "validate"); got.code != 0 {
		t.Errorf("as a person's own service: %s", got)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give the files to root")
	}

	// As a package installs it.
	s.env = append(person[:len(person):len(person)], "INVOCATION_ID=0123456789abcdef0123456789abcdef")
	file := filepath.Join(s.dir, "agent.hcl")
	for _, err := range []error{os.Chown(s.dir, 0, 0), os.Chown(file, 0, int(s.credential.Gid)), os.Chmod(file, 0o640)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := s.run(t, "-mode", "once"); got.code != 0 {
		t.Errorf("as a service that may only read: %s", got)
	}
	if err := os.Chmod(file, 0o660); err != nil {
		t.Fatal(err)
	}
	if got := s.run(t, "-mode", "once"); got.code != 2 || !strings.Contains(got.stderr, "A group can write the file; ") {
		t.Errorf("as a service whose group may write: %s", got)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.dir, int(s.credential.Uid), 0); err != nil {
		t.Fatal(err)
	}
	if got := s.run(t, "-mode", "once"); got.code != 2 || !strings.Contains(got.stderr, "The service can write the file; ") {
		t.Errorf("as a service that can replace the file: %s", got)
	}
}

// Under systemd another start would end the same way: exit code 2 says so.
func TestARunOfNothingIsAMistakeOfTheCommand(t *testing.T) {
	s := emptySite(t, cluster, fileBlock, rdsBlock)
	for _, args := range [][]string{{"-pipeline", "nothing"}, {"-source", "s3"}, {"-mode", "once", "-source", "s3"}} {
		if got := s.run(t, args...); got.code != 2 || !strings.Contains(got.stderr, args[len(args)-1]) {
			t.Errorf("%q: %s", args, got)
		}
	}
}
