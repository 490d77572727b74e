package rdsdirect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// The codes of requests in place of a version (PostgreSQL documentation, "Message
// Formats", SSLRequest and StartupMessage).
const (
	sslRequest = 80877103
	protocol3  = 3 << 16
)

// A badServer listens as PostgreSQL does, and keeps what it is told.
type badServer struct {
	net.Listener
	answer byte // to a request for TLS
	tls    *tls.Config

	mu      sync.Mutex
	clear   []byte // what came in the clear after the request for TLS
	startup int    // how many started a session, which is when a password would be asked for
}

func newBadServer(t *testing.T, answer byte, c *tls.Config) *badServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &badServer{Listener: l, answer: answer, tls: c}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return s
}

func (s *badServer) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return
	}
	if binary.BigEndian.Uint32(head[4:]) != sslRequest {
		s.note(head[:], binary.BigEndian.Uint32(head[4:]) == protocol3)
		return
	}
	if _, err := conn.Write([]byte{s.answer}); err != nil {
		return
	}
	if s.answer == 'S' && s.tls != nil {
		secure := tls.Server(conn, s.tls)
		if secure.Handshake() != nil {
			return
		}
		if _, err := io.ReadFull(secure, head[:]); err == nil {
			s.note(nil, true)
		}
		return
	}
	rest, _ := io.ReadAll(conn)
	s.note(rest, len(rest) >= 8 && binary.BigEndian.Uint32(rest[4:]) == protocol3)
}

func (s *badServer) note(clear []byte, started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear = append(s.clear, clear...)
	if started {
		s.startup++
	}
}

// certified is a server's configuration with a certificate of its own making.
func certified(t *testing.T, from *authority, change func(*x509.Certificate)) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := certificateTemplate("localhost")
	template.DNSNames = []string{"localhost"}
	change(template)
	parent, signer := template, key
	if from != nil {
		parent, signer = from.certificate, from.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS10}
}

// With what a person gets who writes no sslmode, a server that cannot show who it is never
// sees a session begin, let alone a password.
func TestABadServerIsRefusedBeforeAPasswordIsSent(t *testing.T) {
	trusted := newAuthority(t)
	same := func(*x509.Certificate) {}
	old := func(c *tls.Config) *tls.Config { c.MaxVersion = tls.VersionTLS11; return c }
	for name, tc := range map[string]struct {
		answer byte
		tls    *tls.Config
		good   bool
	}{
		"a genuine server": {'S', certified(t, trusted, same), true},
		"another name": {'S', certified(t, trusted, func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames = "db.evil.example", []string{"db.evil.example"}
		}), false},
		"an expired certificate": {'S', certified(t, trusted, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		}), false},
		"a certificate signed by itself":     {'S', certified(t, nil, same), false},
		"another authority":                  {'S', certified(t, newAuthority(t), same), false},
		"a server that claims to speak TLS":  {'S', nil, false},
		"a server that says no to TLS":       {'N', nil, false},
		"a server that answers something":    {'R', nil, false}, // as a server without TLS that asks for a password at once
		"a server with TLS 1.1 at most":      {'S', old(certified(t, trusted, same)), false},
		"a server that answers with nothing": {0, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBadServer(t, tc.answer, tc.tls)
			settings := Settings{
				Host: "localhost", Port: s.Addr().(*net.TCPAddr).Port, Database: "d", User: "user-canary", Password: "password-canary",
				SSLMode: "verify-full", SSLRootCert: trusted.file, GroupID: testGroup.String(), Writers: 1,
			}
			opened, err := Open(t.Context(), settings)
			if err != nil {
				t.Fatal(err)
			}
			sink := opened.(*Sink)
			_, err = sink.Write(t.Context(), batchOf("one", testEvents(1)...))
			_ = sink.Close()
			if err == nil || strings.Contains(err.Error(), "password-canary") {
				t.Errorf("Write = %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if started := s.startup > 0; started != tc.good {
				t.Errorf("a session was begun: %v, want %v (%v)", started, tc.good, err)
			}
			if strings.Contains(string(s.clear), "canary") {
				t.Errorf("sent in the clear: %q", s.clear)
			}
		})
	}
}

// The refusals that no other try mends are told as such, with what to do.
func TestRefusalsOfTLSSaySo(t *testing.T) {
	trusted := newAuthority(t)
	s := newBadServer(t, 'S', certified(t, nil, func(*x509.Certificate) {}))
	opened, err := Open(t.Context(), Settings{
		Host: "localhost", Port: s.Addr().(*net.TCPAddr).Port, Database: "d", User: "u", SSLMode: "verify-full",
		SSLRootCert: trusted.file, GroupID: testGroup.String(), Writers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.(*Sink).Close() //nolint:errcheck // it has no connection
	_, err = opened.Write(t.Context(), batchOf("one", testEvents(1)...))
	var unknown x509.UnknownAuthorityError
	if !sdk.IsDenied(err) || !errors.As(err, &unknown) {
		t.Errorf("Write = %v", err)
	}
}
