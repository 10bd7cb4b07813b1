package jsonindex

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// pairwise is how many keys are compared each with each; more go through a table.
const pairwise = 8

// refuseDuplicates looks for two equal keys in the object that has just closed. The hash is keyed with
// a secret of the process, so that nobody can make keys that meet in one slot.
func (p *parser) refuseDuplicates(object frame) {
	end := p.nodes[object.node].next
	if object.keys <= pairwise {
		for a := object.node + 1; a < end; a = p.nodes[a+1].next {
			first := &p.nodes[a]
			for b := p.nodes[a+1].next; b < end; b = p.nodes[b+1].next {
				second := &p.nodes[b]
				if second.end-second.start != first.end-first.start && (first.flags|second.flags)&flagEscaped == 0 {
					continue // of different length: most pairs end here
				}
				if p.sameKey(a, b) {
					p.fault(DuplicateKey, int(p.nodes[b].start))
					return
				}
			}
		}
		return
	}
	size := 1 << bits.Len32(object.keys*2)
	if cap(p.seen) < size {
		p.seen = make([]uint64, size)
	}
	seen := p.seen[:size]
	clear(seen)
	for k := object.node + 1; k < end; k = p.nodes[k+1].next {
		hash := maphash.Bytes(seed, p.keyBytes(k))
		// A slot holds the upper half of the hash and the node; node 0 is the root, never a key.
		slot := hash & uint64(size-1)
		for ; seen[slot] != 0; slot = (slot + 1) & uint64(size-1) {
			if seen[slot]>>32 == hash>>32 && p.sameKey(uint32(seen[slot]), k) {
				p.fault(DuplicateKey, int(p.nodes[k].start))
				return
			}
		}
		seen[slot] = hash>>32<<32 | uint64(k)
	}
}

func (p *parser) sameKey(a, b uint32) bool {
	na, nb := &p.nodes[a], &p.nodes[b]
	if (na.flags|nb.flags)&flagEscaped == 0 {
		return na.end-na.start == nb.end-nb.start && string(p.text[na.start:na.end]) == string(p.text[nb.start:nb.end])
	}
	first := bytes.Clone(p.keyBytes(a))
	return bytes.Equal(first, p.keyBytes(b))
}

// keyBytes is a key without quotes and escapes, valid until the next call.
func (p *parser) keyBytes(key uint32) []byte {
	n := &p.nodes[key]
	raw := p.text[n.start+1 : n.end-1]
	if n.flags&flagEscaped == 0 {
		return raw
	}
	p.scratch = appendUnescaped(p.scratch[:0], raw)
	return p.scratch
}
