package pgtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// childVariable makes the test binary a program that starts a cluster and waits to
// be killed.
const childVariable = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		c, err := Start(context.Background(), Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(c.DSN(Superuser, c.Password, "postgres"), c.dir)
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, opts Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestCommittedRowsSurviveKill9(t *testing.T) {
	c := start(t, Options{Fsync: true})
	dsn := c.DSN(Superuser, c.Password, "postgres")
	conn := connect(t, dsn)
	if _, err := conn.Exec(t.Context(), "create table kept as select 42 as n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill9(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Error("a killed server still answers")
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := connect(t, dsn).QueryRow(t.Context(), "select n from kept").Scan(&n); err != nil || n != 42 {
		t.Errorf("after the restart got %d, %v; want 42", n, err)
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	c := start(t, Options{Settings: map[string]string{"max_connections": "17"}})
	conn := connect(t, c.DSN(Superuser, c.Password, "postgres"))
	for setting, want := range map[string]string{"max_connections": "17", "fsync": "off", "synchronous_commit": "on", "unix_socket_directories": ""} {
		var got string
		if err := conn.QueryRow(t.Context(), "select current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", setting, got, err, want)
		}
	}
}

func TestWrongPasswordIsRefusedAndLogged(t *testing.T) {
	c := start(t, Options{})
	_, err := pgx.Connect(t.Context(), c.DSN(Superuser, "wrong", "postgres"))
	if got, want := sqlState(err), "28P01"; got != want {
		t.Errorf("state = %q, want %q (%v)", got, want, err)
	}
	if want := "password authentication failed"; !strings.Contains(c.Log(), want) {
		t.Errorf("log lacks %q:\n%s", want, c.Log())
	}
}

func TestStopEndsTheServerAndRemovesItsFiles(t *testing.T) {
	c := start(t, Options{})
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", c.dir, err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port))); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
	if err := c.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestNamedFolderIsKeptAndUsedAgain(t *testing.T) {
	parent, err := os.MkdirTemp("", "pgtest-kept-") // t.TempDir lies in folders that only root can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	opts := Options{Dir: filepath.Join(parent, "pg"), Password: "a password"}

	first := start(t, opts)
	if _, err := connect(t, first.DSN(Superuser, opts.Password, "postgres")).Exec(t.Context(), "create table kept ()"); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, opts)
	if _, err := connect(t, second.DSN(Superuser, opts.Password, "postgres")).Exec(t.Context(), "select from kept"); err != nil {
		t.Error(err)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}

	opts.Password = "another password"
	if _, err := Start(t.Context(), opts); sqlState(err) != "28P01" {
		t.Errorf("Start with another password = %v, want 28P01", err)
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("Start = %v, want an error that names the setting", err)
	}
}

func TestServerEndsWithTheProgramThatStartedIt(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dsn, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || dir == "" {
		t.Fatalf("child printed %q, %v", line, err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conn := connect(t, dsn)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, err := conn.Exec(t.Context(), "select pg_sleep(300)"); err == nil {
		t.Error("the server outlived its program by five minutes")
	}
	for t.Context().Err() == nil { // its sessions end a moment before the server
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil && sqlState(err) == "" {
			return // nobody listens any more
		}
		if err == nil {
			conn.Close(t.Context())
		}
	}
	t.Error("the server still answers")
}

func TestTLSVerifiesOverTheNameInTheCertificateOnly(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	c := start(t, Options{Cert: cert, Key: key})
	rootFile := filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(rootFile, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for host, wantErr := range map[string]bool{"localhost": false, "127.0.0.1": true} {
		dsn := strings.Replace(c.DSN(Superuser, c.Password, "postgres"), "sslmode=disable", "sslmode=verify-full&sslrootcert="+rootFile, 1)
		conn, err := pgx.Connect(t.Context(), strings.Replace(dsn, c.Host, host, 1))
		if (err != nil) != wantErr {
			t.Errorf("connect to %s: %v, want an error: %t", host, err, wantErr)
		}
		if conn != nil {
			conn.Close(t.Context())
		}
	}
}

func TestDatabasesAreMadeConcurrently(t *testing.T) {
	c := start(t, Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := c.NewDatabase(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Errorf("%s: %v", db.Name, err)
				return
			}
			for _, login := range []Login{db.Owner, db.Writer, db.Reader} {
				conn, err := pgx.Connect(t.Context(), db.DSN(login))
				if err != nil {
					t.Error(err)
					continue
				}
				conn.Close(t.Context())
			}
		})
	}
	wg.Wait()
}

// selfSigned is a certificate for host that is its own authority, and its key.
func selfSigned(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: host},
		DNSNames:              []string{host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
