package pipeline

import "sync"

// slabs has memory for the bytes of records, from when they are read until every sink has
// them. It is used again, or the collector would have to find all of it that ever passes. What is
// not needed for a while, as when a backfill is over, the collector takes from the pools.
// The zero value is ready.
type slabs struct {
	bySize [1 + mostSlab/slabStep]sync.Pool
}

// Slabs that are used again come in multiples of slabStep, so that a fifth of one is unused at
// most. Smaller ones are left to the collector, as most files are small; so are larger ones: a
// built-in source's pages have 256 KiB, unless a record is huge.
const (
	slabStep  = 16 << 10
	leastSlab = 64 << 10
	mostSlab  = 512 << 10
)

// A slab is a piece of memory that belongs to one piece of a split.
type slab struct{ used []byte }

// take returns a slab with room for so many bytes, which is given back or left to the collector.
func (s *slabs) take(bytes int) *slab {
	if bytes < leastSlab || bytes > mostSlab {
		return &slab{make([]byte, 0, bytes)}
	}
	n := (bytes + slabStep - 1) / slabStep
	if b, ok := s.bySize[n].Get().(*slab); ok {
		return b
	}
	return &slab{make([]byte, 0, n*slabStep)}
}

// give takes back what take returned. Nobody may look at what was copied into it any more.
func (s *slabs) give(b *slab) {
	b.used = b.used[:0]
	if size := cap(b.used); size >= leastSlab && size <= mostSlab {
		s.bySize[size/slabStep].Put(b)
	}
}

// has reports whether so many bytes fit.
func (b *slab) has(bytes int) bool { return cap(b.used)-len(b.used) >= bytes }

// copy copies bytes, for which there must be room.
func (b *slab) copy(bytes []byte) []byte {
	if len(bytes) == 0 {
		return nil
	}
	start := len(b.used)
	b.used = append(b.used, bytes...)
	return b.used[start:len(b.used):len(b.used)]
}
