package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A branch is a part of the bucket that is listed by itself.
type branch struct {
	prefix string
	// stream is what comes before YYYY/MM/DD/ in the keys of one account, category and
	// Region. It is empty for a branch whose keys are in no known order.
	stream string
}

const (
	// labelSlack is how far a listing begins before the time that is asked for: the time
	// in a key is that of delivery to within minutes, and the folder's day may be its
	// neighbour's.
	labelSlack = time.Hour
	// hotBack is how far back the hour in an object's name is gone by. Longer ranges
	// begin with a whole day, and find objects with other names too.
	hotBack = 6*time.Hour + labelSlack/2
)

// startAfter is the key that the branch's objects since a time come after, or empty.
// Midnight and the ends of months need no request of their own, for keys sort by time.
func (b branch) startAfter(since time.Time) string {
	if b.stream == "" || since.IsZero() {
		return ""
	}
	from := since.UTC().Add(-labelSlack)
	day := b.stream + from.Format("2006/01/02/")
	if time.Since(since) > hotBack {
		return day
	}
	k := cloudtrail.ParseKey(b.stream + "x")
	return day + k.Account + "_" + k.Category + "_" + k.Region + "_" + from.Format("20060102T15")
}

// leap is where a listing that has come to key may go on at once, because nothing that
// follows can matter: the rest of the folder of digests or of another service, and of
// days before or after r. It is empty if there is nothing to leap over.
func leap(key string, r sdk.TimeRange) string {
	k := cloudtrail.ParseKey(key)
	category := k.Account + "/" + k.Category + "/"
	i := strings.Index(key, category)
	if k.Category == "" || i < 0 {
		return ""
	}
	folder := key[:i+len(category)]
	if !cloudtrail.Readable(folder + "x.json") {
		return strings.TrimSuffix(folder, "/") + "0" // the character after the slash
	}
	stream := folder + k.Region + "/"
	if k.Day.IsZero() || !strings.HasPrefix(key, stream) {
		return ""
	}
	const slack = 48 * time.Hour // between the folder's day and the time in the name
	switch {
	case !r.Until.IsZero() && k.Day.After(r.Until.Add(slack)):
		return stream + ":" // the character after the digits
	case !r.Since.IsZero() && k.Day.Before(r.Since.Add(-slack)):
		return stream + r.Since.UTC().Add(-slack).Format("2006/01/02/")
	}
	return ""
}

// What a prefix names.
type site uint8

const (
	outside  site = iota // not, or not yet, CloudTrail's layout
	above                // a folder of the layout that leads to streams
	inStream             // a stream, or a part of one
	barren               // a folder of the layout that holds no events
)

var leadsToStreams = regexp.MustCompile(`(^|/)AWSLogs/(o-[^/]+/)?([0-9]{12}/)?$`)

// locate says what prefix names in the layout
//
//	[front/]AWSLogs/[o-…/]ACCOUNT/CATEGORY/REGION/YYYY/MM/DD/
//
// where front may hold an organization's ID too, as AWS Control Tower has it. A prefix
// that breaks off within a name is located by the folder that it lies in.
func locate(prefix string) (site, branch) {
	folder := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if leadsToStreams.MatchString(folder) {
		return above, branch{}
	}
	k := cloudtrail.ParseKey(folder + "x")
	switch {
	case k.Category == "":
		return outside, branch{}
	case !cloudtrail.Readable(folder + "x.json"):
		return barren, branch{}
	case k.Region == "":
		return above, branch{}
	case !strings.ContainsFunc(k.Region, unicode.IsLetter):
		return outside, branch{} // a year: somebody has left the Region out
	}
	below := k.Account + "/" + k.Category + "/" + k.Region + "/"
	return inStream, branch{prefix: prefix, stream: folder[:strings.Index(folder, below)+len(below)]}
}

// layout remembers where the streams of the bucket are. It saves requests and nothing
// else: what it does not know is found by the next search, or by a full listing.
type layout struct {
	turn    chan struct{} // of the one who reads or changes what follows
	streams map[string]branch
	others  []branch // what is listed whole
	// search is the latest one, which may still be under way.
	search *search
}

func newLayout() *layout {
	return &layout{turn: make(chan struct{}, 1), streams: make(map[string]branch)}
}

// searchEvery is from the start of one search to that of the next. One takes no more
// than a few polls, so that a new account or Region is noticed within the hour.
const searchEvery = 30 * time.Minute

// allowance is how many requests of a search one poll may carry, so that a poll costs at
// most a tenth more than its streams do. Where there are few of them nobody minds.
func allowance(streams int) int {
	if streams < 40 {
		return 16
	}
	return streams / 12
}

// branches are those to list. Now and then it searches for new ones, the first time at
// once, later a few folders at each poll; objects that lie beside the folders on the way
// are collected then. A stream is never forgotten.
func (l *layout) branches(ctx context.Context, s *Source, r sdk.TimeRange, c *collector) ([]branch, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.search == nil || l.search.over && time.Since(l.search.began) >= searchEvery {
		l.search = newSearch(s)
	}
	err := l.proceed(ctx, r, c)
	if err != nil && !sdk.IsDenied(err) {
		return nil, err
	}
	all := slices.SortedFunc(maps.Values(l.streams), func(a, b branch) int { return strings.Compare(a.prefix, b.prefix) })
	return append(all, l.others...), err
}

