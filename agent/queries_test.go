package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A reader can run each query of the documentation on a database that has the schema.
func TestTheQueriesOfTheDocumentationRun(t *testing.T) {
	db, err := cluster.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), db.DSN(db.Owner))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "grant inu_reader to current_user"); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"docs/queries.md", "docs/operations.md", "../README.md"} {
		src, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		queries := regexp.MustCompile("(?ms)^```sql\n(SELECT.*?)^```").FindAllStringSubmatch(string(src), -1)
		if len(queries) == 0 {
			t.Errorf("%s has no query", page)
		}
		for _, q := range queries {
			if _, err := conn.Exec(t.Context(), "set role inu_reader; "+q[1], pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Errorf("%s: %v\n%s", page, err, q[1])
			}
			if _, err := conn.Exec(t.Context(), "reset role"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
