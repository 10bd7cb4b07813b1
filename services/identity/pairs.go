package identity

import (
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// collect finds the pairs that are not known, or known with less, over the whole batch.
func (s *stitcher) collect(b *batch) {
	s.replica.view(func(g *graph.Graph) {
		for i := range b.events {
			e := &b.events[i]
			if e.orderTo-e.orderFrom < 2 {
				continue
			}
			b.strength = b.strongest(e)
			for x, first := range b.strength {
				for _, second := range b.strength[x+1:] {
					s.pair(g, b, e, first, second)
				}
			}
			// What we derive from an identifier says something of that one only.
			for x := e.from + 1; x < e.to; x++ {
				if b.resolved[x].Derived && b.resolved[x-1].Reason == "" {
					s.pair(g, b, e, x-1, x)
				}
			}
		}
	})
}

// strongest are the places of the event's strongest identifiers, as many as make pairs.
func (b *batch) strongest(e *event) []int {
	into := b.strength[:0]
	for _, place := range b.order[e.orderFrom:e.orderTo] {
		if !b.resolved[place].Derived && len(into) < cliqueSize {
			into = append(into, place)
		}
	}
	return into
}

// pair notes a pair of one event if the graph lacks it.
func (s *stitcher) pair(g *graph.Graph, b *batch, e *event, first, second int) {
	x, y := &b.resolved[first], &b.resolved[second]
	if x.Node == y.Node {
		return
	}
	e.paired = true
	edge := evidence.NewEdge(s.workspace, end(x), end(y))
	if x.Weak || y.Weak {
		edge.Class = uint8(identifier.Inferred)
	}
	edge.FirstSeen = e.firstSeen
	edge.Source = e.source[:min(len(e.source), evidence.MaxText)]
	edge.Event = e.id
	edge.Normaliser = identifier.Version
	missing, lacking := g.Missing(&edge)
	if !lacking {
		return
	}
	key := pair{missing.A.Node, missing.B.Node}
	if place, noted := b.places[key]; noted {
		before := &b.missing[place]
		if missing.FirstSeen < before.FirstSeen {
			*before = evidence.Join(&missing, before)
		} else {
			*before = evidence.Join(before, &missing)
		}
		return
	}
	if !g.Knows(&missing) && !b.admit(g, &missing) {
		return
	}
	b.places[key] = len(b.missing)
	b.missing = append(b.missing, missing)
}

// seat is what a limit of hubs counts: the neighbours of one type that a node has.
type seat struct {
	node      uuid.UUID
	neighbour string
}

// admit is [graph.Graph.Missing]'s rule within a batch: a new pair is left out when those that stand in the
// batch already make a hub of one end, and the other end could not become one by it. Without this a kiosk would
// leave as many records as it has users in a batch.
func (b *batch) admit(g *graph.Graph, e *evidence.Edge) bool {
	seatA, seatB := seat{e.A.Node, e.B.Type}, seat{e.B.Node, e.A.Type}
	roomA, limitedA := b.room(g, seatA, e.A.Type)
	roomB, limitedB := b.room(g, seatB, e.B.Type)
	fullA, fullB := limitedA && roomA < -graph.Reserve, limitedB && roomB < -graph.Reserve
	if (fullA || fullB) && (fullA || !limitedA) && (fullB || !limitedB) {
		return false
	}
	if limitedA {
		b.rooms[seatA] = roomA - 1
	}
	if limitedB {
		b.rooms[seatB] = roomB - 1
	}
	return true
}

// room is the graph's, less what the batch has taken of it.
func (b *batch) room(g *graph.Graph, s seat, typ string) (room int, limited bool) {
	room, limited = g.Room(s.node, typ, s.neighbour)
	if taken, began := b.rooms[s]; began {
		room = taken
	}
	return room, limited
}

func end(r *identifier.Resolved) evidence.End {
	return evidence.End{Node: r.Node, Type: r.Type, Weak: r.Weak}
}
