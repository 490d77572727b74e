package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The layout of a bbolt file, version 2: pages of one size, each with a header, of which
// the first two are meta pages that take turns. The agent runs on little-endian machines.
const (
	pageHeader = 16 // id uint64, flags uint16, count uint16, overflow uint32
	element    = 16 // branch: pos, ksize uint32, page uint64; leaf: flags, pos, ksize, vsize uint32

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10

	bucketElement = 0x01 // flag of a leaf's element whose value starts with a bucket's root page

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 56 // without its checksum
)

// verify reads a whole file and reports damage. bbolt trusts the pages that its meta
// page leads to: a single wrong bit could make it write over live pages or, where pages
// lead in a circle, exhaust the stack, which no recover can catch. A file whose meta
// pages are both wrong is left for bbolt to refuse.
func verify(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	m, ok := readMeta(file)
	if !ok {
		return nil
	}
	if m.pages > uint64(fi.Size())/m.pageSize {
		return damaged("it has %d bytes, of %d pages of %d", fi.Size(), m.pages, m.pageSize)
	}
	w := &walk{file: file, meta: m, seen: map[uint64]bool{0: true, 1: true}}
	if err := w.page(m.root, &order{}); err != nil {
		return err
	}
	return w.freelist()
}

// A meta is what the newest meta page says.
type meta struct {
	pageSize, root, freelist, pages, transaction uint64
}

// readMeta returns the newest meta page that is in order.
func readMeta(file io.ReaderAt) (newest meta, ok bool) {
	page := make([]byte, pageHeader+metaSize+8)
	// The second one lies behind the first by a page size that only they tell; the sizes
	// are those that bbolt tries.
	for _, at := range []int64{0, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		if _, err := file.ReadAt(page, at); err != nil {
			continue
		}
		b := page[pageHeader:]
		sum := fnv.New64a()
		sum.Write(b[:metaSize])
		if u32(b, 0) != boltMagic || u32(b, 4) != boltVersion || u64(b, metaSize) != sum.Sum64() {
			continue
		}
		m := meta{pageSize: uint64(u32(b, 8)), root: u64(b, 16), freelist: u64(b, 32), pages: u64(b, 40), transaction: u64(b, 48)}
		if m.pageSize >= 1<<10 && (at == 0 || uint64(at) == m.pageSize) && (!ok || m.transaction > newest.transaction) {
			newest, ok = m, true
		}
	}
	return newest, ok
}

// A walk visits every page that a meta page leads to, each once.
type walk struct {
	file io.ReaderAt
	meta meta
	seen map[uint64]bool
}

// read returns a page with those it flows over into.
func (w *walk) read(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.pages {
		return nil, damaged("page %d of %d", id, w.meta.pages)
	}
	header := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(header, int64(id*w.meta.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	n := uint64(u32(header, 12)) + 1
	if u64(header, 0) != id || n > w.meta.pages-id {
		return nil, damaged("page %d says that it is page %d, of %d", id, u64(header, 0), n)
	}
	for i := id; i < id+n; i++ {
		if w.seen[i] {
			return nil, damaged("two ways lead to page %d", i)
		}
		w.seen[i] = true
	}
	page := make([]byte, n*w.meta.pageSize)
	if _, err := w.file.ReadAt(page, int64(id*w.meta.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return page, nil
}

// An order is the keys of one table on the way through its pages. A search finds only
// what is in its place, and bbolt replaces a page in the branch above by its first key.
type order struct {
	last  []byte // key of a leaf
	first []byte // what the branch above says the next key is; nil if it says nothing
}

func (o *order) next(key []byte) error {
	if o.last != nil && bytes.Compare(key, o.last) <= 0 || o.first != nil && !bytes.Equal(key, o.first) {
		return damaged("a key is out of order")
	}
	o.first = nil
	return nil
}

// page visits a branch or leaf page of a table and all that it leads to.
func (w *walk) page(id uint64, o *order) error {
	page, err := w.read(id)
	if err != nil {
		return err
	}
	switch u16(page, 8) {
	case branchPage:
		return w.branch(page, o)
	case leafPage:
		return w.leaf(page, o)
	}
	return damaged("page %d is of kind %#x", id, u16(page, 8))
}

// elements is the number of a page's elements, if there is room for them.
func elements(page []byte) (int, error) {
	n := int(u16(page, 10))
	if pageHeader+n*element > len(page) {
		return 0, damaged("a page of %d bytes has %d elements", len(page), n)
	}
	return n, nil
}

func (w *walk) branch(page []byte, o *order) error {
	n, err := elements(page)
	if err != nil {
		return err
	}
	for i := range n {
		at := pageHeader + i*element
		key, ok := cut(page, at, uint64(u32(page, at)), u32(page, at+4))
		if !ok {
			return damaged("a key lies outside of its page")
		}
		if err := o.next(key); err != nil {
			return err
		}
		o.first = key
		if err := w.page(u64(page, at+8), o); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(page []byte, o *order) error {
	n, err := elements(page)
	if err != nil {
		return err
	}
	for i := range n {
		at := pageHeader + i*element
		pos, ksize := uint64(u32(page, at+4)), u32(page, at+8)
		key, ok := cut(page, at, pos, ksize)
		value, fits := cut(page, at, pos+uint64(ksize), u32(page, at+12))
		if !ok || !fits {
			return damaged("an entry lies outside of its page")
		}
		if err := o.next(key); err != nil {
			return err
		}
		o.last = key
		if u32(page, at)&bucketElement != 0 {
			if err := w.table(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// table visits the pages of a table. A small one lies within its value, as a page of
// its own.
func (w *walk) table(value []byte) error {
	if len(value) < 16 {
		return damaged("a table of %d bytes", len(value))
	}
	if root := u64(value, 0); root != 0 {
		return w.page(root, &order{})
	}
	inline := value[16:]
	if len(inline) < pageHeader || u16(inline, 8) != leafPage {
		return damaged("a small table of %d bytes", len(inline))
	}
	return w.leaf(inline, &order{})
}

// cut returns size bytes at an offset from an element, if they lie within its page.
func cut(page []byte, element int, offset uint64, size uint32) (_ []byte, ok bool) {
	from := uint64(element) + offset
	if from+uint64(size) > uint64(len(page)) {
		return nil, false
	}
	return page[from : from+uint64(size)], true
}

// freelist checks that no page that is in use is listed as free.
func (w *walk) freelist() error {
	page, err := w.read(w.meta.freelist)
	if err != nil {
		return err
	}
	if u16(page, 8) != freelistPage {
		return damaged("page %d is no list of free pages", w.meta.freelist)
	}
	count, at := uint64(u16(page, 10)), pageHeader
	if count == 0xFFFF { // more than fit into the header's field
		count, at = u64(page, at), at+8
	}
	if count > uint64(len(page)-at)/8 {
		return damaged("a list of %d free pages", count)
	}
	for i := range count {
		id := u64(page, at+int(i)*8)
		if id < 2 || id >= w.meta.pages || w.seen[id] {
			return damaged("page %d is listed as free", id)
		}
		w.seen[id] = true
	}
	return nil
}

func u16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
