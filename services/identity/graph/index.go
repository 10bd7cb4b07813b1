package graph

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// table is a slice that grows without copying what it has, except for the first page: nobody waits while
// millions of nodes move, and nothing is kept in reserve for a graph twice as large. What at answers is valid
// until the next add.
type table[T any] struct {
	pages [][]T
	size  uint32
	free  []uint32
}

const pageBits = 12

func (t *table[T]) at(i uint32) *T { return &t.pages[i>>pageBits][i&(1<<pageBits-1)] }

// add stores v under a number that nothing else has.
func (t *table[T]) add(v T) uint32 {
	if last := len(t.free) - 1; last >= 0 {
		i := t.free[last]
		t.free = t.free[:last]
		*t.at(i) = v
		return i
	}
	i := t.size
	t.size++
	switch page := int(i >> pageBits); {
	case page == len(t.pages) && page == 0:
		t.pages = append(t.pages, make([]T, 0, 8))
	case page == len(t.pages):
		t.pages = append(t.pages, make([]T, 0, 1<<pageBits))
	}
	page := &t.pages[i>>pageBits]
	*page = append(*page, v)
	return i
}

// drop gives a number back.
func (t *table[T]) drop(i uint32) { t.free = append(t.free, i) }

// index finds the number of a node. Ids are hashes, so it is an open-addressing table, 8 bytes an entry, in
// shards by their first byte: growing one holds nobody up for long, and the shards in order are the ids in order.
type index struct {
	shards [256]shard
}

// shard has in each used slot the upper half of a hash and, in the lower half, the number plus one.
type shard struct {
	slots []uint64
	used  int
}

const (
	fewest = 4
	// A shard is filled to loadOf/loadIn.
	loadOf, loadIn = 3, 4
)

// fingerprint spreads ids that are no hashes, too.
func fingerprint(id uuid.UUID) uint32 {
	x := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])*0x9e3779b97f4a7c15
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return uint32(x >> 32)
}

func (x *index) find(id uuid.UUID, nodes *table[node]) (uint32, bool) {
	s := &x.shards[id[0]]
	if s.used == 0 {
		return none, false
	}
	hash := fingerprint(id)
	last := uint32(len(s.slots) - 1)
	for slot := hash & last; s.slots[slot] != 0; slot = (slot + 1) & last {
		if n := uint32(s.slots[slot]) - 1; uint32(s.slots[slot]>>32) == hash && nodes.at(n).id == id {
			return n, true
		}
	}
	return none, false
}

func (x *index) add(id uuid.UUID, n uint32) {
	s := &x.shards[id[0]]
	if (s.used+1)*loadIn > len(s.slots)*loadOf {
		old := s.slots
		s.slots = make([]uint64, max(fewest, 2*len(old)))
		for _, entry := range old {
			if entry != 0 {
				s.put(entry)
			}
		}
	}
	s.put(uint64(fingerprint(id))<<32 | uint64(n+1))
	s.used++
}

func (s *shard) put(entry uint64) {
	last := uint32(len(s.slots) - 1)
	slot := uint32(entry>>32) & last
	for s.slots[slot] != 0 {
		slot = (slot + 1) & last
	}
	s.slots[slot] = entry
}

// remove takes the entry out and moves those behind it up, so that no search ends before it should.
func (x *index) remove(id uuid.UUID, n uint32) {
	s := &x.shards[id[0]]
	last := uint32(len(s.slots) - 1)
	slot := fingerprint(id) & last
	for uint32(s.slots[slot]) != n+1 {
		slot = (slot + 1) & last
	}
	for next := (slot + 1) & last; s.slots[next] != 0; next = (next + 1) & last {
		home := uint32(s.slots[next]>>32) & last
		if (next-home)&last >= (next-slot)&last {
			s.slots[slot] = s.slots[next]
			slot = next
		}
	}
	s.slots[slot] = 0
	s.used--
}
