package graph_test

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	graph "github.com/parcours-cdp/parcours/services/identity/graph/next"
	"github.com/parcours-cdp/parcours/services/identity/graph/next/graphtest"
)

// histories is how many random histories are compared with the oracle after every record.
const histories = 10_000

// I1, and the heart of it all: after every record of any kind the graph has the partition that F has.
func TestEveryRecordIsAsTheOracleSays(t *testing.T) {
	records := 0
	check(t, histories, func(t *rapid.T) {
		w := names{}
		history := drawHistory(t, w)
		g := graph.New(suppression)
		for i, r := range history {
			g.Apply(int64(i+1), r)
			records++
			compare(t, g, graphtest.F(history[:i+1], suppression), w)
		}
	})
	t.Logf("%d histories, %d records compared", histories, records)
}

// compare holds every node of the world against the oracle.
func compare(t *rapid.T, g *graph.Graph, want map[uuid.UUID]graphtest.Outcome, w names) {
	t.Helper()
	for i := range nodesInWorld {
		id := w.node(i)
		outcome, named := want[id]
		if !named {
			outcome.Customer = id
		}
		got, known := g.Customer(id)
		if got != outcome.Customer || known != named || g.Shared(id) != outcome.Shared {
			t.Fatalf("node %d: customer %s, known %v, shared %v; F says %s, %v, %v", i, got, known, g.Shared(id), outcome.Customer, named, outcome.Shared)
		}
	}
	if nodes := g.Stats().Nodes; nodes != len(want) {
		t.Fatalf("%d nodes; F has %d", nodes, len(want))
	}
}

var _ evidence.Record
