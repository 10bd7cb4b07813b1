package attributes

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/google/uuid"
)

// filter says of most nodes of which nothing is known that this is so, in two touches of memory at most. It never says it of another. It is
// safe for concurrent use.
type filter struct {
	blocks []block
}

// block is one line of a processor's cache.
type block [8]uint64

// probes are the bits of a node in its block; each takes nine bits of a hash of 64.
const probes = 7

func newFilter(bytes int) *filter {
	return &filter{blocks: make([]block, max(bytes/64, 1))}
}

// spread mixes nodes, which are hashes already, but for those that somebody made up.
func spread(node uuid.UUID) (place, bit uint64) {
	a, b := binary.LittleEndian.Uint64(node[:8]), binary.LittleEndian.Uint64(node[8:])
	high, low := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	return (a ^ high) * 0xff51afd7ed558ccd, (b ^ low ^ high) * 0xc4ceb9fe1a85ec53
}

func (f *filter) blockOf(place uint64) *block {
	index, _ := bits.Mul64(place, uint64(len(f.blocks)))
	return &f.blocks[index]
}

func (f *filter) add(node uuid.UUID) {
	place, bit := spread(node)
	b := f.blockOf(place)
	for range probes {
		atomic.OrUint64(&b[bit>>6&7], 1<<(bit&63))
		bit >>= 9
	}
}

func (f *filter) has(node uuid.UUID) bool {
	place, bit := spread(node)
	b := f.blockOf(place)
	for range probes {
		if atomic.LoadUint64(&b[bit>>6&7])&(1<<(bit&63)) == 0 {
			return false
		}
		bit >>= 9
	}
	return true
}
