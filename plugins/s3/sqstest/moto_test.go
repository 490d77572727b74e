//go:build moto

package sqstest_test

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// The rules of TestContract, held against moto (https://docs.getmoto.org), whose authors
// read the AWS documentation for themselves. It is no part of the suite, which needs
// nothing from elsewhere: pip install 'moto[server]', go test -tags moto ./plugins/s3/sqstest.
func TestMotoKeepsTheContract(t *testing.T) { contract(t, client(startMoto(t))) }

// startMoto starts moto's server.
func startMoto(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Fatal("no moto_server here: pip install 'moto[server]'")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), path, "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Running on") {
			go func() {
				for lines.Scan() { // so that it is never blocked
				}
			}()
			return fmt.Sprintf("http://127.0.0.1:%d", port)
		}
	}
	t.Fatal("moto_server ended before it said where it listens")
	return ""
}
