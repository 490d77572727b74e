package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// overwritten replaces objects while they are listed and read. Each version that was
// read is a split; what the last one holds must be there.
func overwritten(t *trial) error {
	if err := t.start(); err != nil {
		return err
	}
	for range 60 {
		first := t.Generator.Object(time.Now(), 30, oracle.Shares{})
		for i := range first.Records {
			first.Records[i].Class = oracle.Optional
		}
		second := t.Generator.Object(time.Now(), 20, usual)
		second.Key = first.Key
		if err := t.Upload(first, 1); err != nil {
			return err
		}
		t.between(0, 60*time.Millisecond)
		if err := t.Upload(second, 1); err != nil {
			return err
		}
		t.hit()
	}
	return nil
}

// deletedBeforeRead removes objects between their listing and their reading.
func deletedBeforeRead(t *trial) error {
	var mu sync.Mutex
	doomed := make(map[string]bool)
	for range 20 {
		o := t.Generator.Object(time.Now(), 10, oracle.Shares{})
		for i := range o.Records {
			o.Records[i].Class = oracle.Optional
		}
		if err := t.Upload(o, 0); err != nil {
			return err
		}
		doomed[o.Key] = true
		if _, err := t.upload(time.Now(), 10); err != nil {
			return err
		}
	}
	t.HookS3(func(_ http.ResponseWriter, r *http.Request) bool {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		mu.Lock()
		defer mu.Unlock()
		if isGet(s3test.OperationOf(r)) && doomed[key] {
			_ = t.S3.Delete(stage.Bucket, key) // in memory
			t.hit()
			delete(doomed, key)
		}
		return false
	})
	if err := t.start(); err != nil {
		return err
	}
	if err := t.until("everything is in the ledger", t.opt.drain, func() bool { return t.done() >= t.Manifest.Objects() }); err != nil {
		return err
	}
	var gone int
	if err := t.owner.QueryRow(t.ctx, `select count(*)::int from ledger where status = 'gone' and reason <> ''`).Scan(&gone); err != nil {
		return err
	}
	if gone != 20 {
		t.wrong("%d of 20 objects that were deleted are recorded as gone", gone)
	}
	return nil
}

// manyObjects are more than a page of a listing in one minute.
func manyObjects(t *trial) error {
	at := time.Now()
	for range 2500 {
		if err := t.Upload(t.Generator.Object(at, 2, usual), 0); err != nil {
			return err
		}
	}
	t.report.Hits = 2500
	if err := t.start(); err != nil {
		return err
	}
	return t.crash()
}

// staleListings answers requests for listings now and then with what was true before.
func staleListings(t *trial) error {
	var mu sync.Mutex
	old := make(map[string][]byte)
	var asked, stale atomic.Int64
	t.HookS3(func(w http.ResponseWriter, r *http.Request) bool {
		if s3test.OperationOf(r) != s3test.ListObjectsV2 {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if before := old[r.URL.RawQuery]; before != nil && asked.Add(1)%3 != 0 {
			stale.Add(1)
			w.Header().Set("Content-Type", "application/xml")
			_, _ = w.Write(before) // the client has gone if it fails
			return true
		}
		answer := httptest.NewRecorder()
		t.S3.Answer(answer, r)
		old[r.URL.RawQuery] = bytes.Clone(answer.Body.Bytes())
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		return true
	})
	if err := t.start(); err != nil {
		return err
	}
	for range 10 {
		for range 20 {
			if err := t.Upload(t.Generator.Object(time.Now(), 5, usual), 0); err != nil {
				return err
			}
		}
		t.pause(time.Second)
	}
	t.report.Hits = int(stale.Load())
	return nil
}

// deniedForAWhile has S3 refuse, with each of the codes, first the reading of objects
// alone, so that every trial cuts off work in hand, and then everything.
func deniedForAWhile(codes ...string) func(*trial) error {
	return func(t *trial) error {
		if err := t.feed(20, 20); err != nil {
			return err
		}
		if err := t.start(); err != nil {
			return err
		}
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
		for _, code := range codes {
			if err := t.refusedWith(code); err != nil {
				return err
			}
		}
		return nil
	}
}

// refusedWith has S3 refuse with one code for some seconds, and counts a hit if an object
// was refused and everything was.
func (t *trial) refusedWith(code string) error {
	var reads, all atomic.Int64
	var everything atomic.Bool
	t.HookS3(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case everything.Load():
			all.Add(1)
		case isGet(s3test.OperationOf(r)):
			reads.Add(1)
		default:
			return false
		}
		s3test.Fail(w, r, http.StatusForbidden, code)
		return true
	})
	err := t.until("objects are refused", livenessLimit, func() bool { return reads.Load() >= 5 })
	everything.Store(true)
	if err == nil {
		err = t.until("everything is refused", livenessLimit, func() bool { return all.Load() >= 5 })
	}
	t.pause(3 * time.Second)
	t.HookS3(nil)
	if err != nil {
		return errVoid("%v", err)
	}
	t.hit()
	began := time.Now()
	if err := t.progress(time.Minute); err != nil {
		return fmt.Errorf("after %s: %w", code, err)
	}
	t.note("stored again %.1f s after %s", time.Since(began).Seconds(), code)
	return nil
}

