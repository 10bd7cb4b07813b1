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
