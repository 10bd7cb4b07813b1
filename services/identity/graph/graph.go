package graph

import (
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Graph is the partition of one workspace's nodes.
type Graph struct {
	suppression func(node uuid.UUID) evidence.SuppressionKey
	workspace   string
	position    int64
	engine      uint16
	rules       evidence.Rules
	ruled       bool
	// linkClass is that of the rules; without rules it is -1, and nothing links.
	linkClass int8
	types     types
	// nobody are the nodes that the rules block.
	nobody map[uuid.UUID]struct{}

	index      index
	nodes      table[node]
	pairs      table[pair]
	components table[component]
	// tallies are the counts by column of the larger components without conflict, made when they are wanted.
	tallies map[uint32][]int

	// What operators ruled and stands, by node number and by pair of node numbers.
	verdicts map[uint32]evidence.Verdict
	cuts     map[uint64]evidence.Cut
	cutsOf   map[uint32][]uint32
	// What was ruled and taken back, which the log keeps as well: an erasure has to find it.
	lifted  map[[2]uuid.UUID]struct{}
	neutral map[uuid.UUID]struct{}
	// suppressed has the time of each erasure.
	suppressed map[evidence.SuppressionKey]int64

	sums  evidence.Sums
	stats Stats
	work  work
}

// none is the number of no node, pair or component.
const none = ^uint32(0)

// node is an identifier that a pair, a ruling or the rules name. 48 bytes.
type node struct {
	id uuid.UUID
	// seenLow and seenHigh are the first-seen time, the minimum over the live pairs.
	seenLow  uint32
	seenHigh uint16
	typ      uint16
	flags    uint16
	// component is the number of its component, next makes a ring of the component's members, canonical is the
	// member that names its customer.
	component, next, canonical uint32
	// pairs is the first of its pairs, mark where the evaluation that is going on keeps notes about it.
	pairs, mark uint32
}

// The flags of a node.
const (
	// blocked and hub are steps 1 and 2 of F; either makes a node shared.
	blocked uint16 = 1 << iota
	hub
	// weak: every live pair says that the value is weak.
	weak
	// hasCut: a cut names the node.
	hasCut
	// told and toldHub are what effects have said so far of shared and hub; turned is a node that becomes
	// shared by the record being applied.
	told
	toldHub
	turned
	// pending: the node waits for its turn while everything is evaluated anew.
	pending
	// allowed: an operator said that the node is no hub, and not blocked by the rules.
	allowed
	// gone: the number is free.
	gone
	shared = blocked | hub
)

func (n *node) firstSeen() int64 { return int64(n.seenLow) | int64(n.seenHigh)<<32 }

func (n *node) see(at int64) { n.seenLow, n.seenHigh = uint32(at), uint16(at>>32) }

func (n *node) is(flag uint16) bool { return n.flags&flag != 0 }

func (n *node) set(flag uint16, on bool) {
	n.flags &^= flag
	if on {
		n.flags |= flag
	}
}

// component is connected by live pairs of class <= level, as step 3 of F has it. 16 bytes.
type component struct {
	// head is one of the members, customers how many customers of two or more they make.
	head, size, customers uint32
	level                 int8
	// conflict: all members together break a limit, the cap or a cut, so Kruskal decides. cut: a cut names one.
	conflict, cut bool
	// oversize: the level is below the link class, because there it is too large.
	oversize bool
}

// Effect is what one record did. Equal graphs make equal effects of equal records.
type Effect struct {
	// Changes has each node at most once, ascending.
	Changes []Change
	// Audits are in the order of kind and nodes. What an operator ruled is in the record and not repeated.
	Audits []Audit
	// Pair is what is known of an Edge record's pair now; source, event and normaliser are the record's. News
	// is whether the record said something new; Worse, that it says less than is known: append Pair once more,
	// because compaction keeps the last record.
	Pair        evidence.Edge
	News, Worse bool
	// Forgotten are pairs that an erasure ends, known or not, with ends and types where they are known: their
	// keys need tombstones. So do those of ForgottenCuts and ForgottenVerdicts.
	Forgotten         []evidence.Edge
	ForgottenCuts     []evidence.Cut
	ForgottenVerdicts []evidence.Verdict
}

// Change says that a node has another customer than before, or became or ceased to be shared, or (reason
// Neighbour) that a node beside it became shared.
type Change struct {
	Node                uuid.UUID
	Type                string
	Canonical, Previous uuid.UUID
	Shared              bool
	Reason              identitymap.Reason
}

// Audit is one thing that happened: a pair is new (Linked), is refused, is accepted after all; a hub is raised
// or lowered; a component is over max_component (Oversize, Count 0 when that ends); a customer A fell apart and
// B is a part with another name (Split).
type Audit struct {
	Kind         identitymap.AuditKind
	A, B         uuid.UUID
	TypeA, TypeB string
	// Class is what the pair counts with under the rules.
	Class uint8
	// Limit is the type of identifier whose limit was met, max_cluster, max_component or cut; Count is how many
	// there would be, or are.
	Limit string
	Count int
}

// The limits that are no type's.
const (
	LimitCluster   = "max_cluster"
	LimitComponent = "max_component"
	LimitCut       = "cut"
)

// Stats are sizes, for metrics.
type Stats struct {
	// Customers are those of two nodes or more.
	Nodes, Pairs, Customers int
	Hubs, Blocked           int
	// Refused are pairs that would join two customers over a limit, the cap or a cut; Conflicted the components
	// with such; Oversize the components that count with a stricter class because they are too large otherwise.
	Refused, Conflicted, Oversize int
	Suppressed                    int
}

// New returns an empty graph without rules: nothing links until a Rules record. suppression is the second hash
// of a node; nil is for a workspace where nothing is ever erased.
func New(suppression func(node uuid.UUID) evidence.SuppressionKey) *Graph {
	return &Graph{
		suppression: suppression,
		linkClass:   -1,
		types:       newTypes(),
		nobody:      make(map[uuid.UUID]struct{}),
		verdicts:    make(map[uint32]evidence.Verdict),
		cuts:        make(map[uint64]evidence.Cut),
		cutsOf:      make(map[uint32][]uint32),
		tallies:     make(map[uint32][]int),
		lifted:      make(map[[2]uuid.UUID]struct{}),
		neutral:     make(map[uuid.UUID]struct{}),
		suppressed:  make(map[evidence.SuppressionKey]int64),
	}
}

// Position is how much of the log was applied: the offset of the last record plus one.
func (g *Graph) Position() int64 { return g.position }

// Sums are of the whole graph, for a comparison with another.
func (g *Graph) Sums() evidence.Sums {
	sums := g.sums
	sums.Nodes, sums.Pairs = uint64(g.stats.Nodes), uint64(g.stats.Pairs)
	return sums
}

// Rules is the last Rules record; false when there was none.
func (g *Graph) Rules() (evidence.Rules, bool) { return g.rules, g.ruled }

// Engine is the highest engine that a record asked for.
func (g *Graph) Engine() uint16 { return g.engine }

// Stats counts.
func (g *Graph) Stats() Stats {
	stats := g.stats
	stats.Suppressed = len(g.suppressed)
	return stats
}

// Customer is the node's customer: the node itself when nothing links it. known is whether the graph has it.
func (g *Graph) Customer(id uuid.UUID) (customer uuid.UUID, known bool) {
	n, known := g.number(id)
	if !known {
		return id, false
	}
	return g.nodes.at(g.nodes.at(n).canonical).id, true
}

// Shared is whether the node stands for more than one person, or for nobody: a hub, or blocked.
func (g *Graph) Shared(id uuid.UUID) bool {
	n, known := g.number(id)
	return known && g.nodes.at(n).is(shared)
}

// Missing reports whether the log lacks something of e, and what to append: e joined with what is known of the
// pair. Nothing is missing when as much is known, when an end is blocked or suppressed, or when the pair could
// neither link nor decide on a hub. That is so when one end is shared and each end either is a hub already, with
// neighbours in [Reserve], or is none by however many of the other's type: such a pair never comes alive by more
// evidence, so the partition is the same without it, whoever saw it first. What is known already is still improved when it
// is not live: it is bounded by the pairs, and then a hub that is lifted has the first-seen times of all of them.
func (g *Graph) Missing(e *evidence.Edge) (evidence.Edge, bool) {
	if e.A.Node == e.B.Node {
		return evidence.Edge{}, false
	}
	a, knownA := g.number(e.A.Node)
	b, knownB := g.number(e.B.Node)
	if knownA && g.nodes.at(a).is(blocked) || knownB && g.nodes.at(b).is(blocked) {
		return evidence.Edge{}, false
	}
	if knownA && knownB {
		if p := g.find(a, b); p != none {
			known := g.edge(p, e)
			return evidence.Join(e, &known), e.Adds(&known)
		}
	}
	if g.useless(a, knownA, e.A.Type, e.B.Type) && g.useless(b, knownB, e.B.Type, e.A.Type) &&
		(knownA && g.nodes.at(a).is(shared) || knownB && g.nodes.at(b).is(shared)) {
		return evidence.Edge{}, false
	}
	if g.forgotten(e.A.Node) || g.forgotten(e.B.Node) {
		return evidence.Edge{}, false
	}
	return *e, true
}

// useless is whether one more neighbour of a type can neither make the node a hub nor help it to stay one.
func (g *Graph) useless(n uint32, known bool, typ, neighbour string) bool {
	room, limited := g.room(n, known, typ, neighbour)
	return !limited || room < -Reserve
}

func (g *Graph) number(id uuid.UUID) (uint32, bool) { return g.index.find(id, &g.nodes) }
