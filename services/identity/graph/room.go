package graph

import (
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Room is how many more neighbours of a type a node can have before one more makes it a hub; negative when it is
// one. limited is false when no number of them does: the rules have no such limit, or an operator allowed the
// node. typ is for a node that the graph does not have.
func (g *Graph) Room(id uuid.UUID, typ, neighbour string) (room int, limited bool) {
	n, known := g.number(id)
	if known {
		if g.nodes.at(n).is(allowed) {
			return 0, false
		}
		typ = g.types.list[g.nodes.at(n).typ].name
	}
	room, limited = g.rules.Rules.Types[typ].Hubs[neighbour]
	if !limited || !known {
		return room, limited
	}
	for p, other := range g.around(n) {
		if g.types.list[g.nodes.at(other).typ].name == neighbour && g.left(g.pairs.at(p)) {
			room--
		}
	}
	return room, true
}

// Knows is whether the graph has evidence of the pair, however little.
func (g *Graph) Knows(e *evidence.Edge) bool {
	a, knownA := g.number(e.A.Node)
	b, knownB := g.number(e.B.Node)
	return knownA && knownB && g.find(a, b) != none
}
