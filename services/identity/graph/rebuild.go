package graph

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

const (
	// chunk is about how many changes of a change of rules are told at once.
	chunk = 4096
	// breath is how many nodes are looked at before readers are let in again.
	breath = 1 << 16
)

// Load fills an empty graph with what a store remembers, in any order, and evaluates it once. It has no effects:
// they were told when the records were applied. Position is how much of the log the store had applied.
func (g *Graph) Load(records iter.Seq2[evidence.Record, error], position int64) error {
	if g.stats.Nodes > 0 || g.ruled || g.position != 0 {
		return errors.New("load the graph: it is not empty")
	}
	g.work.silent = true
	defer func() { g.work.silent = false }()
	g.begin(0)
	for r, err := range records {
		if err != nil {
			return fmt.Errorf("load the graph: %w", err)
		}
		if err := g.remember(r); err != nil {
			return fmt.Errorf("load the graph: %w", err)
		}
	}
	for range g.evaluateAll(identitymap.Rules) {
	}
	for n := range g.all() {
		at := g.nodes.at(n)
		g.sums.Map += nodeSum(at.id, g.id(at.canonical), at.is(told))
	}
	g.position = position
	return nil
}

// remember stores a record and evaluates nothing.
func (g *Graph) remember(r evidence.Record) error {
	switch r := r.(type) {
	case *evidence.Edge:
		g.workspace = r.Workspace
		if r.A.Node == r.B.Node {
			return errors.New("a pair of a node with itself")
		}
		a, b := g.intern(r.A.Node), g.intern(r.B.Node)
		p := g.find(a, b)
		g.store(&p, a, b, r)
		for _, n := range [2]uint32{a, b} {
			if g.pairs.at(p).claims(n) != g.nodes.at(n).typ {
				g.retype(n)
			}
		}
	case *evidence.Cut:
		g.workspace = r.Workspace
		g.noteCut(r)
		if !r.Lifted && r.A != r.B {
			g.addCut(g.intern(r.A), g.intern(r.B), r)
		}
	case *evidence.Verdict:
		g.workspace = r.Workspace
		g.noteVerdict(r)
		if r.Ruling != evidence.Neutral {
			g.setVerdict(g.intern(r.Node), r)
		}
	case *evidence.Suppress:
		g.suppress(r.Key, r.At)
	case *evidence.Rules:
		g.workspace = r.Workspace
		g.rules, g.ruled = *r, true
	case *evidence.Engine:
		g.engine = max(g.engine, r.Number)
	case *evidence.Digest:
	default:
		return fmt.Errorf("a store does not remember %T", r)
	}
	return nil
}

// ApplyRules takes new rules in and tells what they change, some thousand changes at a time. Between two effects
// others may read: every node has the customer it had or the one it gets. Nobody may write until it ends, and
// then the position moves. A user who stops early gets no more effects; the rules hold nevertheless.
func (g *Graph) ApplyRules(position int64, r *evidence.Rules) iter.Seq[Effect] {
	return func(yield func(Effect) bool) {
		g.begin(identitymap.Rules)
		g.workspace = r.Workspace
		g.rules, g.ruled = *r, true
		listening := true
		for effect := range g.evaluateAll(identitymap.Rules) {
			listening = listening && yield(effect)
		}
		if effect := g.end(); listening {
			yield(effect)
		}
		g.position = position
	}
}

func (g *Graph) applyRulesAtOnce(position int64, r *evidence.Rules) Effect {
	var all Effect
	for effect := range g.ApplyRules(position, r) {
		all.Changes = append(all.Changes, effect.Changes...)
		all.Audits = append(all.Audits, effect.Audits...)
	}
	all.sort()
	return all
}

