package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

// A Login is a role that can log in.
type Login struct {
	User, Password string
}

// A Database has logins of its own, named after it.
type Database struct {
	Name string
	// Owner owns the database and may create roles, but is no superuser: what the
	// first user of an RDS instance is.
	Owner Login
	// Writer has what grant_writer() gives, Reader is a member of inu_reader. Both
	// exist once Migrate has run.
	Writer, Reader Login

	cluster *Cluster
}

// NewDatabase makes an empty database. It may be called concurrently.
func (c *Cluster) NewDatabase(ctx context.Context) (*Database, error) {
	name := fmt.Sprintf("test_%d", c.databases.Add(1))
	login := func(kind string) Login { return Login{User: name + "_" + kind, Password: rand.Text()} }
	db := &Database{Name: name, Owner: login("owner"), Writer: login("writer"), Reader: login("reader"), cluster: c}
	return db, c.exec(ctx, "postgres",
		fmt.Sprintf(`create role %s login createrole password '%s'`, db.Owner.User, db.Owner.Password),
		fmt.Sprintf(`create database %s owner %s template template0`, name, db.Owner.User),
	)
}

// DSN is a connection string for the database.
func (db *Database) DSN(login Login) string {
	return db.cluster.DSN(login.User, login.Password, db.Name)
}

// SuperuserDSN is a connection string for what not even the owner may do.
func (db *Database) SuperuserDSN() string {
	return db.cluster.DSN(Superuser, db.cluster.Password, db.Name)
}

// Migrate applies the migrations of package sql as the owner and makes the writer
// and the reader.
func (db *Database) Migrate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, db.DSN(db.Owner))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	migrator, err := migrate.NewMigrator(ctx, conn, sql.VersionTable)
	if err != nil {
		return err
	}
	paths, err := migrate.FindMigrations(sql.Files)
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := fs.ReadFile(sql.Files, path)
		if err != nil {
			return err
		}
		migrator.AppendMigration(path, string(text), "")
	}
	if err := migrator.Migrate(ctx); err != nil {
		return err
	}
	return db.cluster.exec(ctx, db.Name,
		fmt.Sprintf(`create role %s login password '%s'`, db.Writer.User, db.Writer.Password),
		fmt.Sprintf(`create role %s login password '%s' in role inu_reader`, db.Reader.User, db.Reader.Password),
		fmt.Sprintf(`select grant_writer('%s')`, db.Writer.User),
	)
}

// AddGroup makes a group, which events need to have.
func (db *Database) AddGroup(ctx context.Context, id, name string) error {
	conn, err := pgx.Connect(ctx, db.DSN(db.Owner))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `insert into groups (group_id, group_name) values ($1, $2)`, id, name)
	return err
}

// exec runs statements as the superuser, each in a transaction of its own.
func (c *Cluster) exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, c.DSN(Superuser, c.Password, database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// sqlState is the error's code of PostgreSQL, empty for any other error.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}
