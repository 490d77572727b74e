package rdsdirect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

func TestTheServersCertificateIsChecked(t *testing.T) {
	authority := newAuthority(t)
	certificate, key := authority.issue(t)
	own := startCluster(t, pgtest.Options{Cert: certificate, Key: key})
	db := newDatabase(t, own)

	tests := []struct {
		name, mode, host string
		ca               string // file
		denied           bool
	}{
		{name: "verify-full takes the right name and authority", mode: "verify-full", host: "localhost", ca: authority.file},
		{name: "verify-full refuses another name", mode: "verify-full", host: "127.0.0.1", ca: authority.file, denied: true},
		{name: "verify-full refuses another authority", mode: "verify-full", host: "localhost", ca: newAuthority(t).file, denied: true},
		{name: "verify-full refuses what the system does not know", mode: "verify-full", host: "localhost", denied: true},
		{name: "verify-ca takes another name", mode: "verify-ca", host: "127.0.0.1", ca: authority.file},
		{name: "verify-ca refuses another authority", mode: "verify-ca", host: "127.0.0.1", ca: newAuthority(t).file, denied: true},
		{name: "require asks nothing", mode: "require", host: "127.0.0.1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			sink := db.newSink(t, func(s *Settings) { s.SSLMode, s.Host, s.SSLRootCert = tc.mode, tc.host, tc.ca })
			_, err := sink.Write(t.Context(), batchOf("one", testEvents(1)...))
			if sdk.IsDenied(err) != tc.denied || (err != nil) != tc.denied {
				t.Errorf("error = %v, want Denied %v", err, tc.denied)
			}
		})
	}
}

func TestAServerWithoutTLSIsRefusedByDefault(t *testing.T) {
	db := newDatabase(t, cluster)
	sink := db.newSink(t, func(s *Settings) { s.SSLMode = "verify-full" })
	if _, err := sink.Write(t.Context(), batchOf("one", testEvents(1)...)); !sdk.IsDenied(err) || !errors.Is(err, errNoTLS) {
		t.Errorf("error = %v, want Denied, for there is no TLS", err)
	}
}

// An authority issues certificates for localhost.
type authority struct {
	file        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := certificateTemplate("test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem"), key: key}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue gives a server certificate and its key, both PEM.
func (a *authority) issue(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := certificateTemplate("localhost")
	template.DNSNames = []string{"localhost"}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
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

func certificateTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}
