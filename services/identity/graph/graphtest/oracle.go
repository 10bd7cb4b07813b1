// Package graphtest has F once more, written down in one piece as docs/adr/0006-constrained-identity.md has it,
// for tests to hold the graph against. It shares no code with the graph, takes all records at once, is slow, and
// has no state.
package graphtest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Outcome is what F says of a node.
type Outcome struct {
	Customer uuid.UUID
	Shared   bool
}

type pair [2]uuid.UUID

// F is the partition that a log makes: every node that a pair, a ruling that stands, or the rules name.
func F(records []evidence.Record, suppression func(uuid.UUID) evidence.SuppressionKey) map[uuid.UUID]Outcome {
	return Fold(records, suppression).Partition()
}

// State is what the records of a log leave: joined evidence, the last rulings, the last rules.
type State struct {
	Edges    map[[2]uuid.UUID]evidence.Edge
	Cuts     map[[2]uuid.UUID]bool
	Verdicts map[uuid.UUID]evidence.Ruling
	Rules    *evidence.Ruleset
	erased   map[evidence.SuppressionKey]bool
}

// Fold reads a log.
func Fold(records []evidence.Record, suppression func(uuid.UUID) evidence.SuppressionKey) State {
	s := State{map[[2]uuid.UUID]evidence.Edge{}, map[[2]uuid.UUID]bool{}, map[uuid.UUID]evidence.Ruling{}, nil, map[evidence.SuppressionKey]bool{}}
	gone := func(ids ...uuid.UUID) bool {
		return slices.ContainsFunc(ids, func(id uuid.UUID) bool { return len(s.erased) > 0 && s.erased[suppression(id)] })
	}
	for _, r := range records {
		switch r := r.(type) {
		case *evidence.Edge:
			key := pair{r.A.Node, r.B.Node}
			if gone(key[:]...) {
				delete(s.Edges, key)
				continue
			}
			before, known := s.Edges[key]
			if !known {
				before = *r
			}
			s.Edges[key] = evidence.Join(&before, r)
		case *evidence.Cut:
			if key := (pair{r.A, r.B}); r.Lifted || gone(key[:]...) {
				delete(s.Cuts, key)
			} else {
				s.Cuts[key] = true
			}
		case *evidence.Verdict:
			if r.Ruling == evidence.Neutral || gone(r.Node) {
				delete(s.Verdicts, r.Node)
			} else {
				s.Verdicts[r.Node] = r.Ruling
			}
		case *evidence.Erase:
			for _, id := range r.Nodes {
				s.erased[suppression(id)] = true
				maps.DeleteFunc(s.Edges, func(p [2]uuid.UUID, _ evidence.Edge) bool { return p[0] == id || p[1] == id })
				maps.DeleteFunc(s.Cuts, func(p [2]uuid.UUID, _ bool) bool { return p[0] == id || p[1] == id })
				delete(s.Verdicts, id)
			}
		case *evidence.Suppress:
			s.erased[r.Key] = true
		case *evidence.Rules:
			s.Rules = &r.Rules
		case *evidence.Tombstone:
			switch of := r.Of.(type) {
			case *evidence.Edge:
				delete(s.Edges, pair{of.A.Node, of.B.Node})
			case *evidence.Cut:
				delete(s.Cuts, pair{of.A, of.B})
			case *evidence.Verdict:
				delete(s.Verdicts, of.Node)
			}
		}
	}
	return s
}

// link is a live pair with the class it counts with.
type link struct {
	evidence.Edge
	class int
}

// evaluation is F on its way.
type evaluation struct {
	State
	rules     evidence.Ruleset
	linkClass int
	nodes     []uuid.UUID
	types     map[uuid.UUID]string
	// shared are blocked nodes after step 1, and hubs after step 2.
	shared map[uuid.UUID]bool
	left   []evidence.Edge
	live   []link
	seen   map[uuid.UUID]int64
	weak   map[uuid.UUID]bool
	// group is the smallest node of a node's component, level the component's k.
	group   map[uuid.UUID]uuid.UUID
	level   map[uuid.UUID]int
	cluster map[uuid.UUID][]uuid.UUID
}

// Partition is F, steps 1 to 5.
func (s State) Partition() map[uuid.UUID]Outcome {
	f := evaluation{State: s, linkClass: -1, types: map[uuid.UUID]string{}, shared: map[uuid.UUID]bool{}}
	if s.Rules != nil {
		f.rules, f.linkClass = *s.Rules, int(s.Rules.LinkClass)
	}
	for _, e := range s.Edges {
		for _, end := range []evidence.End{e.A, e.B} {
			if typ, known := f.types[end.Node]; !known || end.Type < typ {
				f.types[end.Node] = end.Type
			}
		}
	}
	f.nodes = s.nodes(f.rules)
	f.leaveOut()
	f.hubs()
	f.bound()
	f.kruskal()
	outcomes := map[uuid.UUID]Outcome{}
	for _, id := range f.nodes {
		outcomes[id] = Outcome{Shared: f.shared[id], Customer: slices.MinFunc(f.cluster[id], f.compare)}
	}
	return outcomes
}

func (f *evaluation) rule(id uuid.UUID) evidence.TypeRule {
	if r, known := f.rules.Types[f.types[id]]; known {
		return r
	}
	return evidence.TypeRule{Rank: evidence.UnknownRank, Class: evidence.WorstClass}
}

// leaveOut is step 1.
func (f *evaluation) leaveOut() {
	for _, id := range f.rules.Blocked {
		f.shared[id] = f.Verdicts[id] != evidence.Allowed
	}
	for id, ruling := range f.Verdicts {
		f.shared[id] = f.shared[id] || ruling == evidence.Blocked
	}
	for key, e := range f.Edges {
		if !f.Cuts[key] && !f.shared[key[0]] && !f.shared[key[1]] {
			f.left = append(f.left, e)
		}
	}
}

