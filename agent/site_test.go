package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// A site is what one test lets the agent run at: a bucket "trail", a database that is
// migrated, and a folder with agent.hcl.
type site struct {
	s3    *s3test.Server
	pg    *pgtest.Cluster
	db    *pgtest.Database
	owner *pgx.Conn
	dir   string // the working directory of every run
	tmp   string // TMPDIR of every run, and how its processes are recognised
	env   []string
	// groups are those that the sinks write for.
	groups []string

	program    string              // of the agent, if not the tests' own
	credential *syscall.Credential // set by asOrdinaryUser
}

// The blocks of a pipeline. The writer is the role that agent migrate makes.
const (
	s3Block = `  source "s3" {
    bucket           = "trail"
    region           = "us-east-1"
    endpoint         = env("S3_ENDPOINT")
    force_path_style = true
    interval         = "1s"
  }
`
	fileBlock = `  source "file" {
    paths    = ["logs"]
    interval = "1s"
  }
`
	rdsBlock = `  sink "rds_direct" {
    host     = env("RDS_HOST")
    port     = env("RDS_PORT")
    database = env("RDS_DATABASE")
    user     = env("RDS_USER")
    password = env("RDS_PASSWORD")
    sslmode  = "disable"
    group_id = env("GROUP_ID")
  }
`
)

// otherGroupBlock is a second sink, which stores the same for another group.
func otherGroupBlock() string { return strings.Replace(rdsBlock, "GROUP_ID", "OTHER_GROUP_ID", 1) }

// newSite makes a site whose one pipeline, "audit", has the blocks. Its server is the
// cluster that the package's tests share.
func newSite(t *testing.T, blocks ...string) *site {
	t.Helper()
	return newSiteOn(t, cluster, blocks...)
}

// newSiteOn is newSite for a test that does things to the whole server.
func newSiteOn(t *testing.T, pg *pgtest.Cluster, blocks ...string) *site {
	t.Helper()
	s := emptySite(t, pg, blocks...)
	if got := s.run(t, "migrate", "-create-role", "-dsn", s.db.DSN(s.db.Owner)); got.code != 0 {
		t.Fatalf("migrate: %s", got)
	}
	s.connect(t)
	return s
}

// emptySite makes a site whose database nobody has migrated.
func emptySite(t *testing.T, pg *pgtest.Cluster, blocks ...string) *site {
	t.Helper()
	db, err := pg.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// t.TempDir is too deep for the path of a socket, and closed to other users.
	base, err := os.MkdirTemp("", "agent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	s := &site{pg: pg, db: db, dir: filepath.Join(base, "work"), tmp: filepath.Join(base, "tmp")}
	for _, dir := range []string{s.dir, s.tmp} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if s.s3, err = s3test.Start(s3test.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.s3.Close() })
	if err := s.s3.CreateBucket("trail"); err != nil {
		t.Fatal(err)
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.tmp, "RUNTIME_DIRECTORY=" + s.tmp,
		"RDS_HOST=" + pg.Host, "RDS_PORT=" + strconv.Itoa(pg.Port), "RDS_DATABASE=" + db.Name,
		"RDS_USER=" + db.Writer.User, "RDS_PASSWORD=" + db.Writer.Password,
		"S3_ENDPOINT=" + s.s3.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
		// Under the race detector a process would sleep for a second before it ends.
		"GORACE=atexit_sleep_ms=0",
	}
	if os.Geteuid() != 0 {
		// Else /proc tells an ordinary user nothing of the agents.
		s.env = append(s.env, "INU_LOGSMITH_INSPECTABLE=1")
	}
	for _, variable := range []string{"GROUP_ID", "OTHER_GROUP_ID"} {
		if id := uuid.NewString(); strings.Contains(strings.Join(blocks, ""), `"`+variable+`"`) {
			s.groups = append(s.groups, id)
			s.env = append(s.env, variable+"="+id)
		}
	}
	s.configure(t, blocks...)
	return s
}

// configure writes agent.hcl.
func (s *site) configure(t *testing.T, blocks ...string) {
	t.Helper()
	s.write(t, "agent.hcl", "pipeline \"audit\" {\n"+strings.Join(blocks, "")+"}\n")
}

// write makes a file below the working directory.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put uploads an object.
func (s *site) put(t *testing.T, key, body string) {
	t.Helper()
	if err := s.s3.Put("trail", key, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// load uploads generated objects and tells what rows they must become, as read from the
// objects themselves.
func (s *site) load(t *testing.T, objects iter.Seq[s3test.Object]) *expectation {
	t.Helper()
	want := newExpectation()
	m, err := s.s3.Load("trail", func(yield func(s3test.Object) bool) {
		for o := range objects {
			want.addObject(t, o.Body)
			if !yield(o) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want.records != m.Records || want.distinct() != m.Distinct {
		t.Fatalf("the objects hold %d records, %d distinct; the manifest says %d, %d", want.records, want.distinct(), m.Records, m.Distinct)
	}
	return want
}

// An outcome is how a run of the agent ended.
type outcome struct {
	code           int // -1 if a signal ended it
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
}

// count is the number after a word of the summary line, such as "stored", or before
// it, as in "12 left unread"; -1 where there is none.
func (o outcome) count(word string) int {
	for _, pattern := range []string{`\b` + word + ` (\d+)`, `(\d+) ` + word} {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(o.stdout); m != nil {
			n, _ := strconv.Atoi(m[1]) // they are digits
			return n
		}
	}
	return -1
}

// run runs a command of the agent to its end.
func (s *site) run(t *testing.T, args ...string) outcome {
	t.Helper()
	return s.start(t, args...).wait()
}

// once runs everything visible and fails the test unless it ends with exit code 0.
func (s *site) once(t *testing.T, args ...string) outcome {
	t.Helper()
	got := s.run(t, append([]string{"-mode", "once"}, args...)...)
	if got.code != 0 {
		t.Fatalf("once: %s", got)
	}
	return got
}

// connect makes s.owner anew.
func (s *site) connect(t *testing.T) {
	t.Helper()
	var err error
	if s.owner, err = pgx.Connect(t.Context(), s.db.DSN(s.db.Owner)); err != nil {
		t.Fatal(err)
	}
	owner := s.owner
	t.Cleanup(func() { owner.Close(context.WithoutCancel(t.Context())) })
}

// ask is the one value that a query of the owner has.
func ask[T any](t *testing.T, s *site, query string, args ...any) T {
	t.Helper()
	var v T
	if err := s.owner.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// answers are the rows of a query of one column.
func answers[T any](t *testing.T, s *site, query string, args ...any) []T {
	t.Helper()
	rows, err := s.owner.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return values
}

func (s *site) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.owner.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (s *site) rows(t *testing.T) int {
	t.Helper()
	return ask[int](t, s, `select count(*) from events`)
}
