package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/sqstest"
	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// What the server of a bucket with a queue is asked.
const (
	askAsked   = "/-/asked"   // how often agents have asked for messages
	askPublish = "/-/publish" // put the objects and tell of them
	askDeleted = "/-/deleted" // how many messages are settled
)

// queueUntilEOF is the child process that serves a bucket, empty at first, and a queue that
// hears of its objects.
func queueUntilEOF(t s3test.Trail, _ string) error {
	s, err := s3test.Start(s3test.Options{})
	if err != nil {
		return err
	}
	// It is there before its objects: a listing that fails is tried again, and would find them.
	if err := s.CreateBucket(bucketName); err != nil {
		return err
	}
	q, err := sqstest.Start(sqstest.Options{})
	if err != nil {
		return err
	}
	var objects []s3test.Object
	m := loaded{URL: s.URL, Queue: q.CreateQueue(bucketName, sqstest.Queue{})}
	for o := range t.Objects() {
		objects = append(objects, o)
		m.Objects, m.Records, m.Bytes = m.Objects+1, m.Records+o.Records, m.Bytes+int64(len(o.Body))
	}
	s.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case askAsked:
			fmt.Fprint(w, q.Requests("ReceiveMessage"))
		case askDeleted:
			fmt.Fprint(w, q.State(bucketName).Deleted)
		case askPublish:
			for _, o := range objects {
				if err := s.Put(bucketName, o.Key, o.Body); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return true
				}
				q.Send(bucketName, fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put",`+
					`"s3":{"bucket":{"name":%q},"object":{"key":%q}}}]}`, bucketName, o.Key))
			}
			fmt.Fprint(w, len(objects))
		default:
			return false
		}
		return true
	})
	return errors.Join(m.untilEOF(), s.Close(), q.Close())
}

// queues measures one agent against three that share a queue.
func (b *bench) queues(ctx context.Context) error {
	for _, agents := range []int{1, 3} {
		err := b.inFresh(ctx, func(db *pgtest.Database) error { return b.shareQueue(ctx, db, agents) })
		if err != nil {
			return err
		}
	}
	return nil
}

// shareQueue measures from the first message that is sent to the last one that is settled.
func (b *bench) shareQueue(ctx context.Context, db *pgtest.Database, agents int) (err error) {
	objects, err := startBucket(ctx, b.events, 200, "", 0, "-queued")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, objects.close()) }()
	source := objects.source(`interval = "24h"`, fmt.Sprintf("notifications {\n queue_url = %q\n }", objects.Queue))
	var running []*exec.Cmd
	defer func() {
		for _, cmd := range running {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		for _, cmd := range running {
			err = errors.Join(err, cmd.Wait())
		}
	}()
	for i := range agents {
		cmd, err := b.serve(ctx, fmt.Sprintf("agent-%d", i), []string{source, b.sink(db)}, db.Writer.Password)
		if err != nil {
			return err
		}
		running = append(running, cmd)
	}
	if err := objects.await(ctx, askAsked, agents); err != nil {
		return err
	}
	spent := func() (sum time.Duration) {
		for _, cmd := range running {
			sum += cpu(cmd.Process.Pid)
		}
		return sum
	}
	before := spent()
	u, err := b.pg.measure(func() error {
		if _, err := objects.number(ctx, askPublish); err != nil {
			return err
		}
		return objects.await(ctx, askDeleted, objects.Objects)
	})
	if err != nil {
		return err
	}
	n := objects.Records
	took := spent() - before
	var again int
	err = b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select coalesce(sum(duplicate), 0)::int from ledger`).Scan(&again)
	})
	if err != nil {
		return err
	}
	b.report.add(fmt.Sprintf("queue/%d-agents", agents), n, u.wall,
		metric{"agent+plugins-cpu-s/M", perMillion(took, n)}, metric{"pg-cpu-s/M", perMillion(u.cpu, n)}, metric{"read-again", float64(again)})
	return b.sameRows(ctx, db, n)
}

// await waits until the server answers with n at least.
func (b *bucket) await(ctx context.Context, path string, n int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := b.number(ctx, path)
		if err != nil || got >= n {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// serve starts an agent as a service, which has a state folder and a socket of its own.
func (b *bench) serve(ctx context.Context, name string, blocks []string, password string) (*exec.Cmd, error) {
	config, err := b.config(blocks)
	if err != nil {
		return nil, err
	}
	own := filepath.Join(b.dir, name+".hcl")
	if err := os.Rename(config, own); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has it
	cmd := exec.CommandContext(ctx, b.agent, "-config", own)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "RDS_PASSWORD="+password)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, cmd.Start()
}
