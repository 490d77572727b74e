package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

const (
	debugBlock      = "agent {\n  log { level = \"debug\" }\n}\n"
	awsCanary       = `canary/AWS+key ="&%x`
	credentialBlock = `  sink "rds_direct" {
    host     = env("RDS_HOST")
    port     = env("RDS_PORT")
    database = env("RDS_DATABASE")
    user     = env("RDS_USER")
    password = credential("rds_password")
    sslmode  = "disable"
    group_id = env("GROUP_ID")
  }
`
)

// spellings are how a secret may turn up.
func spellings(secret string) []string {
	quoted, _ := json.Marshal(secret) // of a string there is always JSON
	raw := []byte(secret)
	return []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`), strings.ReplaceAll(secret, `"`, `\"`),
		base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	}
}

// fortress is a site that runs as an ordinary user with secrets that are in no
// environment: the database's password is a credential, AWS's key stands in its file.
func fortress(t *testing.T) (s *site, secrets []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root sees all of another user's processes")
	}
	s = newSite(t, s3Block, rdsBlock)
	s.write(t, "agent.hcl", debugBlock+"pipeline \"audit\" {\n"+s3Block+credentialBlock+"}\n")
	password := s.db.Writer.Password
	s.write(t, "credentials/rds_password", password+"\n")
	s.write(t, "aws", "[default]\naws_access_key_id = AKIACANARY\naws_secret_access_key = "+awsCanary+"\n")
	s.asOrdinaryUser(t)
	var env []string
	for _, v := range s.env {
		if !strings.HasPrefix(v, "RDS_PASSWORD=") && !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	s.env = append(env, "CREDENTIALS_DIRECTORY="+filepath.Join(s.dir, "credentials"),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(s.dir, "aws"), "AWS_CONFIG_FILE="+filepath.Join(s.dir, "none"))
	return s, append(spellings(password), spellings(awsCanary)...)
}

func hits(text []byte, secrets []string) (found []string) {
	for _, secret := range secrets {
		if bytes.Contains(text, []byte(secret)) {
			found = append(found, secret)
		}
	}
	return found
}

// What is looked at is what somebody else on the machine could: arguments, environments,
// logs at their most talkative, and what a process says when it is told to dump itself.
func TestSecretsAreNowhereAndProcessesAreClosed(t *testing.T) {
	s, secrets := fortress(t)
	want := s.load(t, s3test.Trail{Events: 300}.Objects())
	r := s.start(t)
	s.awaitStored(t, r, want)
	pids := s.processes(t)
	if len(pids) != 3 {
		t.Fatalf("%d processes, want the agent and two plugins", len(pids))
	}
	for _, pid := range pids {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				t.Fatal(err)
			}
			if found := hits(text, secrets); found != nil {
				t.Errorf("%s of process %d holds %q", name, pid, found)
			}
		}
		// For others of its user the process is closed; cmdline shows that they could see one.
		for name, open := range map[string]bool{"cmdline": true, "environ": false, "maps": false, "auxv": false} {
			cat := exec.CommandContext(t.Context(), "cat", fmt.Sprintf("/proc/%d/%s", pid, name))
			cat.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
			if out, err := cat.Output(); (err == nil && len(out) > 0) != open {
				t.Errorf("%s of process %d is open to its user: %v, want %v (%v)", name, pid, !open, open, err)
			}
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
			t.Errorf("process %d may leave a core file: %v\n%s", pid, err, limits)
		}
		if ports := listening(t, pid); ports != nil {
			t.Errorf("process %d listens on TCP: %q", pid, ports)
		}
	}

	// A plugin that is told to dump itself does so into the agent's log.
	plugin := s.plugin(t, "sink")
	if err := syscall.Kill(plugin, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the plugin's dump", r.says("SIGQUIT"))
	r.await(t, "another plugin process", func() bool { p := s.plugin(t, "sink"); return p != 0 && p != plugin })
	r.signal(t, syscall.SIGQUIT)
	got := r.wait()
	if !strings.Contains(got.stderr, "level=DEBUG") || strings.Count(got.stderr, "SIGQUIT") < 2 {
		t.Errorf("no log at debug with two dumps: %s", got)
	}
	if found := hits([]byte(got.stdout+got.stderr), secrets); found != nil {
		t.Errorf("the log holds %q:\n%s", found, got.stderr)
	}
}

// listening are the TCP sockets that a process accepts connections on: those of
// /proc/net/tcp in state 0A (proc_pid_net(5)) that it holds.
func listening(t *testing.T, pid int) (ports []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("files of process %d: %v, %v", pid, fds, err)
	}
	held := make(map[string]bool)
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			held[strings.Trim(link, "socket:[]")] = true
		}
	}
	for _, name := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(table), "\n") {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && held[f[9]] {
				ports = append(ports, f[1])
			}
		}
	}
	return ports
}

// Otherwise the test above could not fail.
func TestAListeningPortIsNoticed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if listening(t, os.Getpid()) == nil {
		t.Error("a listening port of this process is not seen")
	}
}

// Other users cannot reach a plugin's socket, and whoever runs as the agent's user cannot
// speak to it without the agent's certificate, which never leaves its memory.
func TestPluginsSpeakToTheirAgentOnly(t *testing.T) {
	s, _ := fortress(t)
	want := s.load(t, s3test.Trail{Events: 30}.Objects())
	r := s.start(t)
	s.awaitStored(t, r, want)
	var sockets []string
	err := filepath.WalkDir(s.tmp, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path != s.tmp && d.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("the folder %s has mode %v", path, info.Mode())
		}
		// The control socket is not a plugin's; package control tests who may speak to it.
		if info.Mode().Type() == fs.ModeSocket && d.Name() != "agent.sock" {
			sockets = append(sockets, path)
		}
		return nil
	})
	if err != nil || len(sockets) != 2 {
		t.Fatalf("sockets %v, %v; want those of two plugins", sockets, err)
	}
	for _, socket := range sockets {
		if err := asUser(4321, func() error { return speak(socket, nil) }); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("another user at %s: %v", socket, err)
		}
		for name, c := range map[string]*tls.Config{
			"in the clear":                  nil,
			"without a certificate":         {},
			"with a certificate of its own": {Certificates: []tls.Certificate{selfSigned(t)}},
		} {
			if err := asUser(int(s.credential.Uid), func() error { return speak(socket, c) }); err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the agent's user %s at %s: %v", name, socket, err)
			}
		}
	}
	r.signal(t, syscall.SIGTERM)
	if got := r.wait(); got.code != 0 || strings.Contains(got.stderr, "starting it again") {
		t.Errorf("the agent: %s", got)
	}
}

// speak begins to speak HTTP/2, as gRPC does, and answers how that was refused: nil means
// that the server answered.
func speak(socket string, c *tls.Config) error {
	conn, err := net.DialTimeout("unix", socket, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if c != nil {
		c = c.Clone()
		c.InsecureSkipVerify, c.NextProtos = true, []string{"h2"}
		conn = tls.Client(conn, c)
	}
	// The preface and empty settings (RFC 9113, 3.4).
	if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		return err
	}
	var answer [9]byte
	n, err := conn.Read(answer[:])
	if err == nil && c == nil && n > 0 && answer[0] == 0x15 { // an alert of TLS
		return errors.New("the server wants TLS")
	}
	return err
}

// asUser runs f in a thread that belongs to another user, and ends with f.
func asUser(uid int, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not serve anybody else
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			result <- fmt.Errorf("become user %d: %w", uid, errno)
			return
		}
		result <- f()
	}()
	return <-result
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
