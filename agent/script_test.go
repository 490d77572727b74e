package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// cluster is the PostgreSQL that all tests of this package share; each has a
// database of its own in it.
var cluster *pgtest.Cluster

// TestMain makes this test binary be the agent too, when it is run under that name:
// by scripts, and by the agent itself, which starts its built-ins so.
func TestMain(m *testing.M) {
	testscript.Main(withCluster{m}, map[string]func(){"agent": main})
}

// withCluster runs the tests with a server, which the agent's own runs do not start.
type withCluster struct{ m *testing.M }

func (w withCluster) Run() int { return pgtest.Main(w.m, &cluster) }

// TestScripts runs what users type and see, one situation a file. Each script has a
// bucket, a database that is not migrated, and the variables that configurations read.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setupScript,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"sql":     sqlCmd,
			"trail":   trailCmd,
			"put":     putCmd,
			"fault":   faultCmd,
			"gzip":    gzipCmd,
			"replace": replaceCmd,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// servers are what one script talks to.
type servers struct {
	s3     *s3test.Server
	db     *pgtest.Database
	mu     sync.Mutex
	faults []fault
}

type fault struct {
	part string // of the request's path and query
	code string
}

func setupScript(env *testscript.Env) error {
	db, err := cluster.NewDatabase(env.T().(testing.TB).Context())
	if err != nil {
		return err
	}
	s := &servers{db: db}
	if s.s3, err = s3test.Start(s3test.Options{Hook: s.hook}); err != nil {
		return err
	}
	env.Defer(func() { _ = s.s3.Close() })
	if err := s.s3.CreateBucket("trail"); err != nil {
		return err
	}
	env.Values["servers"] = s
	for k, v := range map[string]string{
		"RDS_HOST": cluster.Host, "RDS_PORT": strconv.Itoa(cluster.Port), "RDS_DATABASE": db.Name,
		"RDS_USER": db.Writer.User, "RDS_PASSWORD": db.Writer.Password,
		"OWNER_DSN": db.DSN(db.Owner), "GROUP_ID": uuid.NewString(),
		"S3_ENDPOINT": s.s3.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"HOME": env.WorkDir,
		// Else each process of a race-detecting test binary waits a second at its end.
		"GORACE": "atexit_sleep_ms=0",
		// A script's own folder is too deep for the path of a socket.
		"TMPDIR": os.TempDir(),
	} {
		env.Setenv(k, v)
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "agent.hcl"), []byte(scriptConfig), 0o600)
}

// scriptConfig is every script's agent.hcl, unless the script brings its own.
const scriptConfig = `pipeline "audit" {
  source "s3" {
    bucket           = "trail"
    region           = "us-east-1"
    endpoint         = env("S3_ENDPOINT")
    force_path_style = true
  }
  sink "rds_direct" {
    host     = env("RDS_HOST")
    port     = env("RDS_PORT")
    database = env("RDS_DATABASE")
    user     = env("RDS_USER")
    password = env("RDS_PASSWORD")
    sslmode  = "disable"
    group_id = env("GROUP_ID")
  }
}
`

func (s *servers) hook(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if !strings.Contains(r.URL.String(), f.part) {
			continue
		}
		status := http.StatusForbidden
		if f.code == "SlowDown" {
			status = http.StatusServiceUnavailable
		}
		s3test.Fail(w, r, status, f.code)
		return true
	}
	return false
}

func of(ts *testscript.TestScript) *servers { return ts.Value("servers").(*servers) }

// sql [-writer] QUERY prints the rows, columns separated by |. It asks as the
// owner, or as the sink's user.
func sqlCmd(ts *testscript.TestScript, neg bool, args []string) {
	db := of(ts).db
	login := db.Owner
	if args[0] == "-writer" {
		login, args = db.Writer, args[1:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, db.DSN(login))
	ts.Check(err)
	defer conn.Close(ctx)
	var out bytes.Buffer
	rows, err := conn.Query(ctx, args[0], pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		for rows.Next() {
			var cells []string
			for _, v := range rows.RawValues() {
				cells = append(cells, string(v))
			}
			fmt.Fprintln(&out, strings.Join(cells, "|"))
		}
		err = rows.Err()
	}
	if neg {
		if err == nil {
			ts.Fatalf("the query succeeded")
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), out.String())
}

// trail EVENTS [SEED] fills the bucket with generated objects and sets RECORDS,
// DISTINCT and OBJECTS.
func trailCmd(ts *testscript.TestScript, _ bool, args []string) {
	events, err := strconv.Atoi(args[0])
	ts.Check(err)
	seed := 1
	if len(args) > 1 {
		seed, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	m, err := of(ts).s3.Load("trail", s3test.Trail{Seed: uint64(seed), Events: events, Duplicates: 0.1, Quirks: 0.01}.Objects())
	ts.Check(err)
	ts.Setenv("RECORDS", strconv.Itoa(m.Records))
	ts.Setenv("DISTINCT", strconv.Itoa(m.Distinct))
	ts.Setenv("OBJECTS", strconv.Itoa(m.Objects))
}

// put KEY FILE uploads a file.
func putCmd(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(of(ts).s3.Put("trail", args[0], []byte(ts.ReadFile(args[1]))))
}

// fault PART CODE makes requests whose URL holds PART fail; fault alone ends that.
func faultCmd(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	if len(args) == 2 {
		s.faults = []fault{{part: args[0], code: args[1]}}
	}
}

// gzip FILE [BYTES] writes FILE.gz, cut off after BYTES if given.
func gzipCmd(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(w.Close())
	out := b.Bytes()
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		out = out[:n]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".gz"), out, 0o600))
}

// replace FILE OLD NEW changes a text in a file.
func replaceCmd(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

// agentCommand prepares a run of the agent outside of scripts.
func agentCommand(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Args[0] = "agent"
	cmd.Dir = dir
	cmd.Env = env
	return cmd
}
