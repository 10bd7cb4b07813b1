package graph_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// Whatever an operator rules, only nodes around those that are named get another customer.
func TestRulingsMoveWhatIsAround(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{honest: true}
		history := drawHistory(t, w)
		g := apply(history)
		note := evidence.Note{At: 1000}
		var record evidence.Record
		for _, rules := record.(*evidence.Rules); record == nil || rules; _, rules = record.(*evidence.Rules) {
			record = drawRuling(t, w, rapid.IntRange(33, 37).Draw(t, "ruling"), note)
		}
		var named []uuid.UUID
		switch r := record.(type) {
		case *evidence.Cut:
			named = []uuid.UUID{r.A, r.B}
		case *evidence.Verdict:
			named = []uuid.UUID{r.Node}
		case *evidence.Erase:
			named = r.Nodes
		}
		before, all := g.Around(named, 1000)
		if !all {
			t.Skip("a component is too large")
		}
		for _, p := range before {
			if customer, _ := g.Customer(p.Node); customer != p.Customer {
				t.Fatalf("%s is said to be of %s and is of %s", p.Node, p.Customer, customer)
			}
		}
		if some, all := g.Around(named, len(before)-1); len(before) > 0 && (all || len(some) != len(before)-1) {
			t.Fatalf("%d of %d nodes, all is %v", len(some), len(before), all)
		}
		for _, c := range g.Apply(int64(len(history)+1), record).Changes {
			inside := slices.ContainsFunc(before, func(p graph.Place) bool { return p.Node == c.Node })
			if c.Canonical != c.Previous && !inside {
				t.Fatalf("%+v moved %+v, which was not among %v", record, c, before)
			}
		}
	})
}

// The evidence of a customer is that of its members, each pair once, the oldest first.
func TestEvidenceIsThatOfAllMembers(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{honest: true}
		g := apply(drawHistory(t, w))
		node := w.node(rapid.IntRange(0, nodesInWorld-1).Draw(t, "of"))
		type ends struct{ a, b uuid.UUID }
		want := make(map[ends]string)
		for _, m := range g.Members(node) {
			for _, e := range g.Edges(m.Node) {
				want[ends{e.Edge.A.Node, e.Edge.B.Node}] = e.State.String() + e.Limit
			}
		}
		pairs, total := g.Evidence(node, 1000)
		if len(pairs) != len(want) || total != len(want) {
			t.Fatalf("%d pairs and a total of %d, want %d", len(pairs), total, len(want))
		}
		for i, e := range pairs {
			if want[ends{e.Edge.A.Node, e.Edge.B.Node}] != e.State.String()+e.Limit {
				t.Fatalf("pair %d is %s %s", i, e.State, e.Limit)
			}
			if i > 0 && (pairs[i-1].Edge.FirstSeen > e.Edge.FirstSeen || bytes.Equal(pairs[i-1].Edge.AppendKey(nil), e.Edge.AppendKey(nil))) {
				t.Fatalf("pair %d is not after the one before", i)
			}
		}
		if some, total := g.Evidence(node, 1); len(some) > 1 || total != len(want) {
			t.Fatalf("%d pairs of %d, want at most one", len(some), total)
		}
	})
}
