package identity_test

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph/graphtest"
)

// idMap is the identity map as a reader keeps it: the row with the largest version of each node.
type idMap map[uuid.UUID]identitymap.Row

// readMap also holds what every reader relies on: one version of a node says one thing (I4).
func (w *world) readMap(records []*stream.Record) idMap {
	w.t.Helper()
	rows := make(idMap)
	for _, record := range records {
		if record.Value == nil {
			continue // of an erased node: readers skip it
		}
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
		committed, err := w.kafka.Committed(ctx, "parcours-identity-publisher."+w.ws.Name, stream.Evidence)
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

// wantMap holds the identity map against F, computed at once of all records of the log.
func (w *world) wantMap(identities idMap) {
	w.t.Helper()
	outcomes := graphtest.F(w.logged(), func(node uuid.UUID) evidence.SuppressionKey { return w.ids.SuppressionKey(node) })
	type is struct {
		Customer uuid.UUID
		Shared   bool
	}
	want, got := map[uuid.UUID]is{}, map[uuid.UUID]is{}
	for node, outcome := range outcomes {
		want[node] = is{outcome.Customer, outcome.Shared}
		got[node] = is{identities.customer(node), identities[node].Shared}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Error(diff)
	}
	for node, row := range identities {
		if _, known := outcomes[node]; !known && (row.Canonical != node || row.Shared) {
			w.t.Errorf("the map says %s of %s, which the evidence does not have", row.Canonical, node)
		}
	}
}
