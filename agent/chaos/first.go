package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/stage"
)

// keepObjects is for scenarios in which no upstream prunes: what is listed counts.
func keepObjects(_ *trial, o *stage.Options) { o.Prune = false }

// busy starts the agent with work that does not end, over a line to the database that
// is as slow as one to another zone.
func (t *trial) busy() error {
	if _, err := t.ToDatabase.Toxic("latency", stage.Downstream, map[string]any{"latency": 2, "jitter": 1}); err != nil {
		return err
	}
	if err := t.feed(40, 20); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	return t.progress(livenessLimit)
}

// agentKilled kills the agent at random moments, from its start on, while there is work.
func agentKilled(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for range t.kills {
		t.between(0, 600*time.Millisecond)
		if err := t.crash(); err != nil {
			return err
		}
	}
	if t.report.Hits*2 < t.report.Kills {
		return errVoid("only %d of %d kills cut off work", t.report.Hits, t.report.Kills)
	}
	return nil
}

// databaseKilled kills the server with all its sessions and lets it stay away for a while.
func databaseKilled(t *trial) error {
	if err := t.busy(); err != nil {
		return err
	}
	for i := range t.kills {
		away := 2 * time.Second
		if t.opt.full && i == 0 {
			away = 20 * time.Second
		}
		t.between(0, time.Second)
		open := t.open()
		if err := t.Cluster.Kill9(); err != nil {
			return err
		}
		t.killed()
		if open > 0 {
			t.hit()
		}
		t.pause(away)
		if err := t.Cluster.Restart(t.ctx); err != nil {
			return err
		}
		t.reconnect()
		// The agent waits longer between its tries the longer the server is away, which
		// is why this time is not one of those after a kill of the agent.
		began := time.Now()
		if err := t.progress(livenessLimit); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		t.note("stored again %.1f s after PostgreSQL was back", took)
		if took > 10 {
			t.wrong("stored again only %.1f s after PostgreSQL was back, want 10", took)
		}
	}
	if code := t.agent.Says("plugin process ended"); code > 0 {
		t.wrong("a plugin ended when PostgreSQL was killed")
	}
	return nil
}

// answerLost cuts the connection when the server has said that a COMMIT is durable.
func answerLost(t *trial) error {
	var answers, cuts atomic.Int64
	_, err := t.ToDatabase.Watch(stage.Downstream, func(data []byte) stage.Action {
		if stage.AnswersCommit(data) && answers.Add(1)%5 == 0 {
			cuts.Add(1)
			return stage.Cut
		}
		return stage.Pass
	})
	if err != nil {
		return err
	}
	if err := t.busy(); err != nil {
		return err
	}
	return t.enough(&cuts, 40)
}

// enough waits until a fault has hit so often, or a minute on a slow machine, and counts
// the hits.
func (t *trial) enough(hits *atomic.Int64, wanted int64) error {
	err := t.until("faults", time.Minute, func() bool { return hits.Load() >= wanted })
	t.report.Hits = int(hits.Load())
	if err != nil && hits.Load() < wanted/8 {
		return errVoid("the fault hit only %d times in a minute", hits.Load())
	}
	return nil
}

// bodiesCut cuts the connections to S3 after k bytes, resets them and lets them stall.
func bodiesCut(t *trial) error {
	if err := t.feed(30, 40); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	if err := t.progress(livenessLimit); err != nil {
		return err
	}
	for k := 0; k < 997*14; k += 997 {
		remove, err := t.ToS3.Toxic("limit_data", stage.Downstream, map[string]any{"bytes": k})
		if err != nil {
			return err
		}
		t.pause(400 * time.Millisecond)
		remove()
	}
	for _, toxic := range []string{"reset_peer", "timeout"} {
		remove, err := t.ToS3.Toxic(toxic, stage.Downstream, map[string]any{"timeout": 50})
		if err != nil {
			return err
		}
		t.pause(6 * time.Second) // longer than the source itself tries to go on
		remove()
	}
	// A cut at an exact byte of every third body, however the connection is shared.
	var cut, gets atomic.Int64
	t.HookS3(func(w http.ResponseWriter, r *http.Request) bool {
		if !isGet(s3test.OperationOf(r)) || gets.Add(1)%3 != 0 {
			return false
		}
		cut.Add(1)
		t.S3.AnswerCut(w, r, gets.Load()*97%4000)
		return true
	})
	return t.enough(&cut, 60)
}

// lateKeys uploads objects whose keys sort before others that were read already: of the
// same minute, an hour, two days and eight days late.
func lateKeys(t *trial) error {
	now := time.Now()
	put := func(at time.Time, suffix string) error {
		o := t.Generator.Object(at, 10, usual)
		o.Key = oracle.Key(at, suffix)
		return t.Upload(o, 0)
	}
	for i := range 20 {
		if err := put(now, fmt.Sprintf("mmmmmmmmmmmmmm%02d", i)); err != nil {
			return err
		}
	}
	if err := t.start(); err != nil {
		return err
	}
	for i, late := range []time.Duration{0, 0, time.Hour, 47 * time.Hour, 8 * 24 * time.Hour, 300 * 24 * time.Hour} {
		if err := t.until("what came before is in the ledger", livenessLimit, func() bool { return t.done() >= t.Manifest.Objects() }); err != nil {
			return err
		}
		for n := range 10 {
			suffix := fmt.Sprintf("a%014d%d", i, n)
			if i == 1 {
				suffix = "z" + suffix[1:]
			}
			if err := put(now.Add(-late), suffix); err != nil {
				return err
			}
			t.hit()
		}
	}
	return nil
}

// repeatedNotices tells of each object five times, in no order, in part before the
// object is there for long.
func repeatedNotices(t *trial) error {
	if err := t.start(); err != nil {
		return err
	}
	for range 12 {
		var objects []oracle.Object
		for range 10 {
			o := t.Generator.Object(time.Now(), 20, usual)
			if err := t.Upload(o, 0); err != nil {
				return err
			}
			for range 5 {
				objects = append(objects, o)
			}
		}
		t.rnd.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		for _, o := range objects {
			t.Announce(o.Key, len(o.Body))
			t.hit()
		}
		t.between(0, 300*time.Millisecond)
	}
	err := t.until("the queue is empty", time.Minute, func() bool {
		q := t.SQS.State(stage.Queue)
		return q.Visible+q.Hidden == 0
	})
	if err != nil {
		t.wrong("%v", err)
	}
	if t.Deletes() == 0 {
		return errVoid("no message was deleted")
	}
	return nil
}

// malformedRecords mixes one bad record of each kind into objects of good ones.
func malformedRecords(t *trial) error {
	for _, bad := range badRecords(t.Generator) {
		var texts []string
		var issued []oracle.Issued
		for i := range 40 {
			text, good := t.Generator.Record(time.Now(), oracle.Kept)
			if i == 20 {
				texts, issued = append(texts, bad.text), append(issued, bad.issued)
			}
			texts, issued = append(texts, text), append(issued, good)
		}
		body := oracle.Gzip([]byte(`{"Records":[` + strings.Join(texts, ",") + `]}`))
		if err := t.Upload(t.Generator.Raw(time.Now(), body, issued...), 1); err != nil {
			return err
		}
		t.hit()
	}
	for _, bad := range badObjects(t.Generator) {
		if err := t.Upload(bad, 1); err != nil {
			return err
		}
		t.hit()
	}
	return t.start()
}
