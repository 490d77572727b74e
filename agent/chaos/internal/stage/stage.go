// Package stage is what the agent under test runs at: the real binary in processes of
// its own, a real PostgreSQL, an S3-compatible and an SQS-compatible server, and a
// toxiproxy on the way to each of them. The servers for S3 and SQS run in the harness's
// process, which nothing kills.
package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
)

// Names of what is on every stage.
const (
	Bucket    = "trail"
	Queue     = "trail-events"
	DeadQueue = "trail-events-dead"
)

// Options say what a stage is like.
type Options struct {
	Binary string // of the agent
	Dir    string // for everything that the stage writes; made if need be
	Seed   uint64
	// Cluster is the server that the stage makes its database on. A failover may change it.
	Cluster *pgtest.Cluster
	// Folder takes the objects instead of the bucket, unless it is empty.
	Folder string
	// Prune removes an object as soon as the queue's messages about it are deleted: an
	// upstream that keeps nothing that was acknowledged.
	Prune bool
	// MaxReceives sends messages to the dead-letter queue after so many; 0 never does.
	MaxReceives int
	// Clock is the queue's; nil is the system's.
	Clock func() time.Time
	// BeforeMigrate may change the empty database.
	BeforeMigrate func(context.Context, *pgtest.Database) error
}

// A Stage is one of a trial. Its fields are set by New and not changed.
type Stage struct {
	Options
	Manifest   *oracle.Manifest
	Generator  *oracle.Generator
	S3         *s3test.Server
	SQS        *sqstest.Server
	Database   *pgtest.Database
	Group      string
	OtherGroup string

	// The ways from the agent to its servers. Other is a second way to PostgreSQL.
	ToDatabase, ToS3, ToSQS, Other *Link

	tmp    string
	env    []string
	memory *meter
	queue  string // its URL

	mu       sync.Mutex
	messages map[string]string // key of an object by message body
	fetched  map[string]int    // GETs answered by key
	deleted  atomic.Int64      // messages
	s3hook   atomic.Pointer[s3test.Hook]
	sqshook  atomic.Pointer[sqstest.Hook]
}

// New makes a stage. Close removes what runs; its files stay.
func New(ctx context.Context, o Options) (_ *Stage, err error) {
	s := &Stage{
		Options: o, Group: uuid.NewString(), OtherGroup: uuid.NewString(), memory: newMeter(),
		Generator: oracle.NewGenerator(o.Seed), messages: make(map[string]string), fetched: make(map[string]int),
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	if s.Manifest, err = oracle.NewManifest(filepath.Join(o.Dir, "manifest.jsonl")); err != nil {
		return nil, err
	}
	// Paths of sockets may not be long.
	if s.tmp, err = os.MkdirTemp("", "chaos-"); err != nil {
		return nil, err
	}
	if err := s.startServers(); err != nil {
		return nil, err
	}
	if s.Database, err = o.Cluster.NewDatabase(ctx); err != nil {
		return nil, err
	}
	if o.BeforeMigrate != nil {
		if err := o.BeforeMigrate(ctx, s.Database); err != nil {
			return nil, err
		}
	}
	if err := s.link(); err != nil {
		return nil, err
	}
	s.environment()
	if err := s.Database.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	for _, group := range []string{s.Group, s.OtherGroup} {
		if err := s.Database.AddGroup(ctx, group, "chaos"); err != nil {
			return nil, fmt.Errorf("add group: %w", err)
		}
	}
	return s, nil
}

func (s *Stage) startServers() (err error) {
	if s.S3, err = s3test.Start(s3test.Options{Hook: s.onS3}); err != nil {
		return err
	}
	if err := s.S3.CreateBucket(Bucket); err != nil {
		return err
	}
	if s.SQS, err = sqstest.Start(sqstest.Options{Hook: s.onSQS, Now: s.Clock}); err != nil {
		return err
	}
	q := sqstest.Queue{Visibility: 30 * time.Second}
	if s.MaxReceives > 0 {
		s.SQS.CreateQueue(DeadQueue, sqstest.Queue{})
		q.DeadLetter, q.MaxReceives = DeadQueue, s.MaxReceives
	}
	s.SQS.CreateQueue(Queue, q)
	return nil
}

func (s *Stage) link() (err error) {
	database := net.JoinHostPort(s.Cluster.Host, strconv.Itoa(s.Cluster.Port))
	for _, l := range []struct {
		link           **Link
		name, upstream string
	}{
		{&s.ToDatabase, "PostgreSQL", database},
		{&s.Other, "PostgreSQL again", database},
		{&s.ToS3, "S3", strings.TrimPrefix(s.S3.URL, "http://")},
		{&s.ToSQS, "SQS", strings.TrimPrefix(s.SQS.URL, "http://")},
	} {
		if *l.link, err = newLink(l.name, l.upstream); err != nil {
			return err
		}
	}
	s.queue = "http://" + s.ToSQS.Addr + "/000000000000/" + Queue
	return nil
}

func (s *Stage) environment() {
	host, port, _ := net.SplitHostPort(s.ToDatabase.Addr)
	_, other, _ := net.SplitHostPort(s.Other.Addr)
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + s.tmp,
		"RDS_HOST=" + host, "RDS_PORT=" + port, "OTHER_PORT=" + other, "RDS_DATABASE=" + s.Database.Name,
		"RDS_USER=" + s.Database.Writer.User, "RDS_PASSWORD=" + s.Database.Writer.Password,
		"GROUP_ID=" + s.Group, "OTHER_GROUP_ID=" + s.OtherGroup,
		"S3_ENDPOINT=http://" + s.ToS3.Addr, "QUEUE_URL=" + s.queue, "STATE_DIR=" + s.StateDir(),
		"AWS_ACCESS_KEY_ID=chaos", "AWS_SECRET_ACCESS_KEY=chaos", "AWS_REGION=" + oracle.Region,
	}
}

