package graph

import "bytes"

// work is what an evaluation keeps while it goes on.
type work struct {
	// entries are notes about nodes: a node's mark is the number of its entry, if that says so too.
	entries []entry
	// seeds are the nodes that get a component anew: the members of all that were dissolved.
	seeds   []uint32
	queue   []uint32
	retired []uint32
	round   uint32
	// grown: pairs have come and none went, so what was too large is too large still.
	grown bool
	// conflict: a component that was dissolved, or a new one, is in conflict.
	conflict bool
	// levels has each node's level when everything is evaluated anew; nil when all are the link class.
	levels   []int8
	refusals []refusal
	solver   solver
	outcome
}

// entry is a note about a node. over is the smallest level known to make its component too large.
type entry struct {
	node, before, round, local uint32
	over                       int8
	seed, placed               bool
}

const neverOver = 127

// note has the place of the node's entry.
func (g *Graph) note(n uint32) uint32 {
	w, at := &g.work, g.nodes.at(n)
	if at.mark < uint32(len(w.entries)) && w.entries[at.mark].node == n {
		return at.mark
	}
	at.mark = uint32(len(w.entries))
	w.entries = append(w.entries, entry{node: n, before: at.canonical, over: neverOver})
	return at.mark
}

func (g *Graph) entry(n uint32) *entry {
	i := g.note(n) // may move the entries
	return &g.work.entries[i]
}

// evaluate gives the components of the touched nodes, and those they make now, anew; then it says what changed.
//
// That is enough. A node's component can change only if a pair that changed has an end in the old one or in
// the new one: otherwise no set of connected nodes that counts for it has changed.
func (g *Graph) evaluate(touched []uint32) {
	w := &g.work
	for _, n := range touched {
		g.dissolve(g.nodes.at(n).component)
		g.seed(n)
	}
	for i := 0; i < len(w.seeds); i++ { // form adds seeds
		if n := w.seeds[i]; !g.entry(n).placed {
			g.place(n)
		}
	}
	g.conclude()
	for _, c := range w.retired {
		g.components.drop(c)
	}
	w.entries, w.seeds, w.retired, w.refusals = w.entries[:0], w.seeds[:0], w.retired[:0], w.refusals[:0]
	w.round, w.grown, w.conflict, w.wasOversize, w.isOversize = 0, false, false, false, false
}

func (g *Graph) seed(n uint32) {
	e := g.entry(n)
	if !e.seed {
		e.seed = true
		g.work.seeds = append(g.work.seeds, n)
	}
}

// dissolve makes seeds of a component's members. Until they are placed they can still be asked for its level.
func (g *Graph) dissolve(c uint32) {
	if c == none {
		return
	}
	at := g.components.at(c)
	if at.size == 0 {
		return
	}
	n := at.head
	for range at.size {
		g.seed(n)
		n = g.nodes.at(n).next
	}
	g.work.conflict = g.work.conflict || at.conflict
	g.work.wasOversize = g.work.wasOversize || at.oversize
	g.tell(at, -1)
	delete(g.tallies, c)
	at.size = 0
	g.work.retired = append(g.work.retired, c)
}

// place is step 3 of F for one node: the largest k for which what is connected to it by live pairs of class <= k
// is at most max_component nodes.
func (g *Graph) place(n uint32) {
	k := g.linkClass
	if g.work.levels != nil {
		k = g.work.levels[n]
	}
	for ; k >= 0; k-- {
		if g.reach(n, k) {
			g.form(g.work.queue, k)
			return
		}
	}
	g.work.queue = append(g.work.queue[:0], n)
	g.form(g.work.queue, -1)
}

// reach fills the queue with what is connected to a node at level k. When that is too large it returns false,
// and all seeds that it can reach over other seeds know, so that the next one need not walk again.
func (g *Graph) reach(from uint32, k int8) bool {
	w := &g.work
	w.round++
	start := g.entry(from)
	if start.over <= k {
		return false
	}
	start.round = w.round
	w.queue = append(w.queue[:0], from)
	over := false
	for i := 0; i < len(w.queue); i++ {
		n := w.queue[i]
		for p, other := range g.around(n) {
			at := g.pairs.at(p)
			if at.facts().counts() > k || !g.live(at) {
				continue
			}
			e := g.entry(other)
			if e.round == w.round {
				continue
			}
			e.round = w.round
			over = over || e.over <= k || (w.grown || e.placed) && g.components.at(g.nodes.at(other).component).level < k
			if !over || e.seed && !e.placed {
				w.queue = append(w.queue, other)
				over = over || len(w.queue) > g.rules.Rules.MaxComponent
			}
		}
	}
	if over {
		for _, n := range w.queue {
			g.entry(n).over = k
		}
	}
	return !over
}

// form makes a component of nodes, and steps 4 and 5 of F for it.
func (g *Graph) form(members []uint32, level int8) {
	w := &g.work
	for i, n := range members {
		// A component that a member comes from goes with it; what of it is no member is placed later.
		g.dissolve(g.nodes.at(n).component)
		g.seed(n)
		e := g.entry(n)
		e.placed, e.local = true, uint32(i)
	}
	c := g.components.add(component{head: members[0], size: uint32(len(members)), level: level, oversize: level < g.linkClass})
	for i, n := range members {
		at := g.nodes.at(n)
		at.component, at.next = c, members[(i+1)%len(members)]
		at.set(pending, false)
	}
	at := g.components.at(c)
	at.conflict, at.cut = g.conflicting(members)
	w.isOversize = w.isOversize || at.oversize
	if at.conflict {
		w.conflict = true
		at.customers = g.cluster(members, level)
	} else {
		g.name(members)
		if len(members) > 1 {
			at.customers = 1
		}
	}
	g.tell(at, 1)
}

// name is step 5 of F: a customer's best member names it.
func (g *Graph) name(members []uint32) {
	best := members[0]
	for _, n := range members[1:] {
		best = g.better(best, n)
	}
	for _, n := range members {
		g.nodes.at(n).canonical = best
	}
}

// better is the node with the least (rank, first seen, id).
func (g *Graph) better(i, j uint32) uint32 {
	a, b := g.nodes.at(i), g.nodes.at(j)
	rankA, rankB := g.types.rank(a), g.types.rank(b)
	seenA, seenB := a.firstSeen(), b.firstSeen()
	if rankA < rankB || rankA == rankB && (seenA < seenB || seenA == seenB && bytes.Compare(a.id[:], b.id[:]) <= 0) {
		return i
	}
	return j
}

// tell counts a component in, or out.
func (g *Graph) tell(c *component, by int) {
	g.stats.Customers += by * int(c.customers)
	if c.conflict {
		g.stats.Conflicted += by
	}
	if c.oversize {
		g.stats.Oversize += by
	}
}
