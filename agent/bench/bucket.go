package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

const (
	serveBucketCommand = "serve-bucket"
	bucketName         = "bench-cloudtrail"
	region             = "us-east-1"
)

// trail is the bucket's content: four streams of a day in the month before the present one,
// or so many months before that.
func trail(events, perObject, before int) s3test.Trail {
	now := time.Now().UTC()
	return s3test.Trail{
		Seed: uint64(1 + before), Start: time.Date(now.Year(), now.Month()-time.Month(1+before), 15, 0, 0, 0, 0, time.UTC),
		Accounts: []string{"111122223333", "444455556666"}, Regions: []string{region, "ap-northeast-2"},
		Events: events, EventsPerObject: perObject,
	}
}

// loaded is what the server says once it is ready.
type loaded struct {
	URL     string
	Queue   string // its URL, if there is one
	Objects int
	Records int
	Bytes   int64 // as stored
}

// serveBucket is the child process: it makes the objects, serves them until its
// standard input ends, and answers GET requests to it for counts.
func serveBucket(args []string) int {
	flags := flag.NewFlagSet(serveBucketCommand, flag.ExitOnError)
	events := flags.Int("events", 1000, "")
	perObject := flags.Int("per-object", 200, "")
	dir := flags.String("dir", "", "folder to write the objects to as well")
	before := flags.Int("before", 0, "months before the usual one")
	queued := flags.Bool("queued", false, "put the objects when asked to, and tell a queue of them")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	serve := bucketUntilEOF
	if *queued {
		serve = queueUntilEOF
	}
	if err := serve(trail(*events, *perObject, *before), *dir); err != nil {
		fmt.Fprintln(os.Stderr, "bucket:", err)
		return 1
	}
	return 0
}

func bucketUntilEOF(t s3test.Trail, dir string) error {
	s, err := s3test.Start(s3test.Options{})
	if err != nil {
		return err
	}
	s.SetHook(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/-/lists" {
			return false
		}
		fmt.Fprint(w, s.Requests(s3test.ListObjectsV2))
		return true
	})
	var m loaded
	for o := range t.Objects() {
		if err := s.Put(bucketName, o.Key, o.Body); err != nil {
			return err
		}
		if dir != "" {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(o.Key)), o.Body, 0o600); err != nil {
				return err
			}
		}
		m.Objects, m.Records, m.Bytes = m.Objects+1, m.Records+o.Records, m.Bytes+int64(len(o.Body))
	}
	m.URL = s.URL
	return errors.Join(m.untilEOF(), s.Close())
}

// untilEOF tells the parent that the server is ready, and waits until the parent is gone or
// closes its end.
func (m loaded) untilEOF() error {
	if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// A bucket is the server's process as its parent sees it.
type bucket struct {
	loaded
	cmd   *exec.Cmd
	stdin io.Closer
}

func startBucket(ctx context.Context, events, perObject int, dir string, before int, more ...string) (_ *bucket, err error) {
	args := []string{serveBucketCommand, fmt.Sprintf("-events=%d", events), fmt.Sprintf("-per-object=%d", perObject), "-dir=" + dir, fmt.Sprintf("-before=%d", before)}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append(args, more...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &bucket{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &b.loaded)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the bucket's server: %w", err), b.close())
	}
	return b, nil
}

// lists is how many list requests the server has answered.
func (b *bucket) lists(ctx context.Context) (int, error) { return b.number(ctx, "/-/lists") }

// number is what the server answers to a question of the benchmark's.
func (b *bucket) number(ctx context.Context, path string) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &n)
	return n, err
}

func (b *bucket) close() error {
	if b == nil {
		return nil
	}
	_ = b.stdin.Close()
	err := b.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return nil // the context ended it
		}
	}
	return err
}

// source is the source block that reads the bucket, with further lines.
func (b *bucket) source(more ...string) string {
	return strings.NewReplacer("BUCKET", bucketName, "REGION", region, "ENDPOINT", b.URL, "MORE", strings.Join(more, "\n")).Replace(`
  source "s3" {
    bucket           = "BUCKET"
    region           = "REGION"
    endpoint         = "ENDPOINT"
    force_path_style = true
    MORE
  }`)
}
