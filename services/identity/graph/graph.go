package graph

import (
	"bytes"

	"github.com/google/uuid"
)

// Rules are what the partition depends on besides the evidence. Every reader of one log must have the
// same.
type Rules struct {
	// Rank of an identifier: the smallest of a customer names it.
	Rank func(typ string, weak bool) uint8
	// LinkClass is the weakest class of pairs that join customers; weaker ones are only kept.
	LinkClass uint8
}

// Reason why a node's customer changed.
type Reason uint8

// The reasons.
const (
	// Joined: two customers became one.
	Joined Reason = iota + 1
	// Renamed: another member of the same customer became the best.
	Renamed
)

// Change says that a node belongs to another customer than before.
type Change struct {
	Node, Canonical, Previous uuid.UUID
	Reason                    Reason
}

// Effect is what one piece of evidence did.
type Effect struct {
	// Changes has each node at most once.
	Changes []Change
	// Worse is true when the record says less than what is known of the pair. Compaction keeps the last
	// record of a pair, so Joined has to be appended once more.
	Worse  bool
	Joined Edge
}

// Stats are sizes, for metrics.
type Stats struct {
	Nodes, Pairs, Customers int
}

// Graph holds the evidence of all workspaces and the partition it makes. One linked identifier costs
// about 100 bytes.
type Graph struct {
	rules  Rules
	spaces map[string]*space
}

// space is one workspace. Nodes are numbered in order of arrival; the numbers are never seen outside.
type space struct {
	rules    Rules
	position int64
	index    map[uuid.UUID]uint32
	nodes    []node
	pairs    map[uint64]evidence
	// customers counts components of two nodes or more.
	customers int
}

type node struct {
	id uuid.UUID
	// firstSeen and rank are the minimum over the node's pairs.
	firstSeen int64
	// component is the number of the node that stands for the component; best and size are of use in that
	// one only.
	component, best, size uint32
	// next makes a ring of the component's members.
	next uint32
	rank uint8
}

// New returns an empty graph.
func New(rules Rules) *Graph {
	return &Graph{rules: rules, spaces: make(map[string]*space)}
}

// Position is how much of the log of a workspace's evidence was applied.
func (g *Graph) Position(workspace string) int64 {
	if s := g.spaces[workspace]; s != nil {
		return s.position
	}
	return 0
}

// Customer returns the customer of a node: the node itself when it was never seen with another. known is
// whether the graph has the node at all.
func (g *Graph) Customer(workspace string, id uuid.UUID) (customer uuid.UUID, known bool) {
	s := g.spaces[workspace]
	if s == nil {
		return id, false
	}
	i, known := s.index[id]
	if !known {
		return id, false
	}
	return s.nodes[s.canonical(i)].id, true
}

// Missing reports whether a pair is not known, or known with less. The edge it returns is the one to
// append: the minimum of both.
func (g *Graph) Missing(e *Edge) (Edge, bool) {
	s := g.spaces[e.Workspace]
	if s == nil {
		return *e, true
	}
	a, knownA := s.index[e.A.Node]
	if !knownA {
		return *e, true
	}
	b, knownB := s.index[e.B.Node]
	if !knownB {
		return *e, true
	}
	before, known := s.pairs[pairKey(a, b)]
	if !known {
		return *e, true
	}
	joined := before.join(pack(e))
	if joined == before {
		return Edge{}, false
	}
	return joined.onto(e), true
}

// Apply takes in one record of the log; position is its offset plus one. It is the only method that
// changes the graph.
func (g *Graph) Apply(position int64, e *Edge) Effect {
	s := g.spaces[e.Workspace]
	if s == nil {
		s = &space{rules: g.rules, index: make(map[uuid.UUID]uint32), pairs: make(map[uint64]evidence)}
		g.spaces[e.Workspace] = s
	}
	s.position = max(s.position, position)

	a, b := s.node(e.A.Node), s.node(e.B.Node)
	key := pairKey(a, b)
	said := pack(e)
	before, known := s.pairs[key]
	joined := said
	if known {
		joined = before.join(said)
	}
	s.pairs[key] = joined

	var effect Effect
	if joined != said {
		effect.Worse, effect.Joined = true, joined.onto(e)
	}
	// Who named the two components before anything moves.
	ofA, ofB := s.canonical(a), s.canonical(b)
	s.improve(a, &e.A, e.FirstSeen)
	s.improve(b, &e.B, e.FirstSeen)
	apart := s.nodes[a].component != s.nodes[b].component
	winner := s.canonical(a)
	reason := Renamed
	if joined.class() <= s.rules.LinkClass && apart {
		winner = s.better(winner, s.canonical(b))
		reason = Joined
		effect.Changes = s.changes(effect.Changes, a, ofA, winner, reason)
		effect.Changes = s.changes(effect.Changes, b, ofB, winner, reason)
		s.union(a, b, winner)
		return effect
	}
	effect.Changes = s.changes(effect.Changes, a, ofA, winner, reason)
	if apart {
		effect.Changes = s.changes(effect.Changes, b, ofB, s.canonical(b), reason)
	}
	return effect
}