// evaluateAll is F over everything under the graph's rules. It yields what changed so far from time to time, and
// always runs to its end.
func (g *Graph) evaluateAll(cause identitymap.Reason) iter.Seq[Effect] {
	return func(yield func(Effect) bool) {
		w := &g.work
		w.bulk, w.cause = true, cause
		g.takeRules()
		seen := 0
		pause := func() {
			if seen++; seen%breath == 0 {
				yield(Effect{})
			}
		}
		g.reviseAll(pause)
		w.levels = g.allLevels(pause)
		nodes := g.ascending()
		if w.silent {
			nodes = g.all() // nobody sees the order, and this one is faster
		}
		for n := range nodes {
			if g.nodes.at(n).is(pending) {
				g.evaluate([]uint32{n})
			}
			if len(w.effect.Changes)+len(w.effect.Audits) >= chunk {
				effect := w.effect
				w.effect = Effect{}
				effect.sort()
				yield(effect)
			}
			pause()
		}
		for n := range g.all() {
			g.nodes.at(n).set(turned, false)
		}
		w.bulk, w.levels = false, nil
	}
}

// takeRules gives types and nodes what the rules say of them.
func (g *Graph) takeRules() {
	g.linkClass = -1
	if g.ruled {
		g.linkClass = int8(min(g.rules.Rules.LinkClass, evidence.WorstClass))
	}
	g.types.rule(&g.rules.Rules)
	clear(g.tallies)
	for id := range g.nobody { // the loose are put in order
		if n, known := g.number(id); known {
			g.work.loose = append(g.work.loose, n)
		}
	}
	clear(g.nobody)
	for _, id := range g.rules.Rules.Blocked {
		g.nobody[id] = struct{}{}
		g.intern(id)
	}
}

// reviseAll is steps 1 and 2 of F for all nodes.
func (g *Graph) reviseAll(pause func()) {
	for n := range g.all() {
		g.mark(n, blocked, g.isBlocked(n))
		for p := range g.around(n) {
			if g.pairs.at(p).a == n {
				g.count(p)
			}
		}
		pause()
	}
	for n := range g.all() {
		_, _, over := g.overHub(n)
		g.mark(n, hub, over)
		pause()
	}
	for n := range g.all() {
		g.refresh(n)
		at := g.nodes.at(n)
		at.set(pending, true)
		at.set(turned, at.is(shared) && !at.is(told))
		pause()
	}
}

// allLevels is step 3 of F for all nodes: by number, the largest k at which its component is not too large; nil
// when that is the link class for all.
func (g *Graph) allLevels(pause func()) []int8 {
	if g.linkClass < 0 {
		return nil
	}
	parent, size := make([]uint32, g.nodes.size), make([]int32, g.nodes.size)
	find := func(i uint32) uint32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	levels := make([]int8, g.nodes.size)
	left := g.nodes.size
	for k := g.linkClass; k >= 0 && left > 0; k-- {
		for i := range parent {
			parent[i], size[i] = uint32(i), 1
		}
		for n := range g.all() {
			for p, other := range g.around(n) {
				at := g.pairs.at(p)
				if at.a != n || at.facts().counts() > k || !g.live(at) {
					continue
				}
				a, b := find(n), find(other)
				if a == b {
					continue
				}
				if size[a] < size[b] {
					a, b = b, a
				}
				parent[b], size[a] = a, size[a]+size[b]
			}
			pause()
		}
		left = 0
		for i := range levels {
			if k < g.linkClass && levels[i] > k {
				continue // a larger k had room for it
			}
			if levels[i] = k; int(size[find(uint32(i))]) > g.rules.Rules.MaxComponent {
				levels[i] = k - 1
				left++
			}
		}
		if k == g.linkClass && left == 0 {
			return nil
		}
	}
	return levels
}

// all has the numbers of all nodes, in the order of memory.
func (g *Graph) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for n := range g.nodes.size {
			if !g.nodes.at(n).is(gone) && !yield(n) {
				return
			}
		}
	}
}

// ascending has the numbers of all nodes in the order of their ids.
func (g *Graph) ascending() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		var some []uint32
		for i := range g.index.shards {
			some = some[:0]
			for _, entry := range g.index.shards[i].slots {
				if entry != 0 {
					some = append(some, uint32(entry)-1)
				}
			}
			slices.SortFunc(some, g.less)
			for _, n := range some {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// Ruled are the nodes that operators ruled on, ascending.
func (g *Graph) Ruled() []uuid.UUID {
	var ids []uuid.UUID
	for _, n := range slices.SortedFunc(maps.Keys(g.verdicts), g.less) {
		ids = append(ids, g.id(n))
	}
	return ids
}
