package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFindPrograms(t *testing.T) {
	for _, tc := range []struct {
		name    string
		pgBin   string   // below the root
		path    []string // below the root
		folders []string // those with both programs
		want    string
	}{
		{name: "PG_BIN goes first", pgBin: "my/bin", folders: []string{"my/bin", "usr/lib/postgresql/15/bin"}, want: "my/bin"},
		{name: "PG_BIN without programs is not passed over", pgBin: "my/bin", folders: []string{"usr/lib/postgresql/15/bin"}},
		{name: "Debian's newest, by number", folders: []string{"usr/lib/postgresql/9.6/bin", "usr/lib/postgresql/15/bin", "usr/lib/postgresql/14/bin"}, want: "usr/lib/postgresql/15/bin"},
		{name: "Red Hat's newest", folders: []string{"usr/pgsql-9.6/bin", "usr/pgsql-16/bin"}, want: "usr/pgsql-16/bin"},
		{name: "Red Hat's own package", folders: []string{"usr/bin"}, want: "usr/bin"},
		{name: "PATH goes last", path: []string{"empty", "opt/pg/bin"}, folders: []string{"opt/pg/bin"}, want: "opt/pg/bin"},
		{name: "nothing installed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for _, folder := range tc.folders {
				install(t, filepath.Join(root, folder))
			}
			pgBin := tc.pgBin
			if pgBin != "" {
				pgBin = filepath.Join(root, pgBin)
			}
			var path []string
			for _, dir := range tc.path {
				path = append(path, filepath.Join(root, dir))
			}

			got, err := findPrograms(pgBin, root, path)
			if tc.want == "" {
				var missing *NotInstalledError
				if !errors.As(err, &missing) || missing.PGBin != pgBin {
					t.Errorf("findPrograms = %q, %v; want a NotInstalledError", got, err)
				}
				return
			}
			if want := filepath.Join(root, tc.want); err != nil || got != want {
				t.Errorf("findPrograms = %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestProgramsThatCannotBeRunDoNotCount(t *testing.T) {
	dir := t.TempDir()
	install(t, dir)
	if err := os.Chmod(filepath.Join(dir, "initdb"), 0o644); err != nil {
		t.Fatal(err)
	}
	if hasPrograms(dir) {
		t.Error("a folder whose initdb is not executable counts")
	}
}

func install(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