// Stats of all workspaces.
func (g *Graph) Stats() Stats {
	var stats Stats
	for _, s := range g.spaces {
		stats.Nodes += len(s.nodes)
		stats.Pairs += len(s.pairs)
		stats.Customers += s.customers
	}
	return stats
}

// node returns the number of a node, and makes it a component of its own when it is new.
func (s *space) node(id uuid.UUID) uint32 {
	if i, known := s.index[id]; known {
		return i
	}
	i := uint32(len(s.nodes))
	s.index[id] = i
	s.nodes = append(s.nodes, node{id: id, firstSeen: MaxFirstSeen, rank: worstRank, component: i, best: i, size: 1, next: i})
	return i
}

const worstRank = 255

// canonical is the best member of a node's component.
func (s *space) canonical(i uint32) uint32 { return s.nodes[s.nodes[i].component].best }

// improve lowers a node's attributes, and makes it the best of its component when that is what it is now.
func (s *space) improve(i uint32, end *End, firstSeen int64) {
	n := &s.nodes[i]
	n.rank = min(n.rank, s.rules.Rank(end.Type, end.Weak))
	n.firstSeen = min(n.firstSeen, firstSeen)
	component := &s.nodes[n.component]
	component.best = s.better(component.best, i)
}

// better is argmin(rank, first seen, hash).
func (s *space) better(i, j uint32) uint32 {
	a, b := &s.nodes[i], &s.nodes[j]
	switch {
	case a.rank != b.rank:
		if a.rank < b.rank {
			return i
		}
	case a.firstSeen != b.firstSeen:
		if a.firstSeen < b.firstSeen {
			return i
		}
	case bytes.Compare(a.id[:], b.id[:]) <= 0:
		return i
	}
	return j
}

// changes appends a change for each member of i's component, if it has another name than before.
func (s *space) changes(list []Change, i, before, now uint32, reason Reason) []Change {
	if before == now {
		return list
	}
	for member := i; ; {
		n := &s.nodes[member]
		list = append(list, Change{Node: n.id, Canonical: s.nodes[now].id, Previous: s.nodes[before].id, Reason: reason})
		if member = n.next; member == i {
			return list
		}
	}
}

// union writes the larger component's number into the smaller one's members, so that reading never
// has to search: all in all n log n writes.
func (s *space) union(a, b, winner uint32) {
	large, small := s.nodes[a].component, s.nodes[b].component
	if s.nodes[large].size < s.nodes[small].size {
		large, small = small, large
	}
	switch {
	case s.nodes[large].size == 1:
		s.customers++ // two alone
	case s.nodes[small].size > 1:
		s.customers-- // two customers
	}
	for member := small; ; {
		s.nodes[member].component = large
		if member = s.nodes[member].next; member == small {
			break
		}
	}
	// Exchanging two successors makes one ring of two.
	s.nodes[large].next, s.nodes[small].next = s.nodes[small].next, s.nodes[large].next
	s.nodes[large].size += s.nodes[small].size
	s.nodes[large].best = winner
}

// evidence is all that is known of a pair, in eight bytes: first seen (48 bits), score as distance from
// the best (8), class (4), flags of the ends (4).
type evidence uint64

func pairKey(a, b uint32) uint64 {
	return uint64(min(a, b))<<32 | uint64(max(a, b))
}

func pack(e *Edge) evidence {
	packed := evidence(e.FirstSeen)<<16 | evidence(fullScore-e.Score)<<8 | evidence(e.Class)<<4
	if e.A.Weak {
		packed |= flagWeakA
	}
	if e.B.Weak {
		packed |= flagWeakB
	}
	return packed
}

func (p evidence) class() uint8 { return uint8(p>>4) & 0xf }

// join is the minimum of each part. It is associative, commutative and idempotent, which is why the order
// and the repetition of evidence do not count.
func (p evidence) join(q evidence) evidence {
	const firstSeen, score, class, flags = evidence(MaxFirstSeen) << 16, evidence(0xff) << 8, evidence(0xf) << 4, evidence(0xf)
	return min(p&firstSeen, q&firstSeen) | min(p&score, q&score) | min(p&class, q&class) | p&q&flags
}

// Join is the edge with the minimum of both; they are about one pair.
func (e *Edge) Join(with *Edge) Edge { return pack(e).join(pack(with)).onto(e) }

// onto is an edge with this evidence.
func (p evidence) onto(e *Edge) Edge {
	joined := *e
	joined.FirstSeen = int64(p >> 16)
	joined.Score = fullScore - uint8(p>>8)
	joined.Class = p.class()
	joined.A.Weak = p&flagWeakA != 0
	joined.B.Weak = p&flagWeakB != 0
	return joined
}
