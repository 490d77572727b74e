package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Parse reads the connection string of -dsn. Its error does not quote it, since it may hold
// a password.
//
// Where neither it nor PGSSLMODE says so, a server that is not on this machine is asked for
// verify-full, as an rds_direct sink does: libpq's own default, prefer, would send a
// password to whoever answers.
func Parse(dsn string) (*pgx.ConnConfig, error) {
	config, err := parse(dsn)
	if err == nil && !modeIsSaid(dsn) && !onThisMachine(config) {
		config, err = parse(withMode(dsn))
	}
	return config, err
}

func parse(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return nil, fmt.Errorf("a file that -dsn or a variable PG… names cannot be read: %w", file)
	// The rest of a password with a bare @ or / would be printed as a host or a database.
	case err != nil, strings.Contains(config.Host, "@"), strings.ContainsAny(config.Database, "@/:"):
		return nil, errors.New("the connection string of -dsn is not valid: write postgres://user:password@host:5432/database, " +
			"with special characters of the password percent-encoded")
	}
	return config, nil
}

var mode = regexp.MustCompile(`(?i)\b(sslmode|service)\s*=`)

func modeIsSaid(dsn string) bool {
	return mode.MatchString(dsn) || os.Getenv("PGSSLMODE") != "" || os.Getenv("PGSERVICE") != ""
}

func onThisMachine(config *pgx.ConnConfig) bool {
	hosts := []string{config.Host}
	for _, f := range config.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		if !strings.HasPrefix(host, "/") && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func withMode(dsn string) string {
	const verify = "sslmode=verify-full"
	switch {
	case !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://"):
		return dsn + " " + verify
	case strings.HasSuffix(dsn, "?"), strings.HasSuffix(dsn, "&"):
		return dsn + verify
	case strings.Contains(dsn, "?"):
		return dsn + "&" + verify
	}
	return dsn + "?" + verify
}

// explainTLS adds what to do where the server's certificate is not trusted, or there is none.
func explainTLS(err error) error {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &verification), errors.As(err, &authority):
		return fmt.Errorf("%w; name the file of its authority, for RDS Amazon's global-bundle.pem, with sslrootcert=FILE in -dsn or with PGSSLROOTCERT", err)
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return fmt.Errorf("%w; switch TLS on at the server, or add sslmode=disable to -dsn if the way to it is safe", err)
	}
	return err
}
