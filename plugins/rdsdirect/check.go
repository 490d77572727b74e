package rdsdirect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/access"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var _ sdk.Checker = (*Sink)(nil)

// Check tries the connection and what the writer may do. Its one write, a row that shows
// whether the group is there, is rolled back.
func (s *Sink) Check(ctx context.Context) []sdk.Finding {
	var r access.Report
	if !s.checkServer(ctx, &r) {
		return r.Findings
	}
	if err := s.inTx(ctx, func(tx pgx.Tx) error { return s.checkSchema(ctx, tx) }); err != nil {
		r.Fail("schema", err, "")
		return r.Findings
	}
	r.OK("schema", "the version that this program needs")
	if s.checkPrivileges(ctx, &r) {
		s.checkGroup(ctx, &r)
	}
	return r.Findings
}

// server is what one look at it shows.
type server struct {
	version, user   string
	tls, cipher     string // empty without TLS
	now             time.Time
	synchronous     string
	superuser       bool
	createRole      bool
	bypassRowPolicy bool
}

func (s *Sink) checkServer(ctx context.Context, r *access.Report) bool {
	var v server
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			select current_setting('server_version'), current_user::text,
			       coalesce((select version from pg_stat_ssl where pid = pg_backend_pid()), ''),
			       coalesce((select cipher from pg_stat_ssl where pid = pg_backend_pid()), ''),
			       clock_timestamp(), current_setting('synchronous_commit'),
			       rolsuper, rolcreaterole, rolbypassrls
			from pg_roles where rolname = current_user`,
		).Scan(&v.version, &v.user, &v.tls, &v.cipher, &v.now, &v.synchronous, &v.superuser, &v.createRole, &v.bypassRowPolicy)
	})
	if err != nil {
		r.Fail("connect", err, "")
		return false
	}
	r.OK("connect", "PostgreSQL %s at %s, database %s, as %s", v.version, s.settings.address(), s.settings.Database, v.user)
	switch {
	case v.tls == "" && s.settings.SSLMode == "disable":
		r.Warn("TLS", "none, as sslmode says", `anybody on the way can read and change events: remove sslmode = "disable", unless the server is on this machine`)
	case v.tls == "":
		r.Warn("TLS", "the server sees none: something between decrypts it", "check the proxy or pooler in between")
	case s.settings.SSLMode == "require":
		r.Warn("TLS", v.tls+", but nobody checks whose certificate it is", `remove sslmode = "require"`)
	default:
		r.OK("TLS", "%s, %s, certificate checked (%s)", v.tls, v.cipher, s.settings.SSLMode)
	}
	r.Clock("the database", v.now, time.Now())
	if v.superuser || v.createRole || v.bypassRowPolicy {
		r.Warn("role", fmt.Sprintf("%s is a superuser, or may create roles or pass row-level security", v.user),
			"give the sink a role of its own: agent migrate -create-role")
	}
	return true
}

// A privilege is one that the writer needs: the statement that grants it, and the
// question whether it is there. The same that grant_writer() in sql/ grants.
type privilege struct{ name, grant, question string }

const (
	doneFunction     = "public.ledger_done(uuid, text, text, text, text[])"
	variantsFunction = "public.record_variants(uuid[], timestamp[], text[], jsonb[], boolean[], bytea[])"
)

func privileges() []privilege {
	var all []privilege
	for _, table := range []string{"events", "cloudtrail", "ledger", "quarantine"} {
		all = append(all, privilege{"INSERT on " + table, "GRANT INSERT ON public." + table, "has_table_privilege('public." + table + "', 'INSERT')"})
	}
	all = append(all, privilege{"SELECT on events.id", "GRANT SELECT (id) ON public.events", "has_column_privilege('public.events', 'id', 'SELECT')"})
	for _, f := range []string{"public.schema_version()", "public.ensure_months(timestamp[])", doneFunction, variantsFunction} {
		all = append(all, privilege{"EXECUTE of " + f, "GRANT EXECUTE ON FUNCTION " + f, "has_function_privilege('" + f + "', 'EXECUTE')"})
	}
	return all
}

// tooMuch are questions whose answer should be no.
func tooMuch() []privilege {
	var all []privilege
	for _, table := range []string{"events", "cloudtrail", "ledger", "quarantine", "variants"} {
		all = append(all, privilege{name: "ownership of " + table, question: "pg_has_role((select relowner from pg_class where oid = 'public." + table + "'::regclass), 'USAGE')"})
		for _, p := range []string{"SELECT", "UPDATE", "DELETE", "TRUNCATE"} {
			all = append(all, privilege{name: p + " on " + table, question: "has_table_privilege('public." + table + "', '" + p + "')"})
		}
	}
	return all
}

// checkPrivileges reports whether nothing is missing.
func (s *Sink) checkPrivileges(ctx context.Context, r *access.Report) bool {
	missing, err := s.answers(ctx, privileges(), false)
	if err != nil {
		r.Fail("privileges", err, "")
		return false
	}
	if len(missing) > 0 {
		r.Fail("privileges", fmt.Errorf("user %q lacks %s", s.settings.User, strings.Join(missing, ", ")), migrate)
		return false
	}
	extra, err := s.answers(ctx, tooMuch(), true)
	switch {
	case err != nil:
		r.Fail("privileges", err, "")
		return false
	case len(extra) > 0:
		const shown = 4
		names := strings.Join(extra[:min(len(extra), shown)], ", ")
		if len(extra) > shown {
			names += fmt.Sprintf(" and %d more", len(extra)-shown)
		}
		r.Warn("privileges", fmt.Sprintf("user %q has more than it needs: %s", s.settings.User, names),
			"whoever takes over the agent could read or change events: give the sink a role of its own with agent migrate -create-role")
		return true
	}
	r.OK("privileges", "all it needs and no more")
	return true
}

// answers returns the names of those privileges for which the answer is as given.
func (s *Sink) answers(ctx context.Context, asked []privilege, answer bool) ([]string, error) {
	questions := make([]string, len(asked))
	for i, p := range asked {
		questions[i] = p.question
	}
	var has []bool
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select array[`+strings.Join(questions, ", ")+`]`).Scan(&has)
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for i, h := range has {
		if h == answer {
			names = append(names, asked[i].name)
		}
	}
	return names, nil
}

