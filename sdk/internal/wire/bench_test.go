package wire_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
)

type discard struct{}

func (discard) Write(context.Context, sdk.Batch) (sdk.Result, error) { return sdk.Result{}, nil }
func (discard) Parallel() int                                        { return 2 }

type discarding struct{}

func (discarding) Description() wire.Description {
	return wire.Description{Kind: "sink", Type: "discard", Version: "1.0.0"}
}
func (discarding) Validate([]byte) []sdk.Fault               { return nil }
func (discarding) Rights([]byte) []sdk.Right                 { return nil }
func (discarding) Open(context.Context, []byte) (any, error) { return discard{}, nil }

// BenchmarkHop is the wire alone, both ends in one process, without and with mTLS: what
// encryption costs. One iteration is a batch of 1,000 events of 1.5 KB; the processor time
// of whole processes is measured by BenchmarkHop of sdktest.
func BenchmarkHop(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkHop(b, insecure.NewCredentials(), insecure.NewCredentials()) })
	b.Run("mtls", func(b *testing.B) {
		server, client := mutual(b)
		benchmarkHop(b, server, client)
	})
}

func benchmarkHop(b *testing.B, server, client credentials.TransportCredentials) {
	socket := filepath.Join(b.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	s := grpc.NewServer(append(wire.ServerOptions(), grpc.Creds(server))...)
	wire.Register(s, discarding{})
	go func() { _ = s.Serve(l) }() // until Stop
	b.Cleanup(s.Stop)
	conn, err := grpc.NewClient("unix:"+socket, append(wire.DialOptions(), grpc.WithTransportCredentials(client))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := wire.NewControl(conn).Open(b.Context(), []byte("{}"), nil); err != nil {
		b.Fatal(err)
	}
	const events, size = 1000, 1500
	raw, err := json.Marshal(map[string]string{"requestParameters": string(make([]byte, 0, size))})
	if err != nil {
		b.Fatal(err)
	}
	batch := sdk.Batch{Pipeline: "bench", Spans: []sdk.Span{{Source: "s3", Split: "x", Len: events}}}
	for range events {
		batch.Events = append(batch.Events, sdk.Event{ID: "3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11", Name: "AssumeRole", Raw: append(raw, make([]byte, size-len(raw))...)})
	}
	sink := wire.NewSink(conn)
	b.ReportAllocs()
	b.SetBytes(events * size)
	for b.Loop() {
		if _, err := sink.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// mutual are credentials of two ends that know each other's certificate, as go-plugin's
// AutoMTLS makes them: ECDSA on P-521, TLS 1.3 between Go's own two ends.
func mutual(b *testing.B) (server, client credentials.TransportCredentials) {
	b.Helper()
	pool := x509.NewCertPool()
	end := func(serial int64) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			b.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			b.Fatal(err)
		}
		pool.AddCert(leaf)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	one, other := end(1), end(2)
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{one}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}),
		credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{other}, RootCAs: pool, ServerName: "localhost"})
}
