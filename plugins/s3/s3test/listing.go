package s3test

import (
	"sort"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// backend is s3mem's with listings by delimiter that can be paged: gofakes3 v1.2.0
// takes the last key it saw for the marker, and lists a common prefix again on the
// next page.
type backend struct{ *s3mem.Backend }

// ListBucket answers with keys and common prefixes in one order, both counted, as
// S3 does.
func (b backend) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix == nil || !prefix.HasDelimiter {
		return b.Backend.ListBucket(name, prefix, page)
	}
	all, err := b.Backend.ListBucket(name, prefix, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, err
	}
	type entry struct {
		name    string
		content *gofakes3.Content // nil for a common prefix
	}
	var entries []entry
	for _, c := range all.Contents {
		entries = append(entries, entry{c.Key, c})
	}
	for _, p := range all.CommonPrefixes {
		entries = append(entries, entry{p.Prefix, nil})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].name < entries[j].name })
	after := sort.Search(len(entries), func(i int) bool { return entries[i].name > page.Marker })
	list := gofakes3.NewObjectList()
	for i, e := range entries[after:] {
		if page.MaxKeys > 0 && int64(i) == page.MaxKeys {
			list.IsTruncated = true
			break
		}
		list.NextMarker = e.name
		if e.content != nil {
			list.Add(e.content)
		} else {
			list.AddPrefix(e.name)
		}
	}
	return list, nil
}
