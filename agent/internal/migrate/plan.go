package migrate

import (
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

// A step is one transaction.
type step struct {
	title      string // what it does, for errors and for the printed plan
	statements []string
	done       string // the line to report
}

// stepsBefore come before the migrations: making room for them.
func stepsBefore(s state) []step {
	if !s.predecessor.found() {
		return nil
	}
	statements := []string{`create schema if not exists ` + oldSchema}
	for _, name := range s.predecessor.tables {
		statements = append(statements, fmt.Sprintf(`alter table public.%s set schema %s`, quoteName(name), oldSchema))
	}
	done := fmt.Sprintf("moved %s of INU-Detector to schema %s, untouched", strings.Join(s.predecessor.tables, ", "), oldSchema)
	if s.predecessor.shape != "" {
		done += fmt.Sprintf(" (cloudtrail as in %s)", s.predecessor.shape)
	}
	done += `; the same events are read again from S3: with no "since" in the source "s3" block, run agent -config agent.hcl -mode once`
	return []step{{title: "move the tables of INU-Detector to schema " + oldSchema, statements: statements, done: done}}
}

// stepsAfter come after the migrations, and again at every Run: groups, roles, grants.
func stepsAfter(s state, opts Options) ([]step, error) {
	var steps []step
	for _, g := range opts.Groups {
		steps = append(steps, groupStep(g))
	}
	for _, w := range opts.Writers {
		ws, err := writerSteps(s, w, opts.CreateRoles)
		if err != nil {
			return nil, err
		}
		steps = append(steps, ws...)
	}
	return steps, nil
}

func groupStep(g Group) step {
	title := "group " + g.ID.String()
	insert := `insert into public.groups (group_id, group_name) values (%s, %s) on conflict (group_id) `
	if g.Name == "" {
		statement := fmt.Sprintf(insert+`do nothing`, quoteText(g.ID.String()), quoteText(g.ID.String()))
		return step{title: title, statements: []string{statement}, done: title + " is there"}
	}
	statement := fmt.Sprintf(insert+`do update set group_name = excluded.group_name`, quoteText(g.ID.String()), quoteText(g.Name))
	return step{title: title, statements: []string{statement}, done: fmt.Sprintf("%s (%s) is there", title, g.Name)}
}

func writerSteps(s state, w Writer, createRoles bool) ([]step, error) {
	var steps []step
	existing, exists := s.writers[w.User]
	if !exists && createRoles {
		create, err := createRoleStep(w)
		if err != nil {
			return nil, err
		}
		steps = append(steps, create)
	}
	done := fmt.Sprintf("role %s may write, and read no event", w.User)
	if existing.Superuser || existing.IsOwner {
		done = fmt.Sprintf("role %s is the owner of the tables or a superuser, so it can read and change everything: "+
			"give the sink a user of its own and run agent migrate with -create-role", w.User)
	} else if exists && createRoles {
		done += "; it existed, its password is as it was"
	}
	grants := step{
		title:      "grants of role " + w.User,
		statements: []string{fmt.Sprintf(`select public.grant_writer(%s)`, quoteText(w.User))},
		done:       done,
	}
	if w.IAM {
		// The role is RDS's own, so that it is missing on any other server.
		grants.statements = append(grants.statements, fmt.Sprintf(
			`do $$ begin if to_regrole('rds_iam') is not null then execute format('grant rds_iam to %%I', %s); end if; end $$`, quoteText(w.User)))
	}
	return append(steps, grants), nil
}

// createRoleStep gives the server a SCRAM verifier, so that the password is in no
// statement and in no log of statements.
func createRoleStep(w Writer) (step, error) {
	s := step{title: "create role " + w.User, done: "created role " + w.User}
	if w.Password == "" {
		s.statements = []string{fmt.Sprintf(`create role %s login`, quoteName(w.User))}
		s.done += " without a password, because its sink has none"
		if w.IAM {
			s.done = "created role " + w.User + ", which logs in with IAM tokens"
		}
		return s, nil
	}
	verifier, err := scramVerifier(w.Password)
	if err != nil {
		return step{}, fmt.Errorf("role %s: %w", w.User, err)
	}
	s.statements = []string{fmt.Sprintf(`create role %s login password %s`, quoteName(w.User), quoteText(verifier))}
	return s, nil
}

// printPlan writes as SQL what apply would do.
func printPlan(out io.Writer, s state, opts Options) error {
	pending, err := pendingMigrations(s)
	if err != nil {
		return err
	}
	after, err := stepsAfter(s, opts)
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("-- What agent migrate would run. To run it by hand: psql -v ON_ERROR_STOP=1 -f FILE, as the owner.\n")
	for _, group := range [][]step{stepsBefore(s), pending, after} {
		for _, step := range group {
			fmt.Fprintf(&text, "\n-- %s\nbegin;\n", oneLine(step.title))
			for _, statement := range step.statements {
				fmt.Fprintf(&text, "%s;\n", strings.TrimSuffix(strings.TrimSpace(statement), ";"))
			}
			text.WriteString("commit;\n")
		}
	}
	_, err = io.WriteString(out, text.String())
	return err
}

// pendingMigrations are, as steps, what runMigrations has tern do.
func pendingMigrations(s state) ([]step, error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	var steps []step
	if s.version == 0 {
		steps = append(steps, step{title: "the number of the last migration", statements: []string{
			fmt.Sprintf(`create table if not exists %s(version int4 not null)`, sql.VersionTable),
			fmt.Sprintf(`insert into %[1]s(version) select 0 where not exists (select from %[1]s)`, sql.VersionTable),
		}})
	}
	for i, m := range all {
		if version := i + 1; version > s.version {
			steps = append(steps, step{title: m.name, statements: []string{
				m.text,
				fmt.Sprintf(`update %s set version = %d`, sql.VersionTable, version),
			}})
		}
	}
	return steps, nil
}

// distinctWriters has each user once. Two sinks may share one, with one password.
func distinctWriters(writers []Writer) ([]Writer, error) {
	var distinct []Writer
	passwords := map[string]string{}
	for _, w := range writers {
		password, seen := passwords[w.User]
		if seen && password != w.Password {
			return nil, fmt.Errorf("two sinks have user %s with different passwords", w.User)
		}
		if !seen {
			distinct = append(distinct, w)
			passwords[w.User] = w.Password
		}
	}
	return distinct, nil
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

// quoteText is an SQL literal that means the same whatever the session's
// standard_conforming_strings.
func quoteText(text string) string {
	quoted := `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
	if strings.Contains(text, `\`) {
		return ` E` + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// oneLine keeps a name with a line break from ending its comment.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
