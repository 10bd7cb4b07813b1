package graph

import (
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Apply takes one record of the log in; position is its offset plus one. Rules go through [Graph.ApplyRules],
// which can let readers in between; Apply takes them, too, all at once.
func (g *Graph) Apply(position int64, r evidence.Record) Effect {
	g.begin(0)
	switch r := r.(type) {
	case *evidence.Edge:
		g.workspace = r.Workspace
		g.applyEdge(r)
	case *evidence.Cut:
		g.workspace = r.Workspace
		g.applyCut(r)
	case *evidence.Verdict:
		g.workspace = r.Workspace
		g.applyVerdict(r)
	case *evidence.Erase:
		g.applyErase(r)
	case *evidence.Suppress:
		g.suppress(r.Key, r.At)
	case *evidence.Rules:
		return g.applyRulesAtOnce(position, r)
	case *evidence.Engine:
		g.engine = max(g.engine, r.Number)
	case *evidence.Tombstone:
		g.applyTombstone(r)
	}
	g.position = position
	return g.end()
}

// applyEdge takes evidence in. A record of a suppressed node is dropped, with the pair if it is still there, and
// its key has to go from the log: a reader of the compacted log may meet it before it hears of the erasure.
func (g *Graph) applyEdge(e *evidence.Edge) {
	if e.A.Node == e.B.Node {
		return
	}
	if g.forgotten(e.A.Node) || g.forgotten(e.B.Node) {
		g.work.effect.Forgotten = append(g.work.effect.Forgotten, *e)
		g.forgetPair(e)
		return
	}
	a, b := g.intern(e.A.Node), g.intern(e.B.Node)
	p := g.find(a, b)
	isNew := p == none
	news := g.store(&p, a, b, e)
	effect := &g.work.effect
	effect.Pair, effect.News = g.edge(p, e), news
	effect.Worse = !effect.Pair.Same(e)
	if !news {
		return
	}
	touched := []uint32{a, b}
	for _, n := range [2]uint32{a, b} {
		if g.pairs.at(p).claims(n) == g.nodes.at(n).typ {
			continue // as ever
		}
		isFirst := isNew && g.pairs.at(p).next(n) == none
		if g.retype(n) && !isFirst {
			for _, other := range g.around(n) {
				touched = append(touched, other)
			}
		}
	}
	g.count(p)
	if isNew {
		g.audit(g.pairAudit(identitymap.AuditLinked, p, "", 0))
	}
	if len(touched) > 2 || isNew && (g.becomesHub(a, b) || g.becomesHub(b, a)) {
		g.revise(touched, nil)
		return
	}
	if g.live(g.pairs.at(p)) {
		g.insert(p)
	}
}

// store joins a record with what is known of its pair, and returns whether it said something new.
func (g *Graph) store(p *uint32, a, b uint32, e *evidence.Edge) bool {
	says, typeA, typeB := pack(e), g.types.number(e.A.Type), g.types.number(e.B.Type)
	if *p == none {
		*p = g.link(a, b)
		if _, cut := g.cuts[cutKey(a, b)]; cut {
			says |= isCut
		}
		at := g.pairs.at(*p)
		at.put(says)
		at.typeA, at.typeB = typeA, typeB
		g.sums.Evidence += g.pairSum(*p)
		return true
	}
	at := g.pairs.at(*p)
	before := at.facts()
	joined := before.join(says)
	typeA, typeB = g.types.smaller(at.typeA, typeA), g.types.smaller(at.typeB, typeB)
	if joined == before&said && typeA == at.typeA && typeB == at.typeB {
		return false
	}
	g.sums.Evidence -= g.pairSum(*p)
	at.put(joined | before&^said)
	at.typeA, at.typeB = typeA, typeB
	g.sums.Evidence += g.pairSum(*p)
	return true
}

// becomesHub is whether n's new neighbour makes a hub of it.
func (g *Graph) becomesHub(n, neighbour uint32) bool {
	at := g.nodes.at(n)
	if at.is(shared | allowed) {
		return false
	}
	for _, rule := range g.types.list[at.typ].hubs {
		if rule.typ == g.nodes.at(neighbour).typ {
			_, _, over := g.overHub(n)
			return over
		}
	}
	return false
}

// intern has the number of a node, and adds one that is new: alone, its own customer.
func (g *Graph) intern(id uuid.UUID) uint32 {
	if n, known := g.number(id); known {
		return n
	}
	n := g.nodes.add(node{id: id, component: none, pairs: none, flags: weak})
	at := g.nodes.at(n)
	at.see(int64(seenMask))
	at.canonical, at.next = n, n
	g.index.add(id, n)
	g.stats.Nodes++
	if !g.work.silent {
		at.component = g.components.add(component{head: n, size: 1, level: g.linkClass})
		g.sums.Map += nodeSum(id, id, false)
	}
	return n
}

func cutKey(a, b uint32) uint64 { return uint64(min(a, b))<<32 | uint64(max(a, b)) }

func (g *Graph) applyCut(c *evidence.Cut) {
	if g.forgotten(c.A) || g.forgotten(c.B) {
		g.work.effect.ForgottenCuts = append(g.work.effect.ForgottenCuts, *c)
		g.liftCut(c.A, c.B)
		return
	}
	g.noteCut(c)
	if c.Lifted {
		g.liftCut(c.A, c.B)
		return
	}
	if c.A == c.B {
		return
	}
	g.work.cause = identitymap.Cut
	a, b := g.intern(c.A), g.intern(c.B)
	if g.addCut(a, b, c) {
		g.revise([]uint32{a, b}, nil)
	}
}

// addCut returns whether the two were not cut already.
func (g *Graph) addCut(a, b uint32, c *evidence.Cut) bool {
	_, stands := g.cuts[cutKey(a, b)]
	g.cuts[cutKey(a, b)] = *c
	if stands {
		return false
	}
	g.cutsOf[a], g.cutsOf[b] = append(g.cutsOf[a], b), append(g.cutsOf[b], a)
	g.nodes.at(a).set(hasCut, true)
	g.nodes.at(b).set(hasCut, true)
	if p := g.find(a, b); p != none {
		g.pairs.at(p).put(g.pairs.at(p).facts() | isCut)
	}
	g.sums.Evidence += cutSum(c)
	return true
}

func (g *Graph) liftCut(idA, idB uuid.UUID) {
	a, knownA := g.number(idA)
	b, knownB := g.number(idB)
	if !knownA || !knownB || !g.removeCut(a, b) {
		return
	}
	g.work.cause = identitymap.Lifted
	g.work.loose = append(g.work.loose, a, b)
	g.revise([]uint32{a, b}, nil)
}

// removeCut returns whether there was one.
func (g *Graph) removeCut(a, b uint32) bool {
	c, stands := g.cuts[cutKey(a, b)]
	if !stands {
		return false
	}
	delete(g.cuts, cutKey(a, b))
	for _, ends := range [2][2]uint32{{a, b}, {b, a}} {
		n, rest := ends[0], g.cutsOf[ends[0]][:0]
		for _, other := range g.cutsOf[n] {
			if other != ends[1] {
				rest = append(rest, other)
			}
		}
		if g.cutsOf[n] = rest; len(rest) == 0 {
			delete(g.cutsOf, n)
			g.nodes.at(n).set(hasCut, false)
		}
	}
	if p := g.find(a, b); p != none {
		g.pairs.at(p).put(g.pairs.at(p).facts() &^ isCut)
	}
	g.sums.Evidence -= cutSum(&c)
	return true
}

func (g *Graph) applyVerdict(v *evidence.Verdict) {
	if g.forgotten(v.Node) {
		g.work.effect.ForgottenVerdicts = append(g.work.effect.ForgottenVerdicts, *v)
		g.forgetVerdict(v)
		return
	}
	g.noteVerdict(v)
	if v.Ruling == evidence.Neutral {
		g.forgetVerdict(v)
		return
	}
	n := g.intern(v.Node)
	g.work.cause = identitymap.Lifted
	if v.Ruling == evidence.Blocked {
		g.work.cause = identitymap.Blocked
	}
	if g.setVerdict(n, v) {
		g.revise(nil, []uint32{n})
	}
}

// setVerdict returns whether the ruling is another than before.
func (g *Graph) setVerdict(n uint32, v *evidence.Verdict) bool {
	before, stood := g.verdicts[n]
	if stood {
		g.sums.Evidence -= verdictSum(&before)
	}
	if v.Ruling == evidence.Neutral {
		delete(g.verdicts, n)
	} else {
		g.verdicts[n] = *v
		g.sums.Evidence += verdictSum(v)
	}
	g.nodes.at(n).set(allowed, v.Ruling == evidence.Allowed)
	return before.Ruling != v.Ruling
}

// applyTombstone takes a record back: a pair whose evidence goes, or a ruling. What else has tombstones (an
// erasure that was carried out, most of all) leaves nothing to take back.
func (g *Graph) applyTombstone(t *evidence.Tombstone) {
	switch of := t.Of.(type) {
	case *evidence.Edge:
		g.forgetPair(of)
	case *evidence.Cut:
		delete(g.lifted, [2]uuid.UUID{of.A, of.B})
		g.liftCut(of.A, of.B)
	case *evidence.Verdict:
		delete(g.neutral, of.Node)
		g.forgetVerdict(of)
	}
}

func (g *Graph) forgetPair(e *evidence.Edge) {
	a, knownA := g.number(e.A.Node)
	b, knownB := g.number(e.B.Node)
	if !knownA || !knownB {
		return
	}
	if p := g.find(a, b); p != none {
		g.work.cause = identitymap.Erased
		g.revise(g.retypeAll(g.removePair(p)), nil)
	}
}

func (g *Graph) forgetVerdict(v *evidence.Verdict) {
	n, known := g.number(v.Node)
	if !known {
		return
	}
	g.work.cause = identitymap.Lifted
	g.work.loose = append(g.work.loose, n)
	if g.setVerdict(n, &evidence.Verdict{Node: v.Node}) {
		g.revise(nil, []uint32{n})
	}
}

// removePair returns the nodes that it touches.
func (g *Graph) removePair(p uint32) []uint32 {
	a, b := g.pairs.at(p).a, g.pairs.at(p).b
	g.unlink(p)
	g.work.loose = append(g.work.loose, a, b)
	return []uint32{a, b}
}

// retypeAll gives nodes that lost pairs the types that are left; a node without any keeps its own until all is
// told. It adds the nodes that this touches.
func (g *Graph) retypeAll(nodes []uint32) []uint32 {
	touched := nodes
	for _, n := range nodes {
		if g.nodes.at(n).pairs != none && g.retype(n) {
			for _, other := range g.around(n) {
				touched = append(touched, other)
			}
		}
	}
	return touched
}
