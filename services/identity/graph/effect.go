package graph

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/parcours-cdp/parcours/internal/identitymap"
)

// outcome is what becomes the effect of a record.
type outcome struct {
	effect Effect
	// cause is why customers change; 0 is for evidence, where it has to be found out.
	cause identitymap.Reason
	// silent: nobody wants to know. bulk: this is one of many evaluations of one record.
	silent, bulk            bool
	wasOversize, isOversize bool
	// loose are nodes that may have nothing left that names them.
	loose []uint32
}

func (g *Graph) begin(cause identitymap.Reason) {
	g.work.effect, g.work.cause = Effect{}, cause
	g.work.loose = g.work.loose[:0]
}

// end forgets nodes that nothing names and puts the effect in order.
func (g *Graph) end() Effect {
	g.sweep()
	effect := g.work.effect
	g.work.effect = Effect{}
	effect.sort()
	return effect
}

func (e *Effect) sort() {
	slices.SortFunc(e.Changes, func(x, y Change) int { return bytes.Compare(x.Node[:], y.Node[:]) })
	slices.SortFunc(e.Audits, func(x, y Audit) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), bytes.Compare(x.A[:], y.A[:]), bytes.Compare(x.B[:], y.B[:]),
			cmp.Compare(x.Limit, y.Limit), cmp.Compare(x.Count, y.Count))
	})
}

// conclude says what an evaluation changed for its seeds, and keeps counts and sums.
func (g *Graph) conclude() {
	w := &g.work
	if w.silent {
		g.concludeInSilence()
		return
	}
	if w.conflict {
		g.concludeRefusals()
	}
	turnedAny := w.bulk
	for _, n := range w.seeds {
		g.concludeHub(n)
		if at := g.nodes.at(n); at.is(shared) && !at.is(told) {
			at.set(turned, true)
			turnedAny = true
		}
	}
	why := g.reasons()
	for _, n := range w.seeds {
		at := g.nodes.at(n)
		before := g.entry(n).before
		isShared := at.is(shared)
		moved, flipped := at.canonical != before, isShared != at.is(told)
		if moved || flipped {
			g.sums.Map -= nodeSum(at.id, g.id(before), at.is(told))
			g.sums.Map += nodeSum(at.id, g.id(at.canonical), isShared)
			at.set(told, isShared)
		} else if !turnedAny || !g.besideTurned(n) {
			continue
		}
		w.effect.Changes = append(w.effect.Changes, Change{
			Node: at.id, Type: g.typeName(n), Canonical: g.id(at.canonical), Previous: g.id(before), Shared: isShared,
			Reason: g.reason(n, moved, flipped, why),
		})
	}
	if !w.bulk {
		for _, n := range w.seeds {
			g.nodes.at(n).set(turned, false)
		}
	}
	g.concludeOversize()
}

func (g *Graph) concludeInSilence() {
	for _, n := range g.work.seeds {
		at := g.nodes.at(n)
		at.set(told, at.is(shared))
		at.set(toldHub, at.is(hub))
	}
	for _, r := range g.work.refusals {
		g.refuse(r.pair, true)
	}
}

func (g *Graph) besideTurned(n uint32) bool {
	for _, other := range g.around(n) {
		if g.nodes.at(other).is(turned) {
			return true
		}
	}
	return false
}

// concludeHub audits a hub that is raised or lowered.
func (g *Graph) concludeHub(n uint32) {
	at := g.nodes.at(n)
	if at.is(hub) == at.is(toldHub) {
		return
	}
	at.set(toldHub, at.is(hub))
	audit := Audit{Kind: identitymap.AuditHubLowered, A: at.id, TypeA: g.typeName(n)}
	if at.is(hub) {
		audit.Kind = identitymap.AuditHubRaised
		audit.Limit, audit.Count, _ = g.overHub(n)
		if g.work.cause == 0 {
			g.work.cause = identitymap.Hub
		}
	}
	g.audit(audit)
}

func (g *Graph) audit(a Audit) { g.work.effect.Audits = append(g.work.effect.Audits, a) }

// concludeRefusals audits pairs that are refused now and were not, and those that were and join their ends now.
func (g *Graph) concludeRefusals() {
	w := &g.work
	kept := make(map[uint32]bool, len(w.refusals))
	for _, r := range w.refusals {
		kept[r.pair] = true
		if g.pairs.at(r.pair).facts()&refused == 0 {
			g.refuse(r.pair, true)
			g.audit(g.pairAudit(identitymap.AuditRefused, r.pair, r.limit, r.count))
		}
	}
	for _, n := range w.seeds {
		for p := range g.around(n) {
			at := g.pairs.at(p)
			if at.a != n || at.facts()&refused == 0 || kept[p] {
				continue
			}
			g.refuse(p, false)
			if g.live(at) && g.nodes.at(at.a).canonical == g.nodes.at(at.b).canonical {
				g.audit(g.pairAudit(identitymap.AuditAccepted, p, "", 0))
			}
		}
	}
}