// proceed carries the search on, and takes over what it found once it has seen all. What
// is denied is asked for again at each poll.
func (l *layout) proceed(ctx context.Context, r sdk.TimeRange, c *collector) error {
	w := l.search
	if w.over && len(w.denied) == 0 {
		return nil
	}
	w.allowed = math.MaxInt
	if known := len(l.streams); known > 0 {
		w.allowed = allowance(known)
	}
	found, err := w.run(ctx, r)
	switch {
	case errors.Is(err, errPaused):
		return nil
	case err != nil && !sdk.IsDenied(err):
		return err
	}
	w.over = true
	if err == nil {
		w.opened = nil
	}
	l.others = l.others[:0]
	for _, b := range found.branches {
		if b.stream == "" {
			l.others = append(l.others, b)
		} else {
			l.streams[b.prefix] = b
		}
	}
	return errors.Join(c.add(found.loose), err)
}

// A search follows the folders from the prefixes down to the streams. It may be paused
// and run again: what it has opened it remembers.
type search struct {
	source *Source
	began  time.Time
	over   bool // it has seen everything but what was denied
	// budget is how many more requests may go to folders outside of the layout: a
	// bucket may hold anything, in any number of folders.
	budget  int
	allowed int // requests, until it is paused
	opened  map[string]folder
	denied  []error
}

// A folder is what was found directly below a prefix.
type folder struct {
	folders []string
	loose   []sdk.Split
	tooWide bool
}

func newSearch(s *Source) *search {
	return &search{source: s, began: time.Now(), budget: searchBudget, opened: make(map[string]folder)}
}

const (
	searchBudget = 200
	// maxLoose is how many objects a folder on the way may have of its own.
	maxLoose = 1000
)

// An area is what a search finds below a prefix.
type area struct {
	branches []branch
	loose    []sdk.Split // objects beside the folders that lead to branches
}

func whole(prefix string) area { return area{branches: []branch{{prefix: prefix}}} }

func (a area) hasStreams() bool {
	return slices.ContainsFunc(a.branches, func(b branch) bool { return b.stream != "" })
}

// run finds the streams below the prefixes. A prefix, or a folder outside of the
// layout, that has none is listed whole. It returns errPaused if it has to be run again.
func (w *search) run(ctx context.Context, r sdk.TimeRange) (area, error) {
	w.denied = nil
	var all area
	for _, prefix := range w.source.settings.prefixes() {
		denied := len(w.denied)
		a, err := w.visit(ctx, prefix, r)
		if err != nil {
			return area{}, err
		}
		if site, _ := locate(prefix); site == above && !a.hasStreams() && len(w.denied) == denied {
			a = whole(prefix)
		}
		all.branches = append(all.branches, a.branches...)
		all.loose = append(all.loose, a.loose...)
	}
	return all, errors.Join(w.denied...)
}

func (w *search) visit(ctx context.Context, prefix string, r sdk.TimeRange) (area, error) {
	site, b := locate(prefix)
	switch site {
	case inStream:
		return area{branches: []branch{b}}, nil
	case barren:
		return area{}, nil
	case above, outside:
	}
	here, err := w.open(ctx, prefix, site, r)
	switch {
	case sdk.IsDenied(err):
		w.denied = append(w.denied, err)
		return area{}, nil
	case err != nil:
		return area{}, err
	case here.tooWide:
		return whole(prefix), nil
	}
	a := area{loose: here.loose}
	for _, prefix := range here.folders {
		below, err := w.visit(ctx, prefix, r)
		if err != nil {
			return area{}, err
		}
		a.branches = append(a.branches, below.branches...)
		a.loose = append(a.loose, below.loose...)
	}
	if site == outside && !a.hasStreams() {
		return whole(prefix), nil
	}
	return a, nil
}

// errPaused ends a search for now.
var errPaused = errors.New("the search goes on at the next poll")

// open returns the folders and the objects directly below prefix. One that has too much
// is rather listed whole.
func (w *search) open(ctx context.Context, prefix string, at site, r sdk.TimeRange) (folder, error) {
	if known, ok := w.opened[prefix]; ok {
		return known, nil
	}
	s := w.source
	in := s.listInput(prefix)
	in.Delimiter = aws.String("/")
	if w.allowed <= 0 {
		return folder{}, errPaused
	}
	var here folder
	for objects := 0; ; {
		switch {
		case at == outside && w.budget == 0, objects > maxLoose:
			w.opened[prefix] = folder{tooWide: true}
			return w.opened[prefix], nil
		case at == outside:
			w.budget--
		default:
		}
		w.allowed--
		out, err := s.lister.ListObjectsV2(ctx, in)
		if err != nil {
			return folder{}, fmt.Errorf("list folders of s3://%s/%s: %w", s.settings.Bucket, prefix, s.classify(ctx, err, "s3:ListBucket"))
		}
		page, _ := s.splits(out, r) // what cannot be recorded is the full listing's to report
		here.loose = append(here.loose, page...)
		for _, p := range out.CommonPrefixes {
			here.folders = append(here.folders, plainKey(p.Prefix, out.EncodingType))
		}
		objects += len(out.Contents)
		if !aws.ToBool(out.IsTruncated) {
			if objects > maxLoose {
				here = folder{tooWide: true}
			}
			w.opened[prefix] = here
			return here, nil
		}
		if err := advance(in, out, r); err != nil {
			return folder{}, fmt.Errorf("list folders of s3://%s/%s: %w", s.settings.Bucket, prefix, err)
		}
	}
}
