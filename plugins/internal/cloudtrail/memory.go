package cloudtrail

import "github.com/s-developer-team-inu/inu-logsmith/sdk"

// memory is what the pages of a file lie in: the text of their records, and the events. It is
// used again for the next page, and for the next file.
type memory struct {
	page    []sdk.Event
	emitted int // pages
	blocks  []block
}

// A block holds text that was read at once.
type block struct {
	text  []byte
	until int // free when so many pages are emitted
}

const inUse = 1 << 62 // pages: it is being read into, or out of

// What of a file's memory is kept for the next one: as much as a page of usual records needs.
const (
	mostBlocks   = 4
	largestBlock = largestWindow + largestWindow/4
)

// take returns the number of a block with room for so many bytes, in which there is nothing.
// A free one that is too small makes way for it, and so does one that was made for a huge
// record, so that there are no more blocks than are in use at a time.
func (m *memory) take(room int) int {
	free := -1
	for i := range m.blocks {
		b := &m.blocks[i]
		if b.until > m.emitted {
			continue
		}
		free = i
		if cap(b.text) >= room && cap(b.text) <= largestBlock {
			b.text, b.until = b.text[:0], inUse
			return i
		}
	}
	// A little more, so that the next time a longer rest fits as well.
	made := block{make([]byte, 0, room+room/8), inUse}
	if free < 0 {
		m.blocks = append(m.blocks, made)
		return len(m.blocks) - 1
	}
	m.blocks[free] = made
	return free
}

// leave says that no more records will be found in a block. Those that were, if any, are in
// pages that have been emitted, or in the one that is next.
func (m *memory) leave(number int, any bool) {
	b := &m.blocks[number]
	b.until = m.emitted
	if any {
		b.until++
	}
}

// reset ends the use for one file.
func (m *memory) reset() {
	clear(m.page[:cap(m.page)]) // of the texts that it names
	m.page, m.emitted = m.page[:0], 0
	kept := m.blocks[:0]
	for _, b := range m.blocks {
		if len(kept) < mostBlocks && cap(b.text) <= largestBlock {
			kept = append(kept, block{text: b.text})
		}
	}
	clear(m.blocks[len(kept):])
	m.blocks = kept
}
