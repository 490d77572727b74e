package rdsdirect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestTheConnectionIsWhatTheSettingsSayWhateverTheEnvironmentSays(t *testing.T) {
	for name, value := range map[string]string{
		"PGHOST": "elsewhere", "PGPORT": "2", "PGDATABASE": "other", "PGUSER": "somebody", "PGPASSWORD": "secret",
		"PGSSLMODE": "disable", "PGSSLROOTCERT": "/nowhere", "PGAPPNAME": "x", "PGOPTIONS": "-c search_path=evil", "PGTZ": "Asia/Seoul",
		"PGCONNECT_TIMEOUT": "1", "PGTARGETSESSIONATTRS": "standby",
	} {
		t.Setenv(name, value)
	}
	s := unreachable()
	s.Database, s.User, s.Password, s.SSLMode = `it's a \ "name"`, "us er='x'", "", "verify-full"
	config, err := poolConfig(s)
	if err != nil {
		t.Fatal(err)
	}
	conn := config.ConnConfig
	if conn.Host != s.Host || int(conn.Port) != s.Port || conn.Database != s.Database || conn.User != s.User || conn.Password != "" {
		t.Errorf("connects to %s:%d, database %q, as %q with password %q; want %+v", conn.Host, conn.Port, conn.Database, conn.User, conn.Password, s)
	}
	if conn.ConnectTimeout != connectTimeout {
		t.Errorf("connect timeout = %s, want %s", conn.ConnectTimeout, connectTimeout)
	}
	if len(conn.RuntimeParams) != 1 || conn.RuntimeParams["client_encoding"] != "UTF8" {
		t.Errorf("start-up parameters = %v, want the encoding alone: poolers refuse others", conn.RuntimeParams)
	}
	if conn.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe {
		t.Errorf("query mode = %s, want %s: poolers mix up named statements", conn.DefaultQueryExecMode, pgx.QueryExecModeCacheDescribe)
	}
	if len(conn.Fallbacks) > 0 {
		t.Errorf("%d fallbacks, want none", len(conn.Fallbacks))
	}
	if int(config.MaxConns) <= s.Writers || config.MinConns != 0 {
		t.Errorf("connections = %d to %d, want room for %d writers and none before it is needed", config.MinConns, config.MaxConns, s.Writers)
	}
}

func TestSSLModes(t *testing.T) {
	tests := []struct {
		mode                string
		encrypted, verified bool
	}{
		{mode: "verify-full", encrypted: true, verified: true},
		{mode: "verify-ca", encrypted: true},
		{mode: "require", encrypted: true},
		{mode: "disable"},
	}
	for _, tc := range tests {
		t.Run(tc.mode, func(t *testing.T) {
			s := unreachable()
			s.SSLMode = tc.mode
			config, err := poolConfig(s)
			if err != nil {
				t.Fatal(err)
			}
			tls := config.ConnConfig.TLSConfig
			if (tls != nil) != tc.encrypted {
				t.Fatalf("TLS = %v, want %v", tls != nil, tc.encrypted)
			}
			if tc.verified && (tls.InsecureSkipVerify || tls.ServerName != s.Host) {
				t.Errorf("verifies %v, name %q; want %q to be verified", !tls.InsecureSkipVerify, tls.ServerName, s.Host)
			}
		})
	}
}

func TestAMissingRootCertificateIsNamedWithoutTheConnectionString(t *testing.T) {
	s := unreachable()
	s.SSLMode, s.SSLRootCert = "verify-full", t.TempDir()+"/absent.pem"
	_, err := Open(t.Context(), s)
	if err == nil {
		t.Fatal("no error")
	}
	for _, unwanted := range []string{"user=", s.Password} {
		if strings.Contains(err.Error(), unwanted) {
			t.Errorf("error %q quotes %q", err, unwanted)
		}
	}
	if !strings.Contains(err.Error(), s.SSLRootCert) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error = %q, want it to name the file and the server", err)
	}
}

func TestOpenConnectsToNothingAndWritersAreItsParallelism(t *testing.T) {
	s := unreachable()
	s.Writers = 7
	sink := openSink(t, s)
	if got := sink.Parallel(); got != 7 {
		t.Errorf("Parallel = %d, want 7", got)
	}
	s.Writers = 0
	if got := openSink(t, s).Parallel(); got != mostWriters+1 {
		t.Errorf("Parallel = %d, want %d: as many as can write, and one that waits", got, mostWriters+1)
	}
	if got := sink.pool.Stat().NewConnsCount(); got != 0 {
		t.Errorf("connections tried = %d, want none", got)
	}
}

func TestQuoteParameter(t *testing.T) {
	for in, want := range map[string]string{``: `''`, `a b`: `'a b'`, `it's \`: `'it\'s \\'`} {
		if diff := cmp.Diff(want, quoteParameter(in)); diff != "" {
			t.Errorf("quoteParameter(%q) (-want +got):\n%s", in, diff)
		}
	}
}
