package graph_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// A change of rules gives what a graph has that was built under these rules, and what it tells leads there.
func TestRulesChangeIsARebuild(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{}
		s := newStore()
		m := reader{}
		history := append(drawHistory(t, w), drawRules(t, w))
		for i, r := range history {
			m.read(t, s.apply(i+1, r).Changes)
		}
		rebuilt := s.load(t)
		same(t, "rules changed and rebuilt", s.g, rebuilt, w)
		for i := range nodesInWorld {
			customer, _ := rebuilt.Customer(w.node(i))
			if row := m.customer(w.node(i)); row.Canonical != customer || row.Shared != rebuilt.Shared(w.node(i)) {
				t.Fatalf("node %d: the map says %+v, the rebuilt graph %s", i, row, customer)
			}
		}
	})
}

// Rules for a graph of some size come in chunks, and between them readers find for every node the customer it had
// or the one it gets, and all members of a customer agree.
func TestReadersDuringARulesChange(t *testing.T) {
	const households = 5000
	w := names{}
	narrow, wide := rulesets(w)[0], rulesets(w)[1]
	narrow.MaxComponent, wide.MaxComponent = 100, 100
	narrow.Types = maps.Clone(narrow.Types)
	narrow.Types["device"] = evidence.TypeRule{Rank: 3, Limit: 1}
	random := rand.New(rand.NewPCG(1, 2))
	id := func() (id uuid.UUID) {
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		return id
	}
	g, fresh := graph.New(suppression), graph.New(suppression)
	g.Apply(1, &evidence.Rules{Workspace: workspace, Rules: wide})
	fresh.Apply(1, &evidence.Rules{Workspace: workspace, Rules: narrow})
	var ids []uuid.UUID
	for i := range households {
		user := evidence.End{Node: id(), Type: "user"}
		ids = append(ids, user.Node)
		for range 3 {
			device := evidence.End{Node: id(), Type: "device"}
			ids = append(ids, device.Node)
			e := evidence.NewEdge(workspace, user, device)
			e.FirstSeen = int64(i)
			g.Apply(int64(i+2), &e)
			fresh.Apply(int64(i+2), &e)
		}
	}
	before, want := customers(g, ids), customers(fresh, ids)
	chunks, told := 0, map[uuid.UUID]bool{}
	position := g.Position() + 1
	for effect := range g.ApplyRules(position, &evidence.Rules{Workspace: workspace, Rules: narrow}) {
		chunks++
		for _, c := range effect.Changes {
			if told[c.Node] {
				t.Fatalf("%s is told twice", c.Node)
			}
			told[c.Node] = true
		}
		if g.Position() == position {
			t.Fatal("the position moved before the end")
		}
		for _, n := range ids {
			customer, _ := g.Customer(n)
			if told[n] && customer != want[n] || !told[n] && customer != before[n] {
				t.Fatalf("%s belongs to %s, it was %s and will be %s; told: %v", n, customer, before[n], want[n], told[n])
			}
			for _, m := range g.Members(n) {
				if m.Customer != customer {
					t.Fatalf("%s and %s are members of one customer and do not agree", n, m.Node)
				}
			}
		}
	}
	if chunks < 2 || g.Position() != position {
		t.Fatalf("%d chunks, position %d, want several and %d", chunks, g.Position(), position)
	}
	if !maps.Equal(customers(g, ids), want) || g.Sums() != fresh.Sums() || g.Stats() != fresh.Stats() {
		t.Fatalf("changed to other rules: %+v %+v; built under them: %+v %+v", g.Sums(), g.Stats(), fresh.Sums(), fresh.Stats())
	}
}

func customers(g *graph.Graph, ids []uuid.UUID) map[uuid.UUID]uuid.UUID {
	of := make(map[uuid.UUID]uuid.UUID, len(ids))
	for _, id := range ids {
		of[id], _ = g.Customer(id)
	}
	return of
}

// A user who stops listening to a change of rules gets the rules all the same.
func TestStoppingEarlyIsStillTheRules(t *testing.T) {
	check(t, 200, func(t *rapid.T) {
		w := names{}
		history := drawHistory(t, w)
		rules := drawRules(t, w)
		g, heard := apply(history), apply(history)
		position := int64(len(history) + 1)
		for range g.ApplyRules(position, rules) {
			break
		}
		heard.Apply(position, rules)
		same(t, "not listened to", heard, g, w)
	})
}

func TestLoadRefuses(t *testing.T) {
	one := slices.Values([]evidence.Record{&evidence.Erase{}})
	g := graph.New(suppression)
	if err := g.Load(func(yield func(evidence.Record, error) bool) {
		for r := range one {
			yield(r, nil)
		}
	}, 1); err == nil {
		t.Error("an erasure is no record of a store")
	}
	g = apply([]evidence.Record{&evidence.Engine{Number: 1}})
	if err := g.Load(func(func(evidence.Record, error) bool) {}, 1); err == nil {
		t.Error("a graph that is not empty cannot be loaded")
	}
	if g.Engine() != 1 {
		t.Errorf("engine %d", g.Engine())
	}
}
