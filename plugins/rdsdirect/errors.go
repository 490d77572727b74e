package rdsdirect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var errNotUUID = errors.New("not a UUID")

// migrate is the command that puts right whatever is wrong with the schema.
const migrate = "run: agent migrate -config agent.hcl"

// SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html).
const (
	classData        = "22"
	classConstraint  = "23"
	classLogin       = "28"
	classNameOrRight = "42" // also what a statement gets that does not fit the tables
	classLimit       = "54"
	classShutdown    = "57P"

	codeNotNull      = "23502"
	codeUnsupported  = "0A000"
	codeForeignKey   = "23503"
	codeUnique       = "23505"
	codeCheck        = "23514"
	codeReadOnly     = "25006"
	codeNoDatabase   = "3D000"
	codeNoSchema     = "3F000"
	codeNoPrivilege  = "42501"
	groupForeignKeys = "_group_id_fkey" // how the names of the keys to table groups end
)

// dataError gives the error of a statement that stores events its class: [sdk.Invalid]
// if the server refused the data, so that the agent looks for the event at fault.
// dataError of nil is nil.
func dataError(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", doing, err)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code == codeUnique || isUnknownGroup(pg) || strangeTable(pg) != "" {
		return err
	}
	switch pg.Code[:2] {
	case classData, classConstraint, classLimit:
		return sdk.Invalid(err)
	}
	return err
}

func isUnknownGroup(pg *pgconn.PgError) bool {
	return pg.Code == codeForeignKey && strings.HasSuffix(pg.ConstraintName, groupForeignKeys)
}

// strangeTable is what to do about a refusal that is not the data's fault: somebody has
// changed the tables, so that they take no event, or not this one, whatever is in it. It is
// "" for every other error.
func strangeTable(pg *pgconn.PgError) string {
	switch {
	case pg.Code == codeNotNull:
		return fmt.Sprintf("column %q of table %q is not one of this program's, and takes no null (give it a default, or drop it)", pg.ColumnName, pg.TableName)
	case pg.Code == codeCheck && pg.ConstraintName == "": // no partition takes the row
		return fmt.Sprintf("table %[1]q lacks its default partition (as the owner: attach it again, or create table public.%[1]s_default partition of public.%[1]s default)", pg.TableName)
	case pg.Code == codeUnique && pg.ConstraintName != "" && pg.SchemaName == "public" && !strings.HasSuffix(pg.ConstraintName, "_pkey"):
		return fmt.Sprintf("unique index %q on table %q is not one of this program's, and refuses an event that is no duplicate (drop it)", pg.ConstraintName, pg.TableName)
	case pg.Code == codeUnsupported && pg.Routine == "DoCopy":
		return "row-level security keeps COPY out of the tables (alter table public.events disable row level security, and the same for public.cloudtrail; what readers may see can be limited by views)"
	case pg.Code == codeNoPrivilege && pg.Routine == "ExecWithCheckOptions":
		return "row-level security refuses what the agent inserts (alter table … disable row level security, or add a policy that lets its user insert)"
	}
	return ""
}

// mustReconnect says that the pool's other connections are no better: they lead to a
// server that has become read-only, or is going down.
func mustReconnect(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == codeReadOnly || strings.HasPrefix(pg.Code, classShutdown))
}

// isLoginRefused reports whether the server did not take the user or password.
func isLoginRefused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, classLogin)
}

// explain gives an error its class, and says in a sentence what somebody has to do
// about one that does not pass by itself. Errors that already have a class keep it.
//
// Whatever is not known stays an error to retry: deadlocks, lock timeouts, too many
// connections, a full disk, a shutdown, a server that has become read-only.
func (s *Sink) explain(err error) error {
	if sdk.IsInvalid(err) || sdk.IsDenied(err) {
		return err
	}
	var connect *pgconn.ConnectError
	isConnect := errors.As(err, &connect)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if isConnect {
			err = pg // instead of pgx's account of every address it tried
		}
		if sentence := s.sentence(pg); sentence != "" {
			return sdk.Denied(fmt.Errorf("%s: %w", sentence, err))
		}
	}
	if !isConnect {
		return err
	}
	err = fmt.Errorf("connect to %s: %w", s.settings.address(), oneLine{connectCause(connect)})
	if errors.Is(connect, errNoTLS) {
		return sdk.Denied(fmt.Errorf("connect to %s: %w", s.settings.address(), errNoTLS))
	}
	if isCertificateFault(err) {
		return sdk.Denied(fmt.Errorf("%w (check host, sslmode and sslrootcert)", err))
	}
	return err
}

// sentence is what to do about an error of the server, or "".
func (s *Sink) sentence(pg *pgconn.PgError) string {
	if advice := strangeTable(pg); advice != "" {
		return fmt.Sprintf("database %q: %s", s.settings.Database, advice)
	}
	switch {
	case strings.HasPrefix(pg.Code, classLogin) && s.settings.Auth == authIAM:
		return fmt.Sprintf("%s refuses the IAM token of user %q (the role needs GRANT rds_iam, the agent's AWS identity rds-db:connect, and the instance IAM authentication)", s.settings.address(), s.settings.User)
	case strings.HasPrefix(pg.Code, classLogin):
		return fmt.Sprintf("%s refuses user %q (check user, password and sslmode; agent migrate -create-role makes a user that is missing)", s.settings.address(), s.settings.User)
	case pg.Code == codeNoDatabase:
		return fmt.Sprintf("there is no database %q on %s (check database)", s.settings.Database, s.settings.address())
	case isUnknownGroup(pg):
		return fmt.Sprintf("group %s is not in database %q (%s)", s.group, s.settings.Database, migrate)
	case pg.Code == codeNoPrivilege:
		return fmt.Sprintf("user %q lacks a privilege in database %q (%s)", s.settings.User, s.settings.Database, migrate)
	case pg.Code == codeNoSchema, strings.HasPrefix(pg.Code, classNameOrRight):
		return fmt.Sprintf("database %q does not have the tables of this program (%s)", s.settings.Database, migrate)
	}
	return ""
}

// connectCause is why a connection could not be made, without the settings and, where
// there was one address alone, without that address, which pgx and package net put in front.
func connectCause(connect *pgconn.ConnectError) error {
	cause := connect.Unwrap()
	if all, ok := cause.(interface{ Unwrap() []error }); ok && len(all.Unwrap()) == 1 {
		cause = all.Unwrap()[0]
	} else if ok {
		return cause
	}
	if dial := new(net.OpError); errors.As(cause, &dial) && dial.Op == "dial" {
		return dial.Err
	}
	if inner := errors.Unwrap(cause); inner != nil {
		return inner
	}
	return cause
}

// isCertificateFault says that the server showed a certificate that sslmode refuses.
func isCertificateFault(err error) bool {
	var (
		verification *tls.CertificateVerificationError // verify-full
		authority    x509.UnknownAuthorityError        // verify-ca
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &invalid)
}

// oneLine is an error whose text is one line: pgx writes a line for each address.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }

func (e oneLine) Unwrap() error { return e.error }

// withoutConnString takes the cause out of an error of pgx that quotes the connection
// string.
func withoutConnString(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) && parse.Unwrap() != nil {
		return parse.Unwrap()
	}
	return err
}