// refusedDeletions has the queue refuse parts of deletions, and take receipts for old.
func refusedDeletions(t *trial) error {
	var deletions, refused atomic.Int64
	t.HookSQS(func(w http.ResponseWriter, r *http.Request, operation string) bool {
		if operation != "DeleteMessageBatch" || deletions.Add(1)%2 == 0 {
			return false
		}
		refused.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		code := []string{"ReceiptHandleIsInvalid", "InternalError"}[deletions.Load()/2%2]
		fmt.Fprintf(w, `{"Successful":[],"Failed":[{"Id":"0","SenderFault":%t,"Code":%q,"Message":"as told"}]}`, code == "ReceiptHandleIsInvalid", code)
		return true
	})
	if err := t.busy(); err != nil {
		return err
	}
	return t.enough(&refused, 20)
}

// poisonMessages are messages that nobody can read, among good ones.
func poisonMessages(t *trial) error {
	poison := []string{"", "no JSON", `{"Records":"x"}`, "\x00\x01", `{"Records":[{"eventSource":"aws:s3","eventVersion":"9.9"}]}`, strings.Repeat("[", 5000)}
	for _, body := range poison {
		t.SQS.Send(stage.Queue, body)
	}
	for range 40 {
		if _, err := t.upload(time.Now(), 10); err != nil {
			return err
		}
	}
	if err := t.start(); err != nil {
		return err
	}
	dead := func() []string { return t.SQS.Bodies(stage.DeadQueue) }
	if err := t.until("poison is in the dead-letter queue", 2*time.Minute, func() bool { return len(dead()) >= len(poison)-1 }); err != nil {
		return fmt.Errorf("%w; there are %d of %d", err, len(dead()), len(poison))
	}
	for _, body := range dead() {
		if slices.Contains(poison, body) {
			t.hit()
		} else {
			t.wrong("a good message is in the dead-letter queue")
		}
	}
	return nil
}

// queueAway stops the queue for a while, with work in hand.
func queueAway(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for range 3 {
		t.ToSQS.Down()
		t.hit()
		t.pause(4 * time.Second)
		if err := t.ToSQS.Up(); err != nil {
			return err
		}
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
	}
	if err := t.stopFeeding(); err != nil {
		return err
	}
	return t.until("the queue is empty", 2*time.Minute, func() bool {
		q := t.SQS.State(stage.Queue)
		return q.Visible+q.Hidden == 0
	})
}

// largeObject has as many records as fit, so that a kill finds it half read.
func largeObject(t *trial) error {
	o := t.Generator.Object(time.Now(), 40_000, oracle.Shares{Filtered: 0.1})
	if err := t.Upload(o, 1); err != nil {
		return err
	}
	t.note("one object of %d records, %d MiB", len(o.Records), len(o.Body)>>20)
	if err := t.start(); err != nil {
		return err
	}
	for range 2 {
		var rows int
		if err := t.until("some of it is stored", livenessLimit, func() bool {
			return t.owner.QueryRow(t.ctx, `select count(*)::int from events`).Scan(&rows) == nil && rows > 4000
		}); err != nil {
			return err
		}
		pids := t.agent.Children()
		if !t.agent.Kill9() {
			return errors.New("the agent ended by itself")
		}
		t.killed()
		if err := stage.Gone(t.ctx, pids); err != nil {
			return err
		}
		if t.done() == 0 {
			t.hit()
		}
		if err := t.start(); err != nil {
			return err
		}
	}
	return nil
}

// corruptObjects are objects that are broken as a whole.
func corruptObjects(t *trial) error {
	for _, bad := range badObjects(t.Generator) {
		if err := t.Upload(bad, 1); err != nil {
			return err
		}
		t.hit()
		if _, err := t.upload(time.Now(), 5); err != nil {
			return err
		}
	}
	return t.start()
}

// deadLetters gives the queue a redrive policy.
func deadLetters(_ *trial, o *stage.Options) { o.MaxReceives = 2 }
