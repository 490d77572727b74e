package pgtest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// NotInstalledError says that PostgreSQL's server programs are missing.
type NotInstalledError struct {
	// PGBin is the value of PG_BIN, the one folder that was looked at if it is set.
	PGBin string
}

func (e *NotInstalledError) Error() string {
	if e.PGBin != "" {
		return fmt.Sprintf("no initdb and postgres in PG_BIN=%s: set it to the folder that has both, or unset it", e.PGBin)
	}
	return "no PostgreSQL server found: install it (Debian: apt-get install postgresql, Red Hat: dnf install postgresql-server) " +
		"or set PG_BIN to the folder of initdb and postgres"
}

// Programs answers the folder that holds initdb and postgres: PG_BIN if that is
// set, else the newest of Debian's folders, else of Red Hat's, else what PATH
// has. The error is a [*NotInstalledError].
func Programs() (string, error) {
	return findPrograms(os.Getenv("PG_BIN"), "/", filepath.SplitList(os.Getenv("PATH")))
}

func findPrograms(pgBin, root string, path []string) (string, error) {
	if pgBin != "" {
		if hasPrograms(pgBin) {
			return pgBin, nil
		}
		return "", &NotInstalledError{PGBin: pgBin}
	}
	var dirs []string
	dirs = append(dirs, newestFirst(filepath.Join(root, "usr/lib/postgresql/*/bin"))...)
	dirs = append(dirs, newestFirst(filepath.Join(root, "usr/pgsql-*/bin"))...)
	dirs = append(dirs, filepath.Join(root, "usr/bin"))
	dirs = append(dirs, path...)
	for _, dir := range dirs {
		if hasPrograms(dir) {
			return dir, nil
		}
	}
	return "", &NotInstalledError{}
}

// newestFirst sorts the folders that match by the version in their names, which
// as text would put 9.6 before 15.
func newestFirst(pattern string) []string {
	dirs, _ := filepath.Glob(pattern) // fails only for a malformed pattern
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return dirs
}

// version reads 15 from /usr/lib/postgresql/15/bin and from /usr/pgsql-15/bin; 0 if
// there is none.
func version(bin string) float64 {
	name := filepath.Base(filepath.Dir(bin))
	v, _ := strconv.ParseFloat(strings.TrimPrefix(name, "pgsql-"), 64)
	return v
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}
