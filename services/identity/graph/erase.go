package graph

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Erasure. An Erase record takes its nodes out, with their pairs and rulings, and from then on records that name
// one of them are dropped. A Suppress record only says the same of the future: it does not look for its node in
// the graph, which would take a hash of every node. It need not. A reader of the whole log has met the Erase
// record before it. A reader of a compacted log may find a Suppress without it, and before it records of the
// node, but never without the tombstones that follow: of every pair and ruling that was known when the Erase
// record was applied, and of every one that came afterwards, because a record that is dropped is answered with a
// tombstone, too. So at the end of what the log had when the tombstones were written both have the same graph,
// and a store, which holds what its graph holds, agrees with it at every position.

// Suppressed is the time of the erasure that a key is of.
func (g *Graph) Suppressed(key evidence.SuppressionKey) (at int64, ok bool) {
	at, ok = g.suppressed[key]
	return at, ok
}

// Suppressions is how many erased nodes are remembered.
func (g *Graph) Suppressions() int { return len(g.suppressed) }

// forgotten is whether a node was erased. It costs nothing where nothing was.
func (g *Graph) forgotten(id uuid.UUID) bool {
	if len(g.suppressed) == 0 || g.suppression == nil {
		return false
	}
	_, is := g.suppressed[g.suppression(id)]
	return is
}

// suppress remembers an erasure; of two of one node the later holds.
func (g *Graph) suppress(key evidence.SuppressionKey, at int64) {
	before, known := g.suppressed[key]
	if known && at <= before {
		return
	}
	if known {
		g.sums.Evidence -= suppressSum(key, before)
	}
	g.suppressed[key] = at
	g.sums.Evidence += suppressSum(key, at)
}

func (g *Graph) applyErase(e *evidence.Erase) {
	effect := &g.work.effect
	g.work.cause = identitymap.Erased
	var touched, erased []uint32
	for _, id := range e.Nodes {
		if g.suppression != nil {
			g.suppress(g.suppression(id), e.Note.At)
		}
		n, known := g.number(id)
		if !known {
			continue
		}
		erased = append(erased, n)
		for g.nodes.at(n).pairs != none {
			p := g.nodes.at(n).pairs
			effect.Forgotten = append(effect.Forgotten, g.edge(p, nil))
			touched = append(touched, g.removePair(p)...)
		}
		for _, other := range slices.Clone(g.cutsOf[n]) {
			effect.ForgottenCuts = append(effect.ForgottenCuts, g.cuts[cutKey(n, other)])
			g.removeCut(n, other)
			touched = append(touched, other)
			g.work.loose = append(g.work.loose, other)
		}
		if v, stands := g.verdicts[n]; stands {
			effect.ForgottenVerdicts = append(effect.ForgottenVerdicts, v)
			g.setVerdict(n, &evidence.Verdict{Node: id})
		}
		g.work.loose = append(g.work.loose, n)
	}
	g.forgetTakenBack(e.Nodes)
	g.revise(g.retypeAll(touched), erased)
	g.tellErased(e.Nodes)
	slices.SortFunc(effect.Forgotten, func(x, y evidence.Edge) int { return comparePairs(x.A.Node, x.B.Node, y.A.Node, y.B.Node) })
	slices.SortFunc(effect.ForgottenCuts, func(x, y evidence.Cut) int { return comparePairs(x.A, x.B, y.A, y.B) })
	slices.SortFunc(effect.ForgottenVerdicts, func(x, y evidence.Verdict) int { return bytes.Compare(x.Node[:], y.Node[:]) })
}

func comparePairs(a, b, c, d uuid.UUID) int {
	if first := bytes.Compare(a[:], c[:]); first != 0 {
		return first
	}
	return bytes.Compare(b[:], d[:])
}

// tellErased gives every erased node a row of its own, whether or not it was somebody else's: an event may name
// it, and the graph may have known it once.
func (g *Graph) tellErased(ids []uuid.UUID) {
	effect := &g.work.effect
	told := make(map[uuid.UUID]bool, len(ids))
	for i := range effect.Changes {
		told[effect.Changes[i].Node] = true
	}
	for _, id := range ids {
		if !told[id] {
			told[id] = true
			effect.Changes = append(effect.Changes, Change{Node: id, Canonical: id, Previous: id, Shared: g.Shared(id), Reason: identitymap.Erased})
		}
	}
}

// noteCut and noteVerdict keep in mind what is in the log, though it decides nothing any more.
func (g *Graph) noteCut(c *evidence.Cut) {
	delete(g.lifted, [2]uuid.UUID{c.A, c.B})
	if c.Lifted {
		g.lifted[[2]uuid.UUID{c.A, c.B}] = struct{}{}
	}
}

func (g *Graph) noteVerdict(v *evidence.Verdict) {
	delete(g.neutral, v.Node)
	if v.Ruling == evidence.Neutral {
		g.neutral[v.Node] = struct{}{}
	}
}

// forgetTakenBack ends the rulings on erased nodes that were taken back before: they name the nodes as well.
func (g *Graph) forgetTakenBack(ids []uuid.UUID) {
	effect := &g.work.effect
	if len(g.lifted) > 0 {
		erased := make(map[uuid.UUID]bool, len(ids))
		for _, id := range ids {
			erased[id] = true
		}
		for pair := range g.lifted { // the effect is sorted at the end
			if erased[pair[0]] || erased[pair[1]] {
				delete(g.lifted, pair)
				effect.ForgottenCuts = append(effect.ForgottenCuts, evidence.Cut{Workspace: g.workspace, A: pair[0], B: pair[1], Lifted: true})
			}
		}
	}
	for _, id := range ids {
		if _, known := g.neutral[id]; known {
			delete(g.neutral, id)
			effect.ForgottenVerdicts = append(effect.ForgottenVerdicts, evidence.Verdict{Workspace: g.workspace, Node: id})
		}
	}
}
