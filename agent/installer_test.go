package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal (pty(7)) with what was printed on it so far.
type terminal struct {
	master, user *os.File
	shown        transcript
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	user, err := os.OpenFile("/dev/pts/"+strconv.FormatUint(uint64(n), 10), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	term := &terminal{master: master, user: user}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return // closed, or nobody has the terminal open any more
			}
			_, _ = term.shown.Write(buf[:n])
		}
	}()
	return term
}

func (term *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(term.user.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// The README's way to install feeds the script through a pipe, so that its questions have
// to be asked on the terminal behind it. The password is not shown there.
func TestAnInstallerThatIsPipedAsksOnTheTerminal(t *testing.T) {
	_, tarball := release(t, "1.0.0")
	dir := filepath.Dir(tarball)
	// The agent of this release is the real one.
	self, err := exec.LookPath("agent")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(tarball), ".tar.gz")
	real := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", self)
	if err := os.WriteFile(filepath.Join(dir, name, "agent"), []byte(real), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("cd '%s' && tar -czf '%s.tar.gz' '%[2]s' && sha256sum *.tar.gz >SHA256SUMS", dir, name)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	term, root := newTerminal(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf("cat '%s' | sh -s -- --root '%s' --from '%s'", installFile, root, tarball))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.user, term.user, term.user
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RDS_") && !strings.HasPrefix(v, "S3_") && !strings.HasPrefix(v, "GROUP_ID=") && !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for _, step := range []struct{ question, answer string }{
		{"Group ID", "new"},
		{"S3 bucket", "trail"},
		{"Prefix", ""},
		{"AWS Region", "us-east-1"},
		{"Database host", "db.example"},
		{"Database port", "5432"},
		{"Database name", "postgres"},
		{"Database user", "inu_writer"},
		{"How it logs in", "password"},
		{"Password of inu_writer (not shown)", "canary-password"},
		{"Check it now", "n"},
	} {
		await(t, step.question, func() bool { return strings.Contains(term.shown.String(), step.question) })
		if strings.Contains(step.question, "not shown") {
			await(t, "the terminal shows nothing", func() bool { return !term.echoes(t) })
		}
		if _, err := term.master.WriteString(step.answer + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, term.shown.String())
	}
	if strings.Contains(term.shown.String(), "canary-password") {
		t.Errorf("the password was shown:\n%s", term.shown.String())
	}
	config, err := os.ReadFile(filepath.Join(root, "etc/inu-detector/agent.hcl"))
	if err != nil || !bytes.Contains(config, []byte("db.example")) || bytes.Contains(config, []byte("canary")) {
		t.Errorf("the configuration: %v\n%s", err, config)
	}
	password, err := os.ReadFile(filepath.Join(root, "etc/inu-detector/credentials/rds_password"))
	if err != nil || strings.TrimSpace(string(password)) != "canary-password" {
		t.Errorf("the password is %q, %v", password, err)
	}
}
