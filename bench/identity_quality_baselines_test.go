package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

// baseline is another way to tell customers, on the same normalised identifiers, in the order of arrival.
type baseline struct {
	name string
	run  func(events []seen) map[string]string
}

var baselines = []baseline{
	{"connected components", connectedComponents},
	{"last user owns the device", lastUserOwnsTheDevice},
	{"user_id, else the strongest", strongestOnly},
}

// seen is what an event showed, its strongest identifier first.
type seen struct {
	message string
	nodes   []identifier.Resolved
}

// normalised is the truth's events as the service would normalise them.
func normalised(b testing.TB, lines []*simulate.TruthLine) []seen {
	b.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("ab", 32)
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		b.Fatal(err)
	}
	events := make([]seen, 0, len(lines))
	for _, l := range lines {
		e := seen{message: l.MessageID}
		for _, id := range l.IDs {
			for _, r := range resolve(ids, schemas.Identifier{Type: id.Type, Value: id.Value}) {
				if r.Reason != "" || r.Derived {
					continue
				}
				at := 0
				for at < len(e.nodes) && identifier.Stronger(&e.nodes[at], &r) {
					at++
				}
				e.nodes = append(e.nodes[:at], append([]identifier.Resolved{r}, e.nodes[at:]...)...)
			}
		}
		events = append(events, e)
	}
	return events
}

func resolve(ids *identifier.Identifiers, id schemas.Identifier) []identifier.Resolved {
	return ids.Resolve([]schemas.Identifier{id}, 0, nil, nil)
}

// alone is the customer of an event that shows nothing usable.
func (e *seen) alone() string { return "alone " + e.message }

// strongestOnly stitches nothing: an event is its strongest identifier's.
func strongestOnly(events []seen) map[string]string {
	customers := make(map[string]string, len(events))
	for i := range events {
		e := &events[i]
		customers[e.message] = e.alone()
		if len(e.nodes) > 0 {
			customers[e.message] = e.nodes[0].Node.String()
		}
	}
	return customers
}

// connectedComponents joins whatever was seen together, unless one of the two is weak.
func connectedComponents(events []seen) map[string]string {
	parent := map[uuid.UUID]uuid.UUID{}
	var find func(n uuid.UUID) uuid.UUID
	find = func(n uuid.UUID) uuid.UUID {
		above, known := parent[n]
		if !known || above == n {
			return n
		}
		root := find(above)
		parent[n] = root
		return root
	}
	for _, e := range events {
		for i := 1; i < len(e.nodes); i++ {
			if e.nodes[i].Rank < identifier.WeakRank && e.nodes[0].Rank < identifier.WeakRank {
				parent[find(e.nodes[i].Node)] = find(e.nodes[0].Node)
			}
		}
	}
	customers := make(map[string]string, len(events))
	for i := range events {
		e := &events[i]
		customers[e.message] = e.alone()
		if len(e.nodes) > 0 {
			customers[e.message] = find(e.nodes[0].Node).String()
		}
	}
	return customers
}

// lastUserOwnsTheDevice gives what a browser or an app does to the last account that was used on it.
func lastUserOwnsTheDevice(events []seen) map[string]string {
	owner := map[uuid.UUID]uuid.UUID{}
	customers := make(map[string]string, len(events))
	for i := range events {
		e := &events[i]
		customers[e.message] = e.alone()
		if len(e.nodes) == 0 {
			continue
		}
		who := e.nodes[0].Node
		for _, n := range e.nodes {
			if n.Type != identifier.DeviceID && n.Type != identifier.AnonymousID {
				continue
			}
			if e.nodes[0].Type == identifier.UserID {
				owner[n.Node] = who
			} else if user, owned := owner[n.Node]; owned {
				who = user
			}
		}
		customers[e.message] = who.String()
	}
	return customers
}

// TestBaselines: four events of two people on one browser, small enough to be told by hand.
func TestBaselines(t *testing.T) {
	id := func(kind, value string) simulate.Identifier { return simulate.Identifier{Type: kind, Value: value} }
	ann, bob, cookie, mail := id("user_id", "U-ann"), id("user_id", "U-bob"), id("anonymous_id", "cookie-1"), id("email", "ann.martin@orange.fr")
	events := normalised(t, []*simulate.TruthLine{
		{MessageID: "a1", IDs: []simulate.Identifier{cookie}},
		{MessageID: "a2", IDs: []simulate.Identifier{cookie, ann}},
		{MessageID: "a3", IDs: []simulate.Identifier{cookie}},
		{MessageID: "b1", IDs: []simulate.Identifier{bob, cookie}},
		{MessageID: "b2", IDs: []simulate.Identifier{cookie}},
		{MessageID: "a4", IDs: []simulate.Identifier{ann, mail}},
		{MessageID: "a5", IDs: []simulate.Identifier{mail}},
		{MessageID: "none", IDs: []simulate.Identifier{id("email", "null")}},
	})
	f := func(name string, run func([]seen) map[string]string, want ...string) {
		t.Helper()
		groups := map[string]int{}
		var got []string
		customers := run(events)
		for _, e := range events {
			n, met := groups[customers[e.message]]
			if !met {
				n = len(groups)
				groups[customers[e.message]] = n
			}
			got = append(got, e.message+string(rune('A'+n)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("connected components", connectedComponents, "a1A", "a2A", "a3A", "b1A", "b2A", "a4A", "a5A", "noneB")
	f("last user", lastUserOwnsTheDevice, "a1A", "a2B", "a3B", "b1C", "b2C", "a4B", "a5D", "noneE")
	f("strongest", strongestOnly, "a1A", "a2B", "a3A", "b1C", "b2A", "a4B", "a5D", "noneE")
}
