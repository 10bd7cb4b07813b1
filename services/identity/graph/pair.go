package graph

import (
	"bytes"
	"iter"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// pair is two nodes that were seen together, with all that is known of it. 28 bytes.
type pair struct {
	// a is the node with the smaller id; nextA and nextB are the next pairs of a and of b.
	a, b, nextA, nextB uint32
	// low and high are the facts.
	low, high uint32
	// typeA and typeB are what the pair's records call its ends.
	typeA, typeB uint16
}

// facts are a pair's evidence in the lower 59 bits, arranged so that the smaller of each field is the better,
// and in the upper bits what follows from it.
type facts uint64

const (
	seenBits                    = 48
	classShift, missShift       = 48, 50
	weakA, weakB                = facts(1) << 57, facts(1) << 58
	said                        = facts(1)<<59 - 1
	isCut, refused              = facts(1) << 59, facts(1) << 60
	countsShift                 = 61
	seenMask, fullScore         = facts(1)<<seenBits - 1, 100
	classMask                   = facts(3) << classShift
	missMask                    = facts(127) << missShift
	countsMask            facts = 3 << countsShift
)

func pack(e *evidence.Edge) facts {
	f := facts(min(max(e.FirstSeen, 0), int64(seenMask))) | facts(min(e.Class, evidence.WorstClass))<<classShift |
		facts(fullScore-min(e.Score, fullScore))<<missShift
	if e.A.Weak {
		f |= weakA
	}
	if e.B.Weak {
		f |= weakB
	}
	return f
}

// join is the minimum of each field.
func (f facts) join(g facts) facts {
	return min(f&seenMask, g&seenMask) | min(f&classMask, g&classMask) | min(f&missMask, g&missMask) | f&g&(weakA|weakB)
}

func (f facts) firstSeen() int64 { return int64(f & seenMask) }
func (f facts) class() uint8     { return uint8(f & classMask >> classShift) }
func (f facts) score() uint8     { return fullScore - uint8(f&missMask>>missShift) }

// counts is the class that the pair counts with under the rules.
func (f facts) counts() int8 { return int8(f & countsMask >> countsShift) }

// order is the place of a pair in Kruskal's order, but for the nodes.
func (f facts) order() uint64 {
	bucket := (f & missMask >> missShift) / evidence.ScoreBucket
	return uint64(f.counts())<<56 | uint64(bucket)<<seenBits | uint64(f&seenMask)
}

func (p *pair) facts() facts { return facts(p.low) | facts(p.high)<<32 }

func (p *pair) put(f facts) { p.low, p.high = uint32(f), uint32(f>>32) }

func (p *pair) other(n uint32) uint32 { return p.a ^ p.b ^ n }

func (p *pair) next(n uint32) uint32 {
	if p.a == n {
		return p.nextA
	}
	return p.nextB
}

// around has the pairs of a node with the node at their other end.
func (g *Graph) around(n uint32) iter.Seq2[uint32, uint32] {
	return func(yield func(p, other uint32) bool) {
		for p := g.nodes.at(n).pairs; p != none; {
			at := g.pairs.at(p)
			if !yield(p, at.other(n)) {
				return
			}
			p = at.next(n)
		}
	}
}

// find has the pair of two nodes. It goes along the pairs of both at once: a hub has many, but then the other
// has few.
func (g *Graph) find(a, b uint32) uint32 {
	p, q := g.nodes.at(a).pairs, g.nodes.at(b).pairs
	for p != none && q != none {
		atP, atQ := g.pairs.at(p), g.pairs.at(q)
		if atP.other(a) == b {
			return p
		}
		if atQ.other(b) == a {
			return q
		}
		p, q = atP.next(a), atQ.next(b)
	}
	return none
}

// link adds a pair to the pairs of both its nodes.
func (g *Graph) link(a, b uint32) uint32 {
	atA, atB := g.nodes.at(a), g.nodes.at(b)
	p := g.pairs.add(pair{a: a, b: b, nextA: atA.pairs, nextB: atB.pairs})
	atA.pairs, atB.pairs = p, p
	g.stats.Pairs++
	return p
}

// unlink takes a pair out of the pairs of both its nodes and of the sums.
func (g *Graph) unlink(p uint32) {
	at := g.pairs.at(p)
	g.sums.Evidence -= g.pairSum(p)
	if at.facts()&refused != 0 {
		g.stats.Refused--
	}
	for _, n := range [2]uint32{at.a, at.b} {
		from := &g.nodes.at(n).pairs
		for *from != p {
			before := g.pairs.at(*from)
			if before.a == n {
				from = &before.nextA
			} else {
				from = &before.nextB
			}
		}
		*from = at.next(n)
	}
	g.stats.Pairs--
	g.pairs.drop(p)
}

// count sets the class that a pair counts with: the worst of what the sight says, the rule of each type, and 3
// when an end is weak.
func (g *Graph) count(p uint32) {
	at := g.pairs.at(p)
	f := at.facts()
	class := max(f.class(), g.types.list[g.nodes.at(at.a).typ].class, g.types.list[g.nodes.at(at.b).typ].class)
	if f&(weakA|weakB) != 0 {
		class = evidence.WorstClass
	}
	at.put(f&^countsMask | facts(min(class, evidence.WorstClass))<<countsShift)
}

// edge is what is known of a pair; what decides nothing comes from the record like, if there is one.
func (g *Graph) edge(p uint32, like *evidence.Edge) evidence.Edge {
	at := g.pairs.at(p)
	f := at.facts()
	var e evidence.Edge
	if like != nil {
		e = *like
	} else {
		e.Workspace = g.workspace
	}
	e.A = evidence.End{Node: g.nodes.at(at.a).id, Type: g.types.list[at.typeA].name, Weak: f&weakA != 0}
	e.B = evidence.End{Node: g.nodes.at(at.b).id, Type: g.types.list[at.typeB].name, Weak: f&weakB != 0}
	e.Class, e.Score, e.FirstSeen = f.class(), f.score(), f.firstSeen()
	return e
}

func (g *Graph) id(n uint32) uuid.UUID { return g.nodes.at(n).id }

func (g *Graph) typeName(n uint32) string { return g.types.list[g.nodes.at(n).typ].name }

// less orders nodes by id.
func (g *Graph) less(i, j uint32) int {
	a, b := &g.nodes.at(i).id, &g.nodes.at(j).id
	return bytes.Compare(a[:], b[:])
}