// StateDir is where the agent keeps what it keeps.
func (s *Stage) StateDir() string { return filepath.Join(s.Dir, "state") }

// Close ends the servers.
func (s *Stage) Close() {
	for _, l := range []*Link{s.ToDatabase, s.Other, s.ToS3, s.ToSQS} {
		if l != nil {
			l.Down()
		}
	}
	if s.S3 != nil {
		_ = s.S3.Close() // nobody uses it any more
	}
	if s.SQS != nil {
		_ = s.SQS.Close()
	}
	if s.Manifest != nil {
		_ = s.Manifest.Close() // each line was synced
	}
	s.memory.close()
	os.RemoveAll(s.tmp)
}

// Configure writes agent.hcl.
func (s *Stage) Configure(text string) error {
	if err := os.MkdirAll(s.StateDir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, "agent.hcl"), []byte(text), 0o600)
}

// Start starts the agent as a service, or as args say.
func (s *Stage) Start(args ...string) (*Agent, error) {
	return start(s.Binary, s.Dir, s.env, s.memory, args...)
}

// Owner connects as the owner of the tables, past all faults.
func (s *Stage) Owner(ctx context.Context) (*pgx.Conn, error) {
	owner := s.Database.Owner
	return pgx.Connect(ctx, s.Cluster.DSN(owner.User, owner.Password, s.Database.Name))
}

// Superuser connects to the stage's database as the first user of the cluster.
func (s *Stage) Superuser(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.Cluster.DSN(pgtest.Superuser, s.Cluster.Password, s.Database.Name))
}

// Memory is the most that each kind of process took so far, and all at one moment.
func (s *Stage) Memory() (peaks map[Role]int64, total int64, fds int) { return s.memory.read() }

// Gone waits until processes have ended.
func Gone(ctx context.Context, pids map[int]Role) error {
	return Until(ctx, "the plugins of a killed agent are gone", 10*time.Second, func() bool {
		for pid := range pids {
			if Alive(pid) {
				return false
			}
		}
		return true
	})
}

// Until looks every few milliseconds until a condition holds.
func Until(ctx context.Context, what string, limit time.Duration, holds func() bool) error {
	late := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late:
			return fmt.Errorf("not within %s: %s", limit, what)
		}
	}
	return nil
}

// KillPlugin kills a process; it reports whether there was one.
func KillPlugin(pid int) bool { return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil }

