package graph

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// The sums add a hash of everything that is in the graph, so they depend on no order, and carrying them on
// costs two hashes for each thing that changes. Rulings and suppressed nodes count as evidence. Each kind of
// thing starts its hash with a byte of its own.
const (
	sumNode = iota + 1
	sumPair
	sumCut
	sumVerdict
	sumSuppress
)

func nodeSum(id, canonical uuid.UUID, isShared bool) uint64 {
	var b [34]byte
	b[0] = sumNode
	copy(b[1:], id[:])
	copy(b[17:], canonical[:])
	if isShared {
		b[33] = 1
	}
	return xxhash.Sum64(b[:])
}

func (g *Graph) pairSum(p uint32) uint64 {
	at := g.pairs.at(p)
	var b [57]byte
	b[0] = sumPair
	copy(b[1:], g.nodes.at(at.a).id[:])
	copy(b[17:], g.nodes.at(at.b).id[:])
	binary.BigEndian.PutUint64(b[33:], uint64(at.facts()&said))
	binary.BigEndian.PutUint64(b[41:], g.types.list[at.typeA].hash)
	binary.BigEndian.PutUint64(b[49:], g.types.list[at.typeB].hash)
	return xxhash.Sum64(b[:])
}

func cutSum(c *evidence.Cut) uint64 {
	var b [33]byte
	b[0] = sumCut
	copy(b[1:], c.A[:])
	copy(b[17:], c.B[:])
	return xxhash.Sum64(b[:])
}

func verdictSum(v *evidence.Verdict) uint64 {
	var b [18]byte
	b[0] = sumVerdict
	copy(b[1:], v.Node[:])
	b[17] = byte(v.Ruling)
	return xxhash.Sum64(b[:])
}

func suppressSum(key evidence.SuppressionKey, at int64) uint64 {
	var b [25]byte
	b[0] = sumSuppress
	copy(b[1:], key[:])
	binary.BigEndian.PutUint64(b[17:], uint64(at))
	return xxhash.Sum64(b[:])
}
