package graph_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// After an erasure no key of the log names the node: what was ruled on it has a tombstone, also where the ruling was
// taken back and decides nothing; and who began with a store knows of it as well as who read it all.
func TestErasureFindsEveryRecord(t *testing.T) {
	lifted := 0
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		log := publish(t, drawLog(t, w))
		kept := newStore()
		for i, r := range log {
			kept.apply(i, r)
		}
		last := make(map[string]evidence.Record)
		for _, r := range log {
			last[key(r)] = r
		}
		ids := drawNodes(t, w, 1, 3)
		for who, g := range map[string]*graph.Graph{"who read it all": apply(log), "who began with a store": kept.load(t)} {
			effect := g.Apply(int64(len(log)+1), &evidence.Erase{Workspace: workspace, Nodes: ids, Note: evidence.Note{At: 1}})
			forgotten := make(map[string]bool)
			for i := range effect.Forgotten {
				forgotten[key(&effect.Forgotten[i])] = true
			}
			for i := range effect.ForgottenCuts {
				forgotten[key(&effect.ForgottenCuts[i])] = true
			}
			for i := range effect.ForgottenVerdicts {
				forgotten[key(&effect.ForgottenVerdicts[i])] = true
			}
			for _, k := range slices.Sorted(maps.Keys(last)) {
				names := false
				switch r := last[k].(type) {
				case *evidence.Edge:
					names = slices.Contains(ids, r.A.Node) || slices.Contains(ids, r.B.Node)
				case *evidence.Cut:
					names = slices.Contains(ids, r.A) || slices.Contains(ids, r.B)
					if names && r.Lifted {
						lifted++
					}
				case *evidence.Verdict:
					names = slices.Contains(ids, r.Node)
				}
				if names && !forgotten[k] {
					t.Fatalf("%s: the log keeps %+v of what was erased", who, last[k])
				}
			}
		}
	})
	if lifted == 0 {
		t.Error("no cut was lifted before an erasure: the test shows nothing")
	}
}
