package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// take reads one message and takes it in hand if it announces anything. It returns the
// splits that are new.
func (n *notified) take(ctx context.Context, m message, redrives bool) []sdk.Split {
	pointers, then, err := n.read(ctx, m, redrives)
	if err != nil {
		n.tally.count(ctx, slog.LevelWarn, "object that cannot be asked for its version; it goes back for a while", "err", err)
		n.end(m, giveBack)
		return nil
	}
	if len(pointers) == 0 {
		n.end(m, then)
		return nil
	}
	if !n.leases.hold(m, pointers, then, time.Now()) {
		return nil
	}
	var splits []sdk.Split
	for _, p := range pointers {
		splits = append(splits, p.split)
	}
	return splits
}

// read returns what a message announces, and what becomes of it when that is settled.
// An error says that this cannot be told yet.
func (n *notified) read(ctx context.Context, m message, redrives bool) (pointers []pointer, then ending, err error) {
	told, unreadable := parseNotice(m.body)
	for _, a := range told.asides {
		level := slog.LevelInfo
		if a == subscription || a == foreign {
			level = slog.LevelWarn
		}
		n.tally.count(ctx, level, string(a))
	}
	for _, o := range told.objects {
		if !n.configured(o) {
			n.tally.count(ctx, slog.LevelWarn, "object in a bucket or below a prefix that is not configured; it is left in the queue", "bucket", o.bucket, "key", o.key)
			then = max(then, leave)
			continue
		}
		if why := pointless(o); why != "" {
			n.tally.count(ctx, slog.LevelInfo, why, "key", o.key)
			continue
		}
		p, err := n.point(ctx, o)
		switch {
		case err == nil:
			if !slices.ContainsFunc(pointers, func(x pointer) bool { return x.split.ID == p.split.ID }) {
				pointers = append(pointers, p)
			}
		case sdk.IsInvalid(err), sdk.IsGone(err) && !mayAppear(m):
			unreadable = errors.Join(unreadable, err)
		default:
			return nil, 0, err
		}
	}
	switch {
	case unreadable == nil:
	case redrives:
		n.tally.count(ctx, slog.LevelWarn, "text that cannot be understood; it is left to the queue's redrive policy", "message", m.id, "err", unreadable)
		then = giveBack
	default:
		n.tally.count(ctx, slog.LevelWarn, "text that cannot be understood; it goes to quarantine", "message", m.id, "err", unreadable)
		pointers = append(pointers, pointer{
			split:  sdk.Split{ID: n.messagePrefix() + m.id, Bytes: int64(len(m.body))},
			reason: "message of queue " + n.queue.name + ": " + unreadable.Error(),
		})
	}
	return pointers, then, nil
}

// configured reports whether the settings name the object. Only then is it asked for:
// whoever can write to the queue could name any object of anybody.
func (n *notified) configured(o object) bool {
	return o.bucket == n.settings.Bucket && slices.ContainsFunc(n.settings.prefixes(), func(prefix string) bool {
		return strings.HasPrefix(o.key, prefix)
	})
}

// pointless says why there is nothing to read in an object, or "".
func pointless(o object) string {
	switch {
	case !o.created:
		return "event about an object that was there before"
	case strings.HasSuffix(o.key, ".parquet"):
		return "object in Parquet, as Security Lake writes it; read the trail's own bucket instead"
	case !cloudtrail.Readable(o.key):
		return "object that is no log of CloudTrail"
	}
	return ""
}

// missingFor is how long an object may be missing after it was announced: a message may
// arrive before a copy of the object does.
const missingFor = 5 * time.Minute

func mayAppear(m message) bool { return time.Since(m.sent) < missingFor }

// point makes a split of an object, the same that a listing finds. An error that is
// [sdk.Invalid] says that it can be none.
func (n *notified) point(ctx context.Context, o object) (pointer, error) {
	// Servers and proxies that tidy up paths would make another key of this one.
	for part := range strings.SplitSeq(o.key, "/") {
		if part == "." || part == ".." {
			return pointer{}, sdk.Invalid(fmt.Errorf("key %s leads elsewhere", quote(o.key)))
		}
	}
	if !cloudtrail.Recordable(o.key) {
		return pointer{}, sdk.Invalid(fmt.Errorf("key %s is not a text that can be recorded", quote(o.key)))
	}
	if !validETag(o.etag) {
		var err error
		if o, err = n.head(ctx, o); err != nil {
			return pointer{}, err
		}
	}
	label := cloudtrail.ParseKey(o.key).Time()
	at := label
	if at.IsZero() {
		at = o.at
	}
	return pointer{
		split:   sdk.Split{ID: n.splitID(o.key, o.etag), Time: at, Bytes: o.bytes, Pass: passOf(label, o.at)},
		version: o.version,
	}, nil
}

// validETag reports whether a text can be an ETag and part of a split's ID.
func validETag(etag string) bool {
	return etag != "" && len(etag) <= 200 && !strings.ContainsFunc(etag, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '@' || r == '/' || r == '"'
	})
}

// A tally counts messages that announce nothing to read, by what they are about.
type tally struct {
	mu     sync.Mutex
	counts map[string]int64
}

func newTally() *tally { return &tally{counts: make(map[string]int64)} }

// count counts, and logs the first, tenth, hundredth … of each kind.
func (t *tally) count(ctx context.Context, level slog.Level, what string, args ...any) {
	t.mu.Lock()
	t.counts[what]++
	n := t.counts[what]
	t.mu.Unlock()
	for loud := int64(1); loud <= n; loud *= 10 {
		if loud == n {
			slog.Log(ctx, level, "message of the queue", append([]any{"what", what, "count", n}, args...)...)
		}
	}
}
