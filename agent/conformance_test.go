package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/sdktest"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// The plugins that are part of the agent keep the contract that a third party's do.
// They are checked with the same kit, as processes.

// builtinOptions name a built-in of this binary, which is the agent under that name.
func builtinOptions(t *testing.T, kind, typ string) sdktest.Options {
	t.Helper()
	program, err := exec.LookPath("agent")
	if err != nil {
		t.Fatal(err)
	}
	return sdktest.Options{
		Program: program, Args: []string{"plugin", kind, typ},
		// Under the race detector a process would sleep for a second before it ends.
		Env: []string{"GORACE=atexit_sleep_ms=0"},
	}
}

func TestRDSDirectKeepsTheContract(t *testing.T) {
	t.Parallel()
	db, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	group := uuid.NewString()
	if err := db.AddGroup(t.Context(), group, "conformance"); err != nil {
		t.Fatal(err)
	}
	o := builtinOptions(t, "sink", "rds_direct")
	o.Settings = map[string]any{
		"host": cluster.Host, "port": cluster.Port, "database": db.Name, "sslmode": "disable",
		"user": db.Writer.User, "password": db.Writer.Password, "group_id": group,
	}
	o.Stored = func(ctx context.Context) ([]string, error) {
		conn, err := pgx.Connect(ctx, db.DSN(db.Owner))
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, `select coalesce(cloudtrail_event_id, '') from cloudtrail`)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	o.Slow = lockedTable(t, db)
	sdktest.Sink(t, o)
}

// lockedTable makes a database slow: writes wait for a lock.
func lockedTable(t *testing.T, db *pgtest.Database) func(slow bool) {
	conn, err := pgx.Connect(t.Context(), db.DSN(db.Owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return func(slow bool) {
		statement := "rollback"
		if slow {
			statement = "begin; lock table events in access exclusive mode"
		}
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
}

// conformanceTrail is small, but has copies and every kind of odd record.
func conformanceTrail() s3test.Trail {
	return s3test.Trail{Seed: 7, Events: 3000, Duplicates: 0.1, Quirks: 0.05}
}

func TestS3KeepsTheContract(t *testing.T) {
	t.Parallel()
	server, err := s3test.Start(s3test.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.CreateBucket("trail"); err != nil {
		t.Fatal(err)
	}
	manifest, err := server.Load("trail", conformanceTrail().Objects())
	if err != nil {
		t.Fatal(err)
	}
	o := builtinOptions(t, "source", "s3")
	o.Settings = map[string]any{"bucket": "trail", "region": "us-east-1", "endpoint": server.URL, "force_path_style": true}
	o.OpenEnvironment = map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "HOME": t.TempDir()}
	o.Events = manifest.Records
	sdktest.Source(t, o)
}

func TestFileKeepsTheContract(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	records := 0
	for object := range conformanceTrail().Objects() {
		path := filepath.Join(dir, filepath.FromSlash(object.Key))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, object.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		records += object.Records
	}
	o := builtinOptions(t, "source", "file")
	o.Settings = map[string]any{"paths": []string{dir}}
	o.Events = records
	sdktest.Source(t, o)
}
