package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/migrate"
)

const migrateText = `
agent migrate creates or upgrades the tables that the rds_direct sinks of a
configuration write to, adds their groups, and grants their users what they need
and no more. It may be repeated.

It connects as the owner of the tables: with -dsn
postgres://OWNER:PASSWORD@HOST:5432/DATABASE, or without as the sink's own user,
which must then own them. Connect directly, not through a pooler.

-print shows the SQL instead: with -dsn what that database lacks, without what a
fresh one needs.
`

func (p *Program) migrate(args []string) int {
	var c configFlags
	f := p.flags("migrate", migrateText)
	c.define(f)
	dsn := f.String("dsn", "", "connection `string` of the owner")
	createRole := f.Bool("create-role", false, "create the sinks' users that do not exist, with the sinks' passwords")
	show := f.Bool("print", false, "print the SQL that would run, and run nothing")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent migrate -h shows the flags", f.Arg(0))
		return exitUsage
	}
	cfg, ok := p.load(c, true)
	if !ok {
		return exitUsage
	}
	databases, err := databasesOf(cfg)
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	if *dsn != "" && len(databases) > 1 {
		p.failf("the sinks of %s write to %d databases, and -dsn names one: leave it out, or disable the other sinks", cfg.File, len(databases))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, d := range databases {
		if err := p.migrateOne(ctx, d, *dsn, *createRole, *show); err != nil {
			p.failf("migrate %s: %v", d.address(), err)
			return exitFailed
		}
	}
	return exitOK
}

func (p *Program) migrateOne(ctx context.Context, d database, dsn string, createRole, show bool) error {
	if dsn == "" && !show {
		if d.Auth == "iam" || d.Secret != "" {
			return errors.New("the sink logs in with AWS's help, which this command does not have: name the owner with -dsn postgres://OWNER@HOST:5432/DATABASE")
		}
		dsn = d.dsn()
	}
	if createRole && d.Secret != "" {
		return fmt.Errorf("-create-role does not know the password, which is in %s: create role %s with it yourself", d.Secret, d.User)
	}
	o := migrate.Options{DSN: dsn, Database: d.Database, Groups: d.groups, Writers: d.writers, CreateRoles: createRole}
	if show {
		o.Print = p.Stdout
		o.Report = func(line string) { fmt.Fprintln(p.Stderr, line) }
	} else {
		fmt.Fprintf(p.Stdout, "database %s\n", d.address())
		o.Report = func(line string) { fmt.Fprintln(p.Stdout, "  "+line) }
	}
	return migrate.Run(ctx, o)
}

// rdsSettings are those settings of an rds_direct sink that say where its tables
// are and who uses them.
type rdsSettings struct {
	Host        string `json:"host"`
	Port        int    `json:"port"`
	Database    string `json:"database"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Auth        string `json:"auth"`
	Secret      string `json:"password_secret"`
	SSLMode     string `json:"sslmode"`
	SSLRootCert string `json:"sslrootcert"`
	GroupID     string `json:"group_id"`
	GroupName   string `json:"group_name"`
}

// A database is what one run of the migration sees to.
type database struct {
	rdsSettings
	groups  []migrate.Group
	writers []migrate.Writer
}

func (d database) address() string {
	return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) + "/" + d.Database
}

func (d database) dsn() string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(d.User, d.Password),
		Host:   net.JoinHostPort(d.Host, strconv.Itoa(d.Port)),
		Path:   "/" + d.Database,
	}
	q := url.Values{"sslmode": {d.SSLMode}}
	if d.SSLRootCert != "" {
		q.Set("sslrootcert", d.SSLRootCert)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// databasesOf gathers the enabled rds_direct sinks by the database they write to.
func databasesOf(cfg *config.Config) ([]database, error) {
	var found []database
	index := make(map[string]int)
	for _, pl := range cfg.Pipelines {
		for _, s := range pl.Sinks {
			if !pl.Enabled || !s.Enabled || s.Type != "rds_direct" {
				continue
			}
			d := database{}
			if err := json.Unmarshal(s.Settings, &d.rdsSettings); err != nil {
				return nil, fmt.Errorf("settings of sink %s in pipeline %s: %w", s.Name, pl.Name, err)
			}
			group, err := uuid.Parse(d.GroupID)
			if err != nil {
				return nil, fmt.Errorf("group_id of sink %s in pipeline %s: %w", s.Name, pl.Name, err)
			}
			at := strings.ToLower(d.address())
			i, seen := index[at]
			if !seen {
				i = len(found)
				index[at] = i
				found = append(found, d)
			}
			found[i].groups = append(found[i].groups, migrate.Group{ID: group, Name: d.GroupName})
			found[i].writers = append(found[i].writers, migrate.Writer{User: d.User, Password: d.Password, IAM: d.Auth == "iam"})
		}
	}
	if len(found) == 0 {
		return nil, errors.New(cfg.File + " has no enabled rds_direct sink, so there is no database to migrate")
	}
	return found, nil
}
