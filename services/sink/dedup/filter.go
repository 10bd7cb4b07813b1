package dedup

import "math/bits"

const (
	// bitsPerID of a full filter. With eight bits set in one line of 64 bytes it answers "perhaps" to about one
	// in two hundred ids that it does not have.
	bitsPerID = 12
	// lineBits are read with one access to memory.
	lineBits = 512
	// leastIDs is the room of a filter that is the first of its kind.
	leastIDs = 1 << 10
)

// line has one bit in each word for each of its ids.
type line [lineBits / 64]uint64

// filter is a Bloom filter in lines.
type filter struct {
	lines []line
	// ids were added, of room.
	ids, room int
}

func newFilter(room int) filter {
	return filter{lines: make([]line, (room*bitsPerID+lineBits-1)/lineBits), room: room}
}

func (f *filter) bytes() int64 { return int64(len(f.lines)) * (lineBits / 8) }

// place answers the line of a hash, and the numbers of its bits in the line's words, six bits each.
func (f *filter) place(hash uint64) (l *line, places uint64) {
	at, _ := bits.Mul64(hash, uint64(len(f.lines)))
	// The line is taken from the upper bits; the multiplication brings the lower ones up.
	return &f.lines[at], (hash * 0x9E3779B97F4A7C15) >> 16
}

func (f *filter) has(hash uint64) bool {
	l, places := f.place(hash)
	all := uint64(1)
	for i := range l {
		all &= l[i] >> (places >> (6 * i) & 63)
	}
	return all == 1
}

func (f *filter) add(hash uint64) {
	l, places := f.place(hash)
	for i := range l {
		l[i] |= 1 << (places >> (6 * i) & 63)
	}
	f.ids++
}

// hours are the filters of the ids of one bucket of time: when one is full, one of twice the room follows.
type hours struct {
	number  int32
	filters []filter
}

// newHours makes room for as many ids as the bucket before has, and some more.
func newHours(number int32, before int) *hours {
	return &hours{number: number, filters: []filter{newFilter(max(leastIDs, before+before/8))}}
}

func (h *hours) ids() (count int) {
	for i := range h.filters {
		count += h.filters[i].ids
	}
	return count
}

func (h *hours) bytes() (count int64) {
	for i := range h.filters {
		count += h.filters[i].bytes()
	}
	return count
}

func (h *hours) has(hash uint64) bool {
	for i := range h.filters {
		if h.filters[i].has(hash) {
			return true
		}
	}
	return false
}

// add answers by how many bytes the filters grew.
func (h *hours) add(hash uint64) (grown int64) {
	last := &h.filters[len(h.filters)-1]
	if last.ids >= last.room {
		h.filters = append(h.filters, newFilter(2*last.room))
		last = &h.filters[len(h.filters)-1]
		grown = last.bytes()
	}
	last.add(hash)
	return grown
}