// Upload issues an object, then stores it, then tells the queue so many times.
func (s *Stage) Upload(o oracle.Object, messages int) error {
	if err := s.Manifest.Issue(o.Key, o.Records); err != nil {
		return err
	}
	if s.Folder != "" {
		return s.write(o)
	}
	if err := s.S3.Put(Bucket, o.Key, o.Body); err != nil {
		return fmt.Errorf("upload %s: %w", o.Key, err)
	}
	for range messages {
		s.Announce(o.Key, len(o.Body))
	}
	return nil
}

// write puts an object into the folder, whole from its first moment.
func (s *Stage) write(o oracle.Object) error {
	path := filepath.Join(s.Folder, filepath.FromSlash(o.Key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := filepath.Join(s.Dir, "upload")
	if err := os.WriteFile(temporary, o.Body, 0o600); err != nil {
		return err
	}
	s.mu.Lock()
	s.fetched[o.Key]++ // nobody sees when it is read
	s.mu.Unlock()
	return os.Rename(temporary, path)
}

// Announce sends a notification as S3 does.
func (s *Stage) Announce(key string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{ // strings and numbers
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": oracle.Region,
		"eventTime": time.Now().UTC().Format(time.RFC3339Nano), "eventName": "ObjectCreated:Put",
		"responseElements": map[string]any{"x-amz-request-id": uuid.NewString()},
		"s3": map[string]any{
			"bucket": map[string]any{"name": Bucket},
			"object": map[string]any{"key": url.QueryEscape(key), "size": size},
		},
	}}})
	s.messages[string(body)] = key
	s.SQS.Send(Queue, string(body))
}

// onS3 counts objects that were read.
func (s *Stage) onS3(w http.ResponseWriter, r *http.Request) bool {
	if h := s.s3hook.Load(); h != nil && (*h)(w, r) {
		return true
	}
	if s3test.OperationOf(r) == s3test.GetObject {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		s.mu.Lock()
		s.fetched[key]++
		s.mu.Unlock()
	}
	return false
}

// HookS3 has a hook look at each request to S3 first; nil for none.
func (s *Stage) HookS3(h s3test.Hook) {
	if h == nil {
		s.s3hook.Store(nil)
		return
	}
	s.s3hook.Store(&h)
}

// HookSQS is HookS3 for the queue.
func (s *Stage) HookSQS(h sqstest.Hook) {
	if h == nil {
		s.sqshook.Store(nil)
		return
	}
	s.sqshook.Store(&h)
}

// onSQS prunes what was deleted.
func (s *Stage) onSQS(w http.ResponseWriter, r *http.Request, operation string) bool {
	if h := s.sqshook.Load(); h != nil && (*h)(w, r, operation) {
		return true
	}
	if !strings.HasPrefix(operation, "DeleteMessage") {
		return false
	}
	s.SQS.Answer(w, r)
	s.deleted.Add(1)
	if s.Prune {
		s.prune()
	}
	return true
}

// prune removes objects that no message speaks of any more.
func (s *Stage) prune() {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := make(map[string]bool)
	present := make(map[string]bool)
	for _, body := range s.SQS.Bodies(Queue) {
		left[s.messages[body]] = true
		present[body] = true
	}
	for body, key := range s.messages {
		if !left[key] {
			_ = s.S3.Delete(Bucket, key) // its server is in memory
		}
		if !present[body] {
			delete(s.messages, body)
		}
	}
}

// Deletes is how many requests to delete messages were answered.
func (s *Stage) Deletes() int64 { return s.deleted.Load() }

// Fetched is how many objects were asked for, and how often in all.
func (s *Stage) Fetched() (objects, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.fetched {
		requests += n
	}
	return len(s.fetched), requests
}

// Done is how many of the issued objects the group's ledger has.
func (s *Stage) Done(ctx context.Context, conn *pgx.Conn, group string) (int, error) {
	var n int
	err := conn.QueryRow(ctx, `select count(distinct split)::int from ledger where group_id = $1::text::uuid and source <> 'cloudtrail_api'`, group).Scan(&n)
	return n, err
}

// ErrVoid says that the fault did not hit, so that the trial proves nothing.
var ErrVoid = errors.New("void")
