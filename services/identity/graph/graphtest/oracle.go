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

// Partition is F, steps 1 to 5.
func (s State) Partition() map[uuid.UUID]Outcome {
	rules := evidence.Ruleset{}
	linkClass := -1
	if s.Rules != nil {
		rules, linkClass = *s.Rules, int(s.Rules.LinkClass)
	}
	types := map[uuid.UUID]string{}
	for _, e := range s.Edges {
		for _, end := range []evidence.End{e.A, e.B} {
			if typ, known := types[end.Node]; !known || end.Type < typ {
				types[end.Node] = end.Type
			}
		}
	}
	rule := func(id uuid.UUID) evidence.TypeRule {
		if r, known := rules.Types[types[id]]; known {
			return r
		}
		return evidence.TypeRule{Rank: evidence.UnknownRank, Class: evidence.WorstClass}
	}
	nodes := s.nodes(rules)

	// 1. Leave out.
	out := map[uuid.UUID]bool{}
	for _, id := range rules.Blocked {
		out[id] = s.Verdicts[id] != evidence.Allowed
	}
	for id, ruling := range s.Verdicts {
		out[id] = out[id] || ruling == evidence.Blocked
	}
	var left []evidence.Edge
	for key, e := range s.Edges {
		if !s.Cuts[key] && !out[key[0]] && !out[key[1]] {
			left = append(left, e)
		}
	}
	// 2. Hubs.
	neighbours := map[uuid.UUID]map[string]int{}
	for _, e := range left {
		for _, ends := range [][2]uuid.UUID{{e.A.Node, e.B.Node}, {e.B.Node, e.A.Node}} {
			if neighbours[ends[0]] == nil {
				neighbours[ends[0]] = map[string]int{}
			}
			neighbours[ends[0]][types[ends[1]]]++
		}
	}
	for id, counts := range neighbours {
		for typ, most := range rule(id).Hubs {
			out[id] = out[id] || counts[typ] > most && s.Verdicts[id] != evidence.Allowed
		}
	}
	var live []link
	seen, weak := map[uuid.UUID]int64{}, map[uuid.UUID]bool{}
	for _, e := range left {
		if out[e.A.Node] || out[e.B.Node] {
			continue
		}
		class := max(int(e.Class), int(rule(e.A.Node).Class), int(rule(e.B.Node).Class))
		if e.A.Weak || e.B.Weak {
			class = evidence.WorstClass
		}
		live = append(live, link{e, class})
		for _, end := range []evidence.End{e.A, e.B} {
			if at, known := seen[end.Node]; !known {
				seen[end.Node], weak[end.Node] = e.FirstSeen, end.Weak
			} else {
				seen[end.Node], weak[end.Node] = min(at, e.FirstSeen), weak[end.Node] && end.Weak
			}
		}
	}
	// 3. Bound the work.
	group := map[uuid.UUID]uuid.UUID{} // node -> the smallest node of its component
	level := map[uuid.UUID]int{}
	for _, id := range nodes {
		group[id], level[id] = id, -1
	}
	for k := linkClass; k >= 0; k-- {
		for _, members := range components(nodes, live, k) {
			if len(members) > rules.MaxComponent {
				continue
			}
			for _, id := range members {
				if level[id] == -1 {
					group[id], level[id] = members[0], k
				}
			}
		}
	}
	// 4. Constrained Kruskal.
	slices.SortFunc(live, func(x, y link) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare((100-x.Score)/evidence.ScoreBucket, (100-y.Score)/evidence.ScoreBucket),
			cmp.Compare(x.FirstSeen, y.FirstSeen), bytes.Compare(x.A.Node[:], y.A.Node[:]), bytes.Compare(x.B.Node[:], y.B.Node[:]))
	})
	cluster := map[uuid.UUID][]uuid.UUID{}
	for _, id := range nodes {
		cluster[id] = []uuid.UUID{id}
	}
	for _, l := range live {
		a, b := l.A.Node, l.B.Node
		if group[a] != group[b] || l.class > level[a] || slices.Contains(cluster[a], b) {
			continue
		}
		union := slices.Concat(cluster[a], cluster[b])
		if s.allowed(union, types, rules) {
			for _, id := range union {
				cluster[id] = union
			}
		}
	}
	// 5. The best member names the customer.
	rank := func(id uuid.UUID) int {
		if weak[id] {
			return int(rule(id).Rank) + evidence.WeakRank
		}
		return int(rule(id).Rank)
	}
	outcomes := map[uuid.UUID]Outcome{}
	for _, id := range nodes {
		outcomes[id] = Outcome{Shared: out[id], Customer: slices.MinFunc(cluster[id], func(x, y uuid.UUID) int {
			return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(seen[x], seen[y]), bytes.Compare(x[:], y[:]))
		})}
	}
	return outcomes
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
