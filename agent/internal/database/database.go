// Package database connects people's commands to the database of an rds_direct sink, as
// somebody who may read it. The sink itself may not, and has a connection of its own.
package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/s-developer-team-inu/inu-logsmith/sql"
)

const connectTimeout = 10 * time.Second

// SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html).
const (
	codeNoPrivilege = "42501"
	codeNoFunction  = "42883"
	codeNoTable     = "42P01"
	codeNoSchema    = "3F000"
)

const selectVersion = `select public.schema_version()`

// Connect opens a connection to a database whose schema is the one that this program
// knows. Whoever calls it closes it. No error quotes the connection string, which may
// hold a password.
func Connect(ctx context.Context, dsn string) (_ *pgx.Conn, err error) {
	config, err := Parse(dsn)
	if err != nil {
		return nil, err
	}
	// Statements without a name: poolers in transaction mode mix up named ones.
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn, err := Dial(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			Close(ctx, conn)
		}
	}()
	var version int
	if err := conn.QueryRow(ctx, selectVersion).Scan(&version); err != nil {
		return nil, Explain(fmt.Errorf("ask for the schema's version: %w", err))
	}
	switch {
	case version < sql.Version:
		return nil, fmt.Errorf("the schema of database %q is at version %d, this program needs %d: run agent migrate", config.Database, version, sql.Version)
	case version > sql.Version:
		return nil, fmt.Errorf("the schema of database %q is at version %d, this program knows %d: upgrade the agent", config.Database, version, sql.Version)
	}
	return conn, nil
}

// Dial connects with what Parse made, and says what to do where TLS stands in the way.
func Dial(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config.ConnectTimeout = connectTimeout
	config.RuntimeParams["client_encoding"] = "UTF8" // whatever role or database are set to
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explainTLS(fmt.Errorf("connect to the database: %w", err))
	}
	return conn, nil
}

// Close closes a connection, also when ctx has ended.
func Close(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // what it did is committed, or has failed with an error of its own
}

// Explain adds what to do about an error that somebody has to act on. Explain of nil is
// nil.
func Explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case codeNoPrivilege:
		return fmt.Errorf("%w; connect with -dsn as the owner of the tables or, to look only, as a member of the role inu_reader", err)
	case codeNoFunction, codeNoTable, codeNoSchema:
		return fmt.Errorf("%w; is this the database of an rds_direct sink? agent migrate makes its tables", err)
	}
	return err
}
