package graph

import (
	"math"
	"slices"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// left is step 1 of F: the pair is not cut and no end is blocked. Pairs of suppressed nodes are not in the graph.
func (g *Graph) left(p *pair) bool {
	return p.facts()&isCut == 0 && (g.nodes.at(p.a).flags|g.nodes.at(p.b).flags)&blocked == 0
}

// live is what remains after step 2: no end is a hub either.
func (g *Graph) live(p *pair) bool {
	return p.facts()&isCut == 0 && (g.nodes.at(p.a).flags|g.nodes.at(p.b).flags)&shared == 0
}

// isBlocked is what operators and rules say of a node; the operator's word goes first.
func (g *Graph) isBlocked(n uint32) bool {
	switch g.verdicts[n].Ruling {
	case evidence.Blocked:
		return true
	case evidence.Allowed:
		return false
	}
	_, nobody := g.nobody[g.id(n)]
	return nobody
}

// neighbours counts those of a type, among the pairs that are left, up to a number that is enough.
func (g *Graph) neighbours(n uint32, typ uint16, enough int) int {
	count := 0
	for p, other := range g.around(n) {
		if count >= enough {
			break
		}
		if g.nodes.at(other).typ == typ && g.left(g.pairs.at(p)) {
			count++
		}
	}
	return count
}

// overHub is whether a node has more neighbours of a type, among the pairs that are left, than the rules say
// one of its type can have; of which type first, and how many.
func (g *Graph) overHub(n uint32) (typ string, count int, over bool) {
	at := g.nodes.at(n)
	if at.is(allowed) {
		return "", 0, false
	}
	for _, rule := range g.types.list[at.typ].hubs {
		count = g.neighbours(n, rule.typ, math.MaxInt)
		if count > rule.limit {
			return g.types.list[rule.typ].name, count, true
		}
	}
	return "", 0, false
}

// revise carries steps 1 to 5 on after pairs of the touched nodes came, went or count otherwise, and after
// somebody ruled on the ruled ones.
func (g *Graph) revise(touched, ruled []uint32) {
	recount := slices.Clone(touched)
	for _, n := range ruled {
		touched = append(touched, n)
		recount = append(recount, n)
		if is := g.isBlocked(n); is != g.nodes.at(n).is(blocked) {
			g.mark(n, blocked, is)
			// What is left of the neighbours' pairs is another number now.
			for _, other := range g.around(n) {
				touched = append(touched, other)
				recount = append(recount, other)
			}
		}
	}
	// All hubs are found before any hub's pairs are left out: hubs do not make each other.
	for _, n := range recount {
		if _, _, over := g.overHub(n); over != g.nodes.at(n).is(hub) {
			g.mark(n, hub, over)
			touched = append(touched, n)
			for _, other := range g.around(n) {
				touched = append(touched, other)
			}
		}
	}
	for _, n := range touched {
		g.refresh(n)
	}
	g.evaluate(touched)
}

// mark sets a flag that is counted.
func (g *Graph) mark(n uint32, flag uint16, on bool) {
	at := g.nodes.at(n)
	if at.is(flag) == on {
		return
	}
	at.set(flag, on)
	count := &g.stats.Hubs
	if flag == blocked {
		count = &g.stats.Blocked
	}
	if on {
		*count++
	} else {
		*count--
	}
}

// refresh computes first seen and weakness, the minimum over the live pairs.
func (g *Graph) refresh(n uint32) {
	seen, isWeak := int64(seenMask), true
	for p := range g.around(n) {
		at := g.pairs.at(p)
		if !g.live(at) {
			continue
		}
		seen = min(seen, at.facts().firstSeen())
		isWeak = isWeak && at.weakEnd(n)
	}
	at := g.nodes.at(n)
	at.see(seen)
	at.set(weak, isWeak)
}

// weakEnd is whether the pair's evidence says that its end n is weak.
func (p *pair) weakEnd(n uint32) bool {
	if p.a == n {
		return p.facts()&weakA != 0
	}
	return p.facts()&weakB != 0
}

// claims is what the pair's records call its end n.
func (p *pair) claims(n uint32) uint16 {
	if p.a == n {
		return p.typeA
	}
	return p.typeB
}

// retype gives a node the smallest of the types that its pairs claim. Writers agree on types; should they not,
// this depends on no order. It returns whether that changed anything.
func (g *Graph) retype(n uint32) bool {
	was := g.nodes.at(n).typ
	first := true
	for p := range g.around(n) {
		claimed := g.pairs.at(p).claims(n)
		if first {
			g.nodes.at(n).typ, first = claimed, false
			continue
		}
		g.nodes.at(n).typ = g.types.smaller(g.nodes.at(n).typ, claimed)
	}
	if g.nodes.at(n).typ == was {
		return false
	}
	for p := range g.around(n) {
		g.count(p)
	}
	return true
}
