package rdsdirect

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout  = 5 * time.Second
	maxConnLifetime = 30 * time.Minute // a failover's or a new password's leftovers end by then
	maxConnJitter   = 5 * time.Minute
)

// poolConfig gives the pool's settings. It reads the file of sslrootcert and touches
// no network.
func poolConfig(s Settings) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(connString(s))
	if err != nil {
		return nil, fmt.Errorf("connection settings of %s: %w", s.address(), withoutConnString(err))
	}
	config.MaxConns = int32(newWriters(s.Writers).most) + 1 // one for Done beside the writers
	config.MinConns = 0
	config.MaxConnLifetime = maxConnLifetime
	config.MaxConnLifetimeJitter = maxConnJitter

	conn := config.ConnConfig
	if conn.TLSConfig != nil {
		conn.TLSConfig.MinVersion = tls.VersionTLS12 // Go's own default, which GODEBUG can lower
	}
	for _, other := range conn.Fallbacks { // further addresses of the host
		if other.TLSConfig != nil {
			other.TLSConfig.MinVersion = tls.VersionTLS12
		}
	}
	// Not in the string: what parses strings also quotes them in errors. The login
	// sets it for each connection.
	conn.Password = ""
	// No others: poolers refuse start-up parameters. Each transaction sets what it needs.
	// The encoding they know, and a setting of role or database would garble the text.
	conn.RuntimeParams = map[string]string{"client_encoding": "UTF8"}
	// Statements without a name: poolers in transaction mode mix up named ones.
	conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 10 * time.Second, Count: 3},
		Control:         controlSocket,
	}
	conn.DialFunc = dialer.DialContext
	if s.SSLMode != "disable" {
		conn.DialFunc = pgconn.DialFunc(noticePlaintext(dialer.DialContext))
	}
	return config, nil
}

// connString names every parameter that the environment could set otherwise. Only
// servers that take writes will do: after a failover the name may still lead to the
// old one for a while.
func connString(s Settings) string {
	var b strings.Builder
	for _, parameter := range [][2]string{
		{"host", s.Host},
		{"port", fmt.Sprint(s.Port)},
		{"dbname", s.Database},
		{"user", s.User},
		{"sslmode", s.SSLMode},
		{"sslrootcert", s.SSLRootCert},
		{"connect_timeout", fmt.Sprint(connectTimeout.Seconds())},
		{"target_session_attrs", "read-write"},
	} {
		fmt.Fprintf(&b, "%s=%s ", parameter[0], quoteParameter(parameter[1]))
	}
	return b.String()
}

func quoteParameter(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// address is how errors name the server.
func (s Settings) address() string { return net.JoinHostPort(s.Host, fmt.Sprint(s.Port)) }