func (g *Graph) refuse(p uint32, is bool) {
	at := g.pairs.at(p)
	if is {
		at.put(at.facts() | refused)
		g.stats.Refused++
		return
	}
	at.put(at.facts() &^ refused)
	g.stats.Refused--
}

func (g *Graph) pairAudit(kind identitymap.AuditKind, p uint32, limit string, count int) Audit {
	at := g.pairs.at(p)
	return Audit{
		Kind: kind, A: g.id(at.a), B: g.id(at.b), TypeA: g.typeName(at.a), TypeB: g.typeName(at.b),
		Class: uint8(at.facts().counts()), Limit: limit, Count: count,
	}
}

// concludeOversize audits that what was evaluated is too large for the link class, or no longer.
func (g *Graph) concludeOversize() {
	w := &g.work
	is := w.isOversize
	if w.wasOversize == is || w.bulk {
		return // after a change of rules, the counts say it
	}
	least := w.seeds[0]
	for _, n := range w.seeds[1:] {
		if g.less(n, least) < 0 {
			least = n
		}
	}
	audit := Audit{Kind: identitymap.AuditOversize, A: g.id(least), TypeA: g.typeName(least), Limit: LimitComponent}
	if is {
		audit.Count = g.rules.Rules.MaxComponent + 1
	}
	g.audit(audit)
}

// reasons has for each customer whether it fell apart, and for each whether it came together.
type reasons struct {
	split, joined map[uint32]bool
}

func (g *Graph) reasons() reasons {
	w := &g.work
	why := reasons{split: map[uint32]bool{}, joined: map[uint32]bool{}}
	moved := false
	for _, n := range w.seeds {
		moved = moved || g.nodes.at(n).canonical != g.entry(n).before
	}
	if !moved {
		return why
	}
	after, before := map[uint32]uint32{}, map[uint32]uint32{}
	parts := map[[2]uint32]bool{}
	for _, n := range w.seeds {
		at := g.nodes.at(n)
		if at.is(shared) {
			continue
		}
		was, is := g.entry(n).before, at.canonical
		if first, seen := after[was]; seen && first != is {
			why.split[was] = true
			parts[[2]uint32{was, first}], parts[[2]uint32{was, is}] = true, true
		} else if !seen {
			after[was] = is
		}
		if first, seen := before[is]; seen && first != was {
			why.joined[is] = true
		} else if !seen {
			before[is] = was
		}
	}
	for part := range parts { // the effect is sorted at the end
		if part[0] != part[1] {
			g.audit(Audit{
				Kind: identitymap.AuditSplit, A: g.id(part[0]), B: g.id(part[1]),
				TypeA: g.typeName(part[0]), TypeB: g.typeName(part[1]),
			})
		}
	}
	return why
}

func (g *Graph) reason(n uint32, moved, flipped bool, why reasons) identitymap.Reason {
	w, at := &g.work, g.nodes.at(n)
	switch {
	case w.cause == identitymap.Rules:
		if !moved && !flipped {
			return identitymap.Neighbour
		}
		return w.cause
	case w.cause == identitymap.Erased && g.forgotten(at.id):
		// Of the erased alone: readers forget all that they have of a node with this reason.
		return w.cause
	case flipped && at.is(blocked):
		return identitymap.Blocked
	case flipped && at.is(hub):
		return identitymap.Hub
	case flipped:
		return identitymap.Lifted
	case !moved:
		return identitymap.Neighbour
	case w.cause != 0 && w.cause != identitymap.Erased:
		return w.cause
	case why.split[g.entry(n).before]:
		return identitymap.Split
	case why.joined[at.canonical]:
		return identitymap.Joined
	}
	return identitymap.Renamed
}

// change says that a node's customer is another now, and makes it so.
func (g *Graph) change(n, canonical uint32, reason identitymap.Reason) {
	at := g.nodes.at(n)
	before := g.id(at.canonical)
	at.canonical = canonical
	after := g.id(canonical)
	g.sums.Map += nodeSum(at.id, after, at.is(told)) - nodeSum(at.id, before, at.is(told))
	g.work.effect.Changes = append(g.work.effect.Changes, Change{
		Node: at.id, Type: g.typeName(n), Canonical: after, Previous: before, Shared: at.is(told), Reason: reason,
	})
}

// sweep forgets the loose nodes that no pair, ruling or rule names, so that a graph does not depend on what was
// in it once.
func (g *Graph) sweep() {
	slices.Sort(g.work.loose)
	for _, n := range slices.Compact(g.work.loose) {
		at := g.nodes.at(n)
		if at.pairs != none {
			continue
		}
		at.typ = 0
		_, ruled := g.verdicts[n]
		_, nobody := g.nobody[at.id]
		if ruled || nobody || at.is(hasCut) {
			continue
		}
		g.tell(g.components.at(at.component), -1)
		g.components.drop(at.component)
		g.index.remove(at.id, n)
		g.sums.Map -= nodeSum(at.id, at.id, at.is(told))
		g.stats.Nodes--
		at.flags = gone
		g.nodes.drop(n)
	}
}
