package graph

import (
	"cmp"
	"slices"
)

// conflicting is whether all the nodes as one customer would break a limit, the cap or a cut. If not, no pair
// between them can be refused, because what holds of a set holds of its parts. cut is whether a cut names one.
func (g *Graph) conflicting(members []uint32) (conflict, cut bool) {
	counts := g.work.solver.zero(g.types.columns)
	conflict = len(members) > g.rules.Rules.MaxCluster && len(members) > 1
	for _, n := range members {
		at := g.nodes.at(n)
		if rule := &g.types.list[at.typ]; rule.column >= 0 {
			counts[rule.column]++
			conflict = conflict || counts[rule.column] > rule.limit
		}
		if !at.is(hasCut) {
			continue
		}
		cut = true
		for _, other := range g.cutsOf[n] {
			conflict = conflict || g.nodes.at(other).component == at.component
		}
	}
	return conflict, cut
}

// cluster is step 4 of F for a component in conflict, then step 5; it returns how many customers of two nodes
// or more there are.
func (g *Graph) cluster(members []uint32, level int8) uint32 {
	w := &g.work
	s := &w.solver
	g.gather(s, members, level, func(n uint32) uint32 { return w.entries[g.nodes.at(n).mark].local })
	g.solve(s, &w.refusals)
	customers := uint32(0)
	for i, n := range members {
		root := s.find(uint32(i))
		if s.size[root] > 1 && root == uint32(i) {
			customers++
		}
		s.best[root] = g.better(s.best[root], n)
	}
	for i, n := range members {
		g.nodes.at(n).canonical = s.best[s.find(uint32(i))]
	}
	return customers
}

// solver is Kruskal's: nodes are numbered from 0 within the component.
type solver struct {
	links  []linkOf
	cuts   [][2]uint32
	parent []uint32
	size   []uint32
	best   []uint32
	// counts has a row of columns for each cluster.
	counts  []int
	columns int
	limits  []*typeRule
	scratch []int
	// accepted are the pairs that joined two clusters.
	accepted []linkOf
}

type linkOf struct {
	order      uint64
	pair, a, b uint32
}

// refusal is a pair that Kruskal refuses, for which limit, and how many there would have been.
type refusal struct {
	pair  uint32
	limit string
	count int
}

func (s *solver) zero(columns int) []int {
	s.scratch = append(s.scratch[:0], make([]int, columns)...)
	return s.scratch
}

// gather sets the solver up for the members of a component; local says a member's place among them.
func (g *Graph) gather(s *solver, members []uint32, level int8, local func(n uint32) uint32) {
	s.columns = g.types.columns
	s.links, s.cuts, s.parent, s.size, s.best, s.accepted = s.links[:0], s.cuts[:0], s.parent[:0], s.size[:0], s.best[:0], s.accepted[:0]
	s.counts = append(s.counts[:0], make([]int, len(members)*s.columns)...)
	s.limits = append(s.limits[:0], make([]*typeRule, s.columns)...)
	for i := range g.types.list {
		if rule := &g.types.list[i]; rule.column >= 0 {
			s.limits[rule.column] = rule
		}
	}
	for i, n := range members {
		at := g.nodes.at(n)
		s.parent, s.size, s.best = append(s.parent, uint32(i)), append(s.size, 1), append(s.best, n)
		if column := g.types.list[at.typ].column; column >= 0 {
			s.counts[i*s.columns+column] = 1
		}
		for p, other := range g.around(n) {
			link := g.pairs.at(p)
			// While rules change, readers may find a pair that counts and leads to where it is not evaluated yet.
			if link.a == n && link.facts().counts() <= level && g.live(link) && g.nodes.at(other).component == at.component {
				s.links = append(s.links, linkOf{order: link.facts().order(), pair: p, a: uint32(i), b: local(other)})
			}
		}
		if at.is(hasCut) {
			for _, other := range g.cutsOf[n] {
				if g.nodes.at(other).component == at.component && n < other {
					s.cuts = append(s.cuts, [2]uint32{uint32(i), local(other)})
				}
			}
		}
	}
}

// solve is step 4 of F: the pairs in the order of (class, missing score in buckets, first seen, smaller node,
// larger node); each joins two clusters unless the union would break a limit, the cap or a cut.
func (g *Graph) solve(s *solver, refusals *[]refusal) {
	slices.SortFunc(s.links, func(x, y linkOf) int {
		if c := cmp.Compare(x.order, y.order); c != 0 {
			return c
		}
		p, q := g.pairs.at(x.pair), g.pairs.at(y.pair)
		if c := g.less(p.a, q.a); c != 0 {
			return c
		}
		return g.less(p.b, q.b)
	})
	for _, link := range s.links {
		a, b := s.find(link.a), s.find(link.b)
		if a == b {
			continue
		}
		if limit, count := s.refuses(a, b, g.rules.Rules.MaxCluster); limit != "" {
			*refusals = append(*refusals, refusal{pair: link.pair, limit: limit, count: count})
			continue
		}
		s.accepted = append(s.accepted, link)
		if s.size[a] < s.size[b] {
			a, b = b, a
		}
		s.parent[b] = a
		s.size[a] += s.size[b]
		for i := range s.columns {
			s.counts[int(a)*s.columns+i] += s.counts[int(b)*s.columns+i]
		}
	}
}

// refuses is the first limit that the union of two clusters would break, and how many there would be.
func (s *solver) refuses(a, b uint32, maxCluster int) (limit string, count int) {
	for i, rule := range s.limits {
		if count = s.counts[int(a)*s.columns+i] + s.counts[int(b)*s.columns+i]; count > rule.limit {
			return rule.name, count
		}
	}
	if count = int(s.size[a] + s.size[b]); count > maxCluster {
		return LimitCluster, count
	}
	for _, cut := range s.cuts {
		if x, y := s.find(cut[0]), s.find(cut[1]); x == a && y == b || x == b && y == a {
			return LimitCut, 0
		}
	}
	return "", 0
}

func (s *solver) find(i uint32) uint32 {
	for s.parent[i] != i {
		s.parent[i] = s.parent[s.parent[i]]
		i = s.parent[i]
	}
	return i
}
