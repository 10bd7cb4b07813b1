package graph

import (
	"math"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Reserve is how many neighbours more than make a hub the log keeps of it, so that it stays one when some of them
// are erased, blocked or cut off.
const Reserve = 16

// Room is how many more neighbours of a type a node can have before one more makes it a hub; negative when it is
// one, and under -[Reserve] when more would change nothing. limited is false when no number of them makes a hub.
// typ is for a node that the graph does not have.
func (g *Graph) Room(id uuid.UUID, typ, neighbour string) (room int, limited bool) {
	n, known := g.number(id)
	return g.room(n, known, typ, neighbour)
}

func (g *Graph) room(n uint32, known bool, typ, neighbour string) (room int, limited bool) {
	if known {
		if of := g.nodes.at(n).typ; of != 0 { // a node that only rulings name has no type yet
			typ = g.types.list[of].name
		}
	}
	room, limited = g.rules.Rules.Types[typ].Hubs[neighbour]
	switch {
	case !limited || !known:
		return room, limited
	case g.nodes.at(n).is(allowed):
		return math.MaxInt32, true // all of them count again when the ruling is taken back
	}
	of, numbered := g.types.numbers[neighbour]
	if !numbered {
		return room, true // nobody of the type was ever seen
	}
	return room - g.neighbours(n, of, room+Reserve+1), true
}

// Knows is whether the graph has evidence of the pair, however little.
func (g *Graph) Knows(e *evidence.Edge) bool {
	a, knownA := g.number(e.A.Node)
	b, knownB := g.number(e.B.Node)
	return knownA && knownB && g.find(a, b) != none
}
