package graph_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/graph/graphtest"
)

// Sums tell graphs apart: what changes a customer, or makes a node shared, changes the sum of the map; news
// change the sum of the evidence, and nothing else that is said does.
func TestSumsTellGraphsApart(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		g := graph.New(suppression)
		shares := map[uuid.UUID]bool{}
		for i, r := range drawHistory(t, names{}) {
			before := g.Sums()
			effect := g.Apply(int64(i+1), r)
			moved := before.Nodes != g.Sums().Nodes
			for _, c := range effect.Changes {
				moved = moved || c.Canonical != c.Previous || c.Shared != shares[c.Node]
				shares[c.Node] = c.Shared
			}
			if moved != (g.Sums().Map != before.Map) {
				t.Fatalf("%T: %+v; the sum of the map was %x and is %x", r, effect, before.Map, g.Sums().Map)
			}
			if _, edge := r.(*evidence.Edge); edge && len(effect.Forgotten) == 0 && effect.News != (g.Sums().Evidence != before.Evidence) {
				t.Fatalf("%+v; the sum of the evidence was %x and is %x", effect, before.Evidence, g.Sums().Evidence)
			}
		}
	})
}

// When a node becomes shared, its neighbours have rows of the same record: they stand for it now.
func TestNeighboursOfSharedNodesAreTold(t *testing.T) {
	seen := 0
	check(t, 1000, func(t *rapid.T) {
		g := graph.New(suppression)
		shares := map[uuid.UUID]bool{}
		for i, r := range drawHistory(t, names{}) {
			effect := g.Apply(int64(i+1), r)
			for _, c := range effect.Changes {
				if c.Shared && !shares[c.Node] {
					for _, e := range g.Edges(c.Node) {
						other := e.Edge.A.Node
						if other == c.Node {
							other = e.Edge.B.Node
						}
						if !slices.ContainsFunc(effect.Changes, func(o graph.Change) bool { return o.Node == other }) {
							t.Fatalf("%s became shared and its neighbour %s was not told: %+v", c.Node, other, effect.Changes)
						}
						seen++
					}
				}
				shares[c.Node] = c.Shared
			}
		}
	})
	if seen == 0 {
		t.Error("no node with neighbours became shared")
	}
}

// The same of customers of some size, where counts are kept instead of made: 60 nodes, up to 40 of them one
// customer.
func TestLargeCustomersAreAsTheOracleSays(t *testing.T) {
	rules := evidence.Ruleset{
		LinkClass: 2, MaxCluster: 40, MaxComponent: 55,
		Types: map[string]evidence.TypeRule{
			"user": {Rank: 0, Limit: 3}, "mail": {Rank: 1, Limit: 9}, "device": {Rank: 2, Limit: 28, Hubs: map[string]int{"user": 2}},
		},
	}
	largest := 0
	for seed := range uint64(60) {
		random := source{rand.NewChaCha8([32]byte{byte(seed), 9})}
		pick := rand.New(random)
		ends := make([]evidence.End, 60)
		for i := range ends {
			ends[i] = evidence.End{Node: random.id(), Type: "device"}
			if i < 6 {
				ends[i].Type = "user"
			} else if i < 20 {
				ends[i].Type = "mail"
			}
		}
		g := graph.New(suppression)
		history := []evidence.Record{&evidence.Rules{Workspace: workspace, Rules: rules}}
		g.Apply(1, history[0])
		for i := range 140 {
			a, b := pick.IntN(60), pick.IntN(59)
			if b >= a {
				b++
			}
			e := evidence.NewEdge(workspace, ends[a], ends[b])
			e.FirstSeen = int64(pick.IntN(1000))
			var r evidence.Record = &e
			if pick.IntN(40) == 0 {
				r = &evidence.Cut{Workspace: workspace, A: e.A.Node, B: e.B.Node, Lifted: pick.IntN(2) == 0}
			}
			history = append(history, r)
			g.Apply(int64(i+2), r)
			if i%7 != 0 {
				continue
			}
			want := graphtest.F(history, suppression)
			for _, end := range ends {
				customer, known := g.Customer(end.Node)
				if outcome, named := want[end.Node]; known != named || named && outcome.Customer != customer {
					t.Fatalf("seed %d, record %d: %s is %s, F says %s", seed, i, end.Node, customer, outcome.Customer)
				}
				largest = max(largest, len(g.Members(end.Node)))
			}
		}
	}
	if largest < 30 {
		t.Errorf("the largest customer had %d nodes", largest)
	}
}

// Why a customer changed, case by case.
func TestReasons(t *testing.T) {
	w := names{}
	end := func(i int) evidence.End { return evidence.End{Node: w.node(i), Type: typeOf(i)} }
	edge := func(i, j, at int) evidence.Record {
		e := evidence.NewEdge(workspace, end(i), end(j))
		e.FirstSeen = int64(at)
		return &e
	}
	rules := rulesets(w)[0]
	f := func(name string, want identitymap.Reason, records ...evidence.Record) {
		t.Helper()
		g := graph.New(suppression)
		g.Apply(1, &evidence.Rules{Workspace: workspace, Rules: rules})
		var last graph.Effect
		for i, r := range records {
			last = g.Apply(int64(i+2), r)
		}
		if len(last.Changes) == 0 {
			t.Errorf("%s: no changes", name)
		}
		for _, c := range last.Changes {
			if c.Reason != want && c.Reason != identitymap.Neighbour {
				t.Errorf("%s: %+v, want %s", name, c, want)
			}
		}
	}
	block := &evidence.Verdict{Workspace: workspace, Node: w.node(3), Ruling: evidence.Blocked}
	neutral := &evidence.Verdict{Workspace: workspace, Node: w.node(3)}
	f("two become one", identitymap.Joined, edge(0, 3, 1))
	f("a better first sight", identitymap.Renamed, edge(8, 9, 5), edge(9, 10, 5), edge(10, 12, 4), edge(8, 13, 1), edge(9, 12, 1))
	// The card goes with the user who showed it first.
	f("an earlier user", identitymap.Split, edge(6, 3, 1), edge(3, 0, 9), edge(6, 8, 1), edge(8, 1, 2))
	f("a third user at a device", identitymap.Hub, edge(0, 8, 1), edge(1, 8, 2), edge(2, 8, 3))
	f("a block", identitymap.Blocked, edge(0, 3, 1), block)
	f("a block is lifted", identitymap.Lifted, edge(0, 3, 1), block, neutral)
	erase := func(nodes ...uuid.UUID) evidence.Record { return &evidence.Erase{Workspace: workspace, Nodes: nodes} }
	f("an erasure", identitymap.Erased, edge(0, 3, 1), erase(w.node(0), w.node(3)))
	f("other rules", identitymap.Rules, edge(0, 3, 1), &evidence.Rules{Workspace: workspace, Rules: evidence.Ruleset{MaxCluster: 1, MaxComponent: 1}})
}