var errRollBack = errors.New("roll back")

// checkGroup tries a row of the group. The foreign key answers, since the writer may not
// read the groups. 1970-01-01 is in a partition that is always there.
func (s *Sink) checkGroup(ctx context.Context, r *access.Report) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into public.events (id, event_time, group_id) values (gen_random_uuid(), '1970-01-01', $1)`, [16]byte(s.group))
		if err != nil {
			return err
		}
		return errRollBack
	})
	if errors.Is(err, errRollBack) {
		r.OK("group", "%s is there, and takes events", s.group)
		return
	}
	r.Fail("group", err, "")
}

// Rights implements [sdk.Grantee].
func (s Settings) Rights() []sdk.Right {
	var rights []sdk.Right
	user := pgx.Identifier{s.User}.Sanitize()
	for _, p := range privileges() {
		rights = append(rights, sdk.Right{System: "postgresql", Statement: p.grant + " TO " + user})
	}
	switch {
	case s.Auth == authIAM:
		rights = append(rights,
			sdk.Right{System: "postgresql", Comment: "logs in with a token instead of a password", Statement: "GRANT rds_iam TO " + user},
			access.Allow("log in to the database; put account and resource ID in place of *",
				[]string{"rds-db:connect"}, []string{fmt.Sprintf("arn:aws:rds-db:%s:*:dbuser:*/%s", orStar(s.region()), s.User)}, nil))
	case s.PasswordSecret != "":
		rights = append(rights, access.Allow("read the database's password; kms:Decrypt too if the secret has a key of its own",
			[]string{"secretsmanager:GetSecretValue"}, []string{s.PasswordSecret}, nil))
	}
	return rights
}

func orStar(s string) string {
	if s == "" {
		return "*"
	}
	return s
}
