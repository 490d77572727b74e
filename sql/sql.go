// Package sql holds the schema of the rds_direct sink as numbered migrations.
//
// Every migration is one transaction. A migration that has been released is
// never edited: a change is a new file, and Version grows by one with it.
package sql

import "embed"

// Files are the migrations, named NNNN_what.sql and applied in that order.
//
//go:embed *.sql
var Files embed.FS

// Version is the number of the last migration, which the SQL function
// schema_version() answers once all of Files are applied.
const Version = 5

// VersionTable is where the number of the last applied migration is kept.
const VersionTable = "public.inu_logsmith_version"
