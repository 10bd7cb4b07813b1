package graph

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// The index is a map, also of ids that are no hashes and of which many are taken out again.
func TestIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		var nodes table[node]
		want := map[uuid.UUID]uint32{}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			id := uuid.UUID{0: rapid.Byte().Draw(t, "first") % 2, 15: rapid.Byte().Draw(t, "last") % 64}
			n, known := want[id]
			got, found := x.find(id, &nodes)
			if found != known || known && got != n {
				t.Fatalf("%s is found %v as %d, want %v, %d", id, found, got, known, n)
			}
			if !known {
				want[id] = nodes.add(node{id: id})
				x.add(id, want[id])
				continue
			}
			x.remove(id, n)
			nodes.drop(n)
			delete(want, id)
		}
		for id, n := range want {
			if got, found := x.find(id, &nodes); !found || got != n {
				t.Fatalf("%s is found %v as %d, want %d", id, found, got, n)
			}
		}
	})
}
