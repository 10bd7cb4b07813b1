package identity_test

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// idMap is the identity map as a reader keeps it: the row with the largest version of each node.
type idMap map[uuid.UUID]identitymap.Row

// readMap also holds what every reader relies on: one version of a node says one thing (I4).
func (w *world) readMap(records []*stream.Record) idMap {
	w.t.Helper()
	rows := make(idMap)
	for _, record := range records {
		row, err := identitymap.Parse(record.Key, record.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		old, known := rows[row.Node]
		if known && old.Version == row.Version && old != row {
			w.t.Errorf("version %d of %s says %+v and %+v", row.Version, row.Node, old, row)
		}
		if !known || row.Version >= old.Version {
			rows[row.Node] = row
		}
	}
	return rows
}

func (m idMap) customer(node uuid.UUID) uuid.UUID {
	if row, known := m[node]; known {
		return row.Canonical
	}
	return node
}

// untilPublished waits until the publisher has committed the whole evidence log, and returns the map.
func (w *world) untilPublished() idMap {
	w.t.Helper()
	ctx := w.soon()
	for {
		ends, err := w.kafka.EndOffsets(ctx, stream.Evidence)
		if err != nil {
			w.t.Fatal(err)
		}
		committed, err := w.kafka.Committed(ctx, "parcours-identity-publisher", stream.Evidence)
		if err != nil {
			w.t.Fatal(err)
		}
		behind := false
		for partition, end := range ends {
			behind = behind || committed[partition] < end
		}
		if !behind {
			break
		}
		poll(ctx, w.t)
	}
	mapEnds, err := w.kafka.EndOffsets(ctx, stream.IdentityMap)
	if err != nil {
		w.t.Fatal(err)
	}
	total := 0
	for _, end := range mapEnds {
		total += int(end)
	}
	return w.readMap(w.identities.untilCount(total))
}

// wantMap holds the identity map against F: what a fresh reader makes of the evidence log, which the
// graph's own tests hold against the batch.
func (w *world) wantMap(identities idMap) {
	w.t.Helper()
	fresh := graph.New(graph.Rules{LinkClass: 2, Rank: func(typ string, weak bool) uint8 {
		rank := w.ids.Rank(typ)
		if weak {
			rank += 16
		}
		return uint8(rank)
	}})
	nodes := map[uuid.UUID]bool{}
	for _, record := range w.evidence.untilCount(int(evidenceCount(w))) {
		edge, err := graph.ParseEdge(record.Key, record.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		fresh.Apply(record.Offset+1, &edge)
		nodes[edge.A.Node], nodes[edge.B.Node] = true, true
	}
	want, got := map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]uuid.UUID{}
	for node := range nodes {
		want[node], _ = fresh.Customer(w.ws.Name, node)
		got[node] = identities.customer(node)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Error(diff)
	}
	for node := range identities {
		if !nodes[node] {
			w.t.Errorf("the map has %s, the evidence does not", node)
		}
	}
}
