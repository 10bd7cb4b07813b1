package graph

import (
	"slices"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Status is how a node stands in the partition.
type Status uint8

// The statuses.
const (
	// Alone: nothing links it.
	Alone Status = iota
	// Linked: it is one customer with other nodes.
	Linked
	// Hub: it has too many neighbours to carry links.
	Hub
	// Blocked: an operator or the rules say that it carries no links.
	Blocked
)

func (s Status) String() string {
	return [...]string{Alone: "alone", Linked: "linked", Hub: "hub", Blocked: "blocked"}[s]
}

// Member is a node with all that F has of it.
type Member struct {
	Node      uuid.UUID
	Type      string
	Customer  uuid.UUID
	Weak      bool
	FirstSeen int64 // milliseconds; 0 when no pair of it is live
	Rank      uint8
	Status    Status
	Ruling    evidence.Ruling
	// Pairs is how many other nodes it was seen with; Neighbours, for each type that its type has a hub rule
	// for, how many of them count, and how many make a hub.
	Pairs      int
	Neighbours []Neighbours
}

// Neighbours are counted for a hub rule.
type Neighbours struct {
	Type         string
	Count, Limit int
}

// State is what a pair does to the partition.
type State uint8

// The states.
const (
	// LinkedPair: its ends are one customer, and it is part of the evidence.
	LinkedPair State = iota
	// RefusedPair: it would join two customers over a limit, the cap or a cut.
	RefusedPair
	// CutPair: an operator cut it.
	CutPair
	// SharedPair: an end is a hub or blocked.
	SharedPair
	// WeakPair: its class is worse than those that link, or than those that count in so large a component.
	WeakPair
)

func (s State) String() string {
	return [...]string{LinkedPair: "linked", RefusedPair: "refused", CutPair: "cut", SharedPair: "shared", WeakPair: "weak"}[s]
}

// EdgeState is a pair and what it does.
type EdgeState struct {
	// Edge is the joined evidence; source and event are of the log.
	Edge  evidence.Edge
	State State
	// Class is what the pair counts with under the rules.
	Class uint8
	// Limit and Count say of a refused pair which limit it met and how many there would be.
	Limit string
	Count int
}

// Node has all that is known of a node.
func (g *Graph) Node(id uuid.UUID) (Member, bool) {
	n, known := g.number(id)
	if !known {
		return Member{Node: id, Customer: id}, false
	}
	return g.member(n), true
}

func (g *Graph) member(n uint32) Member {
	at := g.nodes.at(n)
	m := Member{
		Node: at.id, Type: g.typeName(n), Customer: g.id(at.canonical), Weak: at.is(weak), FirstSeen: at.firstSeen(),
		Rank: g.types.rank(at), Ruling: g.verdicts[n].Ruling,
	}
	live := false
	counts := make(map[uint16]int)
	for p, other := range g.around(n) {
		m.Pairs++
		live = live || g.live(g.pairs.at(p))
		if g.left(g.pairs.at(p)) {
			counts[g.nodes.at(other).typ]++
		}
	}
	if !live {
		m.FirstSeen, m.Weak = 0, false
		m.Rank = g.types.list[at.typ].rank
	}
	for _, rule := range g.types.list[at.typ].hubs {
		m.Neighbours = append(m.Neighbours, Neighbours{Type: g.types.list[rule.typ].name, Count: counts[rule.typ], Limit: rule.limit})
	}
	switch {
	case at.is(blocked):
		m.Status = Blocked
	case at.is(hub):
		m.Status = Hub
	case len(g.customer(n)) > 1:
		m.Status = Linked
	}
	return m
}

// customer has the members of a node's customer, ascending.
func (g *Graph) customer(n uint32) []uint32 {
	at := g.nodes.at(n)
	c := g.components.at(at.component)
	var members []uint32
	m := c.head
	for range c.size {
		if g.nodes.at(m).canonical == at.canonical {
			members = append(members, m)
		}
		m = g.nodes.at(m).next
	}
	slices.SortFunc(members, g.less)
	return members
}

// Members are the nodes of a node's customer, the one that names it first, then by rank, first seen and id.
func (g *Graph) Members(id uuid.UUID) []Member {
	n, known := g.number(id)
	if !known {
		return nil
	}
	numbers := g.customer(n)
	slices.SortFunc(numbers, func(i, j uint32) int {
		switch {
		case i == j:
			return 0
		case g.better(i, j) == i:
			return -1
		}
		return 1
	})
	members := make([]Member, 0, len(numbers))
	for _, m := range numbers {
		members = append(members, g.member(m))
	}
	return members
}

// Edges are a node's pairs, ascending by the other node.
func (g *Graph) Edges(id uuid.UUID) []EdgeState {
	n, known := g.number(id)
	if !known {
		return nil
	}
	var pairs []uint32
	for p := range g.around(n) {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(p, q uint32) int { return g.less(g.pairs.at(p).other(n), g.pairs.at(q).other(n)) })
	return g.states(pairs)
}

// Refused are the pairs of a node's component that a limit, the cap or a cut refuses, in Kruskal's order.
func (g *Graph) Refused(id uuid.UUID) []EdgeState {
	n, known := g.number(id)
	if !known {
		return nil
	}
	_, refusals := g.retrace(g.nodes.at(n).component)
	pairs := make([]uint32, 0, len(refusals))
	for _, r := range refusals {
		pairs = append(pairs, r.pair)
	}
	return g.states(pairs)
}

// states says what each of some pairs does. The limits that refused pairs met are found by doing Kruskal's again,
// apart from the graph, which others may be reading.
func (g *Graph) states(pairs []uint32) []EdgeState {
	refusals := make(map[uint32]refusal)
	done := make(map[uint32]bool)
	states := make([]EdgeState, 0, len(pairs))
	for _, p := range pairs {
		at := g.pairs.at(p)
		state := EdgeState{Edge: g.edge(p, nil), Class: uint8(at.facts().counts()), State: g.state(at)}
		if c := g.nodes.at(at.a).component; state.State == RefusedPair && !done[c] {
			done[c] = true
			_, again := g.retrace(c)
			for _, r := range again {
				refusals[r.pair] = r
			}
		}
		state.Limit, state.Count = refusals[p].limit, refusals[p].count
		states = append(states, state)
	}
	return states
}

func (g *Graph) state(p *pair) State {
	a, b := g.nodes.at(p.a), g.nodes.at(p.b)
	switch {
	case p.facts()&isCut != 0:
		return CutPair
	case (a.flags|b.flags)&shared != 0:
		return SharedPair
	case p.facts().counts() > max(g.components.at(a.component).level, g.components.at(b.component).level):
		return WeakPair
	case a.component != b.component:
		return WeakPair
	case a.canonical != b.canonical:
		return RefusedPair
	case p.facts().counts() > g.components.at(a.component).level:
		return WeakPair
	}
	return LinkedPair
}

// retrace does step 4 of F again for a component: the pairs that joined its clusters, and those refused.
func (g *Graph) retrace(c uint32) ([]linkOf, []refusal) {
	of := g.components.at(c)
	var members []uint32
	local := make(map[uint32]uint32, of.size)
	n := of.head
	for range of.size {
		local[n] = uint32(len(members))
		members = append(members, n)
		n = g.nodes.at(n).next
	}
	var s solver
	var refusals []refusal
	g.gather(&s, members, of.level, func(n uint32) uint32 { return local[n] })
	g.solve(&s, &refusals)
	return s.accepted, refusals
}

// Cuts are the standing cuts of a node, ascending by the other node.
func (g *Graph) Cuts(id uuid.UUID) []evidence.Cut {
	n, known := g.number(id)
	if !known {
		return nil
	}
	var cuts []evidence.Cut
	for _, other := range g.cutsOf[n] {
		cuts = append(cuts, g.cuts[cutKey(n, other)])
	}
	slices.SortFunc(cuts, func(x, y evidence.Cut) int { return comparePairs(x.A, x.B, y.A, y.B) })
	return cuts
}

// Verdict is what an operator ruled of a node; false when nothing stands.
func (g *Graph) Verdict(id uuid.UUID) (evidence.Verdict, bool) {
	n, known := g.number(id)
	if !known {
		return evidence.Verdict{}, false
	}
	v, stands := g.verdicts[n]
	return v, stands
}
