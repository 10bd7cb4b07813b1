package graph

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// Evidence are the pairs with a member of a node's customer at one end or both, oldest first, each once: at most
// the number of pairs that is given, and how many there are. The limits that refused pairs met are found once for
// all of them, which calling [Graph.Edges] for each member would do for each.
func (g *Graph) Evidence(id uuid.UUID, most int) (pairs []EdgeState, total int) {
	n, known := g.number(id)
	if !known {
		return nil, 0
	}
	var all []uint32
	for _, m := range g.customer(n) {
		for p, other := range g.around(m) {
			// A pair of two members is met at both of its ends.
			if at := g.pairs.at(p); at.a == m || g.nodes.at(other).canonical != g.nodes.at(m).canonical {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(p, q uint32) int {
		x, y := g.pairs.at(p), g.pairs.at(q)
		return cmp.Or(cmp.Compare(x.facts().firstSeen(), y.facts().firstSeen()), g.less(x.a, y.a), g.less(x.b, y.b))
	})
	return g.states(all[:min(len(all), most)]), len(all)
}

// Place is a node and the customer it belongs to.
type Place struct {
	Node, Customer uuid.UUID
	Type           string
}

// Around are the nodes whose customer a ruling on some nodes can change, ascending: their components, those of the
// nodes they were seen with, and, where such a one is shared and may cease to be, those of the nodes it was seen
// with. At most the number that is given; all is false when there are more, and when one of them counts with a
// stricter class because too many are connected: a ruling can make room for the rest of those.
func (g *Graph) Around(ids []uuid.UUID, most int) (places []Place, all bool) {
	whole := make(map[uint32]bool)
	var components []uint32
	take := func(n uint32) {
		if c := g.nodes.at(n).component; !whole[c] {
			whole[c] = true
			components = append(components, c)
		}
	}
	for _, id := range ids {
		n, known := g.number(id)
		if !known {
			continue
		}
		take(n)
		for _, other := range g.around(n) {
			take(other)
			if g.nodes.at(other).flags&shared == 0 {
				continue
			}
			for _, beyond := range g.around(other) {
				take(beyond)
			}
		}
	}
	all = true
	for _, c := range components {
		at := g.components.at(c)
		all = all && at.level == g.linkClass
		n := at.head
		for range at.size {
			if len(places) == most {
				all = false
				break
			}
			node := g.nodes.at(n)
			places = append(places, Place{Node: node.id, Customer: g.id(node.canonical), Type: g.typeName(n)})
			n = node.next
		}
	}
	slices.SortFunc(places, func(x, y Place) int { return slices.Compare(x.Node[:], y.Node[:]) })
	return places, all
}
