package graph

import (
	"slices"

	"github.com/google/uuid"
)

// Why says what an explanation comes to.
type Why uint8

// The answers.
const (
	// Unknown: the graph does not have one of the two.
	Unknown Why = iota
	// OneCustomer: they are one; Path is the strongest path of pairs between them.
	OneCustomer
	// NoEvidence: no pairs lead from one to the other.
	NoEvidence
	// WasCut: an operator cut them.
	WasCut
	// WasRefused: pairs lead from one to the other, and those of Path that are refused met a limit.
	WasRefused
	// WasShared: every path goes through a hub, a blocked node or a pair that is cut.
	WasShared
	// TooWeak: every path has a pair that is too weak to link.
	TooWeak
	// TooLarge: so many nodes are connected that only better pairs count.
	TooLarge
)

func (w Why) String() string {
	return [...]string{
		Unknown: "unknown", OneCustomer: "one_customer", NoEvidence: "no_evidence", WasCut: "cut", WasRefused: "refused",
		WasShared: "shared", TooWeak: "too_weak", TooLarge: "component_too_large",
	}[w]
}

// Explanation is why two nodes are, or are not, one customer.
type Explanation struct {
	Why  Why
	A, B Member
	// Path leads from A to B over pairs, each with what it does.
	Path []EdgeState
}

// Why says why two nodes are, or are not, one customer.
func (g *Graph) Why(idA, idB uuid.UUID) Explanation {
	var x Explanation
	var knownA, knownB bool
	x.A, knownA = g.Node(idA)
	x.B, knownB = g.Node(idB)
	a, _ := g.number(idA)
	b, _ := g.number(idB)
	if idA == idB {
		x.Why = OneCustomer
		return x
	}
	if !knownA || !knownB {
		return x
	}
	atA, atB := g.nodes.at(a), g.nodes.at(b)
	if atA.component == atB.component {
		accepted, refusals := g.retrace(atA.component)
		if atA.canonical == atB.canonical {
			x.Why, x.Path = OneCustomer, g.states(g.path(a, b, pairsOf(accepted)))
			return x
		}
		x.Why = WasRefused
		usable := pairsOf(accepted)
		for _, r := range refusals {
			usable[r.pair] = true
		}
		x.Path = g.states(g.path(a, b, usable))
	} else {
		x.Why, x.Path = g.apart(a, b)
	}
	if _, cut := g.cuts[cutKey(a, b)]; cut {
		x.Why = WasCut
	}
	return x
}

func pairsOf(links []linkOf) map[uint32]bool {
	pairs := make(map[uint32]bool, len(links))
	for _, link := range links {
		pairs[link.pair] = true
	}
	return pairs
}

// apart is why two nodes of two components are apart: the mildest way of looking at pairs that connects them.
func (g *Graph) apart(a, b uint32) (Why, []EdgeState) {
	for _, look := range []struct {
		why Why
		at  func(p *pair) bool
	}{
		{TooLarge, func(p *pair) bool { return g.live(p) && p.facts().counts() <= g.linkClass }},
		{TooWeak, g.live},
		{WasShared, func(*pair) bool { return true }},
	} {
		if path := g.walk(a, b, look.at); path != nil {
			return look.why, g.states(path)
		}
	}
	return NoEvidence, nil
}

// path goes from a to b over usable pairs.
func (g *Graph) path(a, b uint32, usable map[uint32]bool) []uint32 {
	return g.walkOver(a, b, func(p uint32) bool { return usable[p] })
}

func (g *Graph) walk(a, b uint32, usable func(*pair) bool) []uint32 {
	return g.walkOver(a, b, func(p uint32) bool { return usable(g.pairs.at(p)) })
}

// farthest is how many nodes a walk looks at before it says that there is no way.
const farthest = 200_000

// walkOver is a shortest path from a to b, of equal ones that over the smallest ids; nil when there is none.
func (g *Graph) walkOver(a, b uint32, usable func(p uint32) bool) []uint32 {
	from := map[uint32]uint32{a: none}
	queue := []uint32{a}
	for i := 0; i < len(queue) && len(queue) < farthest; i++ {
		n := queue[i]
		if n == b {
			break
		}
		start := len(queue)
		for p, other := range g.around(n) {
			if _, seen := from[other]; !seen && usable(p) {
				from[other] = p
				queue = append(queue, other)
			}
		}
		slices.SortFunc(queue[start:], g.less)
	}
	if _, found := from[b]; !found {
		return nil
	}
	path := []uint32{}
	for n := b; n != a; n = g.pairs.at(from[n]).other(n) {
		path = append(path, from[n])
	}
	slices.Reverse(path)
	return path
}
