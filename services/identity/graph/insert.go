package graph

import "github.com/parcours-cdp/parcours/internal/identitymap"

// insert carries F on by a live pair that is new, or says more than before.
func (g *Graph) insert(p uint32) {
	at := g.pairs.at(p)
	a, b, class := at.a, at.b, at.facts().counts()
	g.improve(a, at)
	g.improve(b, at)
	atA, atB := g.nodes.at(a), g.nodes.at(b)
	ofA, ofB := g.components.at(atA.component), g.components.at(atB.component)
	switch {
	case class > max(ofA.level, ofB.level):
		// It joins nobody, but its ends may be better than those that name their customers.
		g.rename(a, b)
	case atA.component == atB.component && !ofA.conflict:
		g.rename(a, b)
	case g.fits(atA.component, atB.component):
		g.unite(a, b)
	default:
		// A component whose level is lower than the class is left as it is: above that level it was too large and
		// still is, so nobody need look at the thousands of pairs that a node may have there.
		var touched []uint32
		for _, n := range [2]uint32{a, b} {
			if at := g.nodes.at(n); class <= g.components.at(at.component).level {
				touched = append(touched, n)
			} else {
				g.renameTo(n, at.canonical, g.better(at.canonical, n))
			}
		}
		g.work.grown = true
		g.evaluate(touched)
	}
}

// improve lowers a node's first-seen time and weakness to those of a live pair.
func (g *Graph) improve(n uint32, p *pair) {
	at := g.nodes.at(n)
	at.see(min(at.firstSeen(), p.facts().firstSeen()))
	if !p.weakEnd(n) {
		at.set(weak, false)
	}
}

// rename lets either node name its customer if it is the best now.
func (g *Graph) rename(a, b uint32) {
	wasA, wasB := g.nodes.at(a).canonical, g.nodes.at(b).canonical
	bestA, bestB := g.better(wasA, a), g.better(wasB, b)
	if wasA == wasB {
		bestA = g.better(bestA, bestB)
		bestB = bestA
	}
	g.renameTo(a, wasA, bestA)
	if wasA != wasB {
		g.renameTo(b, wasB, bestB)
	}
}

func (g *Graph) renameTo(n, was, best uint32) {
	if was == best {
		return
	}
	c := g.components.at(g.nodes.at(n).component)
	m := c.head
	for range c.size {
		if g.nodes.at(m).canonical == was {
			g.change(m, best, identitymap.Renamed)
		}
		m = g.nodes.at(m).next
	}
}

// fits is whether two components can be united as they are: at one level, without conflict, and none in what
// they make together.
func (g *Graph) fits(c, d uint32) bool {
	of, with := g.components.at(c), g.components.at(d)
	size := int(of.size) + int(with.size)
	if c == d || of.level != with.level || of.conflict || with.conflict || of.cut || with.cut ||
		size > g.rules.Rules.MaxComponent || size > g.rules.Rules.MaxCluster {
		return false
	}
	total := g.work.solver.zero(g.types.columns)
	g.tally(c, total)
	g.tally(d, total)
	for i := range g.types.list {
		if rule := &g.types.list[i]; rule.column >= 0 && total[rule.column] > rule.limit {
			return false
		}
	}
	return true
}

// tallied is the size from which on a component's counts are kept instead of made each time.
const tallied = 16

// tally adds a component's counts by column.
func (g *Graph) tally(c uint32, to []int) {
	of := g.components.at(c)
	if of.size < tallied {
		g.countMembers(of, to)
		return
	}
	kept, known := g.tallies[c]
	if !known {
		kept = make([]int, g.types.columns)
		g.countMembers(of, kept)
		g.tallies[c] = kept
	}
	for i, n := range kept {
		to[i] += n
	}
}

func (g *Graph) countMembers(c *component, to []int) {
	n := c.head
	for range c.size {
		at := g.nodes.at(n)
		if column := g.types.list[at.typ].column; column >= 0 {
			to[column]++
		}
		n = at.next
	}
}

// unite makes one component and one customer of two that fit, the smaller into the larger.
func (g *Graph) unite(a, b uint32) {
	best := g.better(g.better(g.nodes.at(a).canonical, a), g.better(g.nodes.at(b).canonical, b))
	if g.components.at(g.nodes.at(a).component).size < g.components.at(g.nodes.at(b).component).size {
		a, b = b, a
	}
	into, from := g.nodes.at(a).component, g.nodes.at(b).component
	large, small := g.components.at(into), g.components.at(from)
	if kept, known := g.tallies[into]; known {
		g.tally(from, kept)
	}
	g.tell(large, -1)
	g.tell(small, -1)
	if g.nodes.at(a).canonical != best {
		g.nameAll(large, best)
	}
	n := small.head
	for range small.size {
		at := g.nodes.at(n)
		at.component = into
		if at.canonical != best {
			g.change(n, best, identitymap.Joined)
		}
		n = at.next
	}
	// Two rings become one when one member of each swaps what comes next.
	atA, atB := g.nodes.at(a), g.nodes.at(b)
	atA.next, atB.next = atB.next, atA.next
	large.size += small.size
	large.customers = 1
	g.tell(large, 1)
	delete(g.tallies, from)
	g.components.drop(from)
}

func (g *Graph) nameAll(c *component, best uint32) {
	n := c.head
	for range c.size {
		if g.nodes.at(n).canonical != best {
			g.change(n, best, identitymap.Joined)
		}
		n = g.nodes.at(n).next
	}
}