// hubs is step 2: hubs, the pairs that are live then, and what these say of their nodes.
func (f *evaluation) hubs() {
	neighbours := map[uuid.UUID]map[string]int{}
	for _, e := range f.left {
		for _, ends := range [][2]uuid.UUID{{e.A.Node, e.B.Node}, {e.B.Node, e.A.Node}} {
			if neighbours[ends[0]] == nil {
				neighbours[ends[0]] = map[string]int{}
			}
			neighbours[ends[0]][f.types[ends[1]]]++
		}
	}
	for id, counts := range neighbours {
		for typ, most := range f.rule(id).Hubs {
			f.shared[id] = f.shared[id] || counts[typ] > most && f.Verdicts[id] != evidence.Allowed
		}
	}
	f.seen, f.weak = map[uuid.UUID]int64{}, map[uuid.UUID]bool{}
	for _, e := range f.left {
		if f.shared[e.A.Node] || f.shared[e.B.Node] {
			continue
		}
		class := max(int(e.Class), int(f.rule(e.A.Node).Class), int(f.rule(e.B.Node).Class))
		if e.A.Weak || e.B.Weak {
			class = evidence.WorstClass
		}
		f.live = append(f.live, link{e, class})
		for _, end := range []evidence.End{e.A, e.B} {
			if at, known := f.seen[end.Node]; !known {
				f.seen[end.Node], f.weak[end.Node] = e.FirstSeen, end.Weak
			} else {
				f.seen[end.Node], f.weak[end.Node] = min(at, e.FirstSeen), f.weak[end.Node] && end.Weak
			}
		}
	}
}

// bound is step 3.
func (f *evaluation) bound() {
	f.group, f.level = map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]int{}
	for _, id := range f.nodes {
		f.group[id], f.level[id] = id, -1
	}
	for k := f.linkClass; k >= 0; k-- {
		for _, members := range components(f.nodes, f.live, k) {
			if len(members) > f.rules.MaxComponent {
				continue
			}
			for _, id := range members {
				if f.level[id] == -1 {
					f.group[id], f.level[id] = members[0], k
				}
			}
		}
	}
}

// kruskal is step 4.
func (f *evaluation) kruskal() {
	slices.SortFunc(f.live, func(x, y link) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare((100-x.Score)/evidence.ScoreBucket, (100-y.Score)/evidence.ScoreBucket),
			cmp.Compare(x.FirstSeen, y.FirstSeen), bytes.Compare(x.A.Node[:], y.A.Node[:]), bytes.Compare(x.B.Node[:], y.B.Node[:]))
	})
	f.cluster = map[uuid.UUID][]uuid.UUID{}
	for _, id := range f.nodes {
		f.cluster[id] = []uuid.UUID{id}
	}
	for _, l := range f.live {
		a, b := l.A.Node, l.B.Node
		if f.group[a] != f.group[b] || l.class > f.level[a] || slices.Contains(f.cluster[a], b) {
			continue
		}
		union := slices.Concat(f.cluster[a], f.cluster[b])
		if f.allowed(union, f.types, f.rules) {
			for _, id := range union {
				f.cluster[id] = union
			}
		}
	}
}

// compare is step 5: the best member goes first.
func (f *evaluation) compare(x, y uuid.UUID) int {
	rank := func(id uuid.UUID) int {
		if f.weak[id] {
			return int(f.rule(id).Rank) + evidence.WeakRank
		}
		return int(f.rule(id).Rank)
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(f.seen[x], f.seen[y]), bytes.Compare(x[:], y[:]))
}

// nodes are all that something names, ascending.
func (s State) nodes(rules evidence.Ruleset) []uuid.UUID {
	var nodes []uuid.UUID
	for key := range s.Edges {
		nodes = append(nodes, key[:]...)
	}
	for key := range s.Cuts {
		nodes = append(nodes, key[:]...)
	}
	for id := range s.Verdicts {
		nodes = append(nodes, id)
	}
	nodes = append(nodes, rules.Blocked...)
	slices.SortFunc(nodes, func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) })
	return slices.Compact(nodes)
}

// allowed is whether nodes may be one customer.
func (s State) allowed(union []uuid.UUID, types map[uuid.UUID]string, rules evidence.Ruleset) bool {
	counts := map[string]int{}
	for _, id := range union {
		counts[types[id]]++
		if limit := rules.Types[types[id]].Limit; limit > 0 && counts[types[id]] > limit {
			return false
		}
		for _, other := range union {
			if s.Cuts[pair{id, other}] {
				return false
			}
		}
	}
	return len(union) <= rules.MaxCluster
}

// components are the nodes connected by live pairs of class <= k, each ascending.
func components(nodes []uuid.UUID, live []link, k int) [][]uuid.UUID {
	var found [][]uuid.UUID
	seen := map[uuid.UUID]bool{}
	next := map[uuid.UUID][]uuid.UUID{}
	for _, l := range live {
		if l.class <= k {
			next[l.A.Node] = append(next[l.A.Node], l.B.Node)
			next[l.B.Node] = append(next[l.B.Node], l.A.Node)
		}
	}
	for _, id := range nodes {
		if seen[id] {
			continue
		}
		seen[id] = true
		members := []uuid.UUID{id}
		for i := 0; i < len(members); i++ {
			for _, other := range next[members[i]] {
				if !seen[other] {
					seen[other] = true
					members = append(members, other)
				}
			}
		}
		slices.SortFunc(members, func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) })
		found = append(found, members)
	}
	return found
}
