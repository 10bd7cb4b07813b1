package graph_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// A pair that can make a hub of a node is wanted also where nothing but a ruling names the node yet.
func TestMissingOfWhatIsOnlyRuledOn(t *testing.T) {
	w := names{}
	mail, device, user := evidence.End{Node: w.node(0), Type: "mail"}, evidence.End{Node: w.node(1), Type: "device"}, func(i int) evidence.End {
		return evidence.End{Node: w.node(i), Type: "user"}
	}
	rules := rulesets(w)[3] // a device with two users is a hub, and so is an address with two devices
	ruled := evidence.Cut{Workspace: workspace, A: mail.Node, B: w.node(9)}
	if ruled.A.String() > ruled.B.String() {
		ruled.A, ruled.B = ruled.B, ruled.A
	}
	kiosk, second := evidence.NewEdge(workspace, device, user(2)), evidence.NewEdge(workspace, device, user(3))
	wanted := evidence.NewEdge(workspace, device, mail)
	for name, before := range map[string][]evidence.Record{"unheard of": nil, "cut": {&ruled}} {
		g := graph.New(func(uuid.UUID) evidence.SuppressionKey { return evidence.SuppressionKey{} })
		for i, r := range append([]evidence.Record{&evidence.Rules{Workspace: workspace, Rules: rules}, &kiosk, &second}, before...) {
			g.Apply(int64(i+1), r)
		}
		if !g.Shared(device.Node) {
			t.Fatal("the device is no hub")
		}
		if _, is := g.Missing(&wanted); !is {
			t.Errorf("an address that is %s: the pair with the hub is not wanted", name)
		}
	}
}
