package graph_test

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// I3: no customer is over a limit, the cap or a cut, and no shared node is one with another. Asked of the answers
// that operators get, not of F: each node of a customer names the same one, which is the first of its members.
func TestNoCustomerIsOverALimit(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{}
		g := apply(drawHistory(t, w))
		rules, _ := g.Rules()
		for i := range nodesInWorld {
			members := g.Members(w.node(i))
			if len(members) > rules.Rules.MaxCluster {
				t.Fatalf("%d nodes are one customer, %d may be", len(members), rules.Rules.MaxCluster)
			}
			counts := map[string]int{}
			for _, m := range members {
				counts[m.Type]++
				if limit := rules.Rules.Types[m.Type].Limit; limit > 0 && counts[m.Type] > limit {
					t.Fatalf("%d of type %s, %d may be: %+v", counts[m.Type], m.Type, limit, members)
				}
				if len(members) > 1 && m.Status != graph.Linked {
					t.Fatalf("%s is %s and in a customer of %d", m.Node, m.Status, len(members))
				}
				if m.Customer != members[0].Node {
					t.Fatalf("%s says its customer is %s, the best member is %s", m.Node, m.Customer, members[0].Node)
				}
				for _, c := range g.Cuts(m.Node) {
					if slices.ContainsFunc(members, func(o graph.Member) bool { return o.Node != m.Node && (o.Node == c.A || o.Node == c.B) }) {
						t.Fatalf("%s and %s are cut and one customer", c.A, c.B)
					}
				}
			}
		}
	})
}

// What is taken back leaves no trace: E + CUT - CUT = E, a block or an allowance and then neutral = E, and the
// rows of the map go back to what they were.
func TestTakingBackLeavesNoTrace(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		history := drawHistory(t, w)
		g, before := apply(history), apply(history)
		position := int64(len(history))
		var there, back evidence.Record
		if rapid.Bool().Draw(t, "cut") {
			e := drawEdge(t, w)
			if slices.ContainsFunc(g.Cuts(e.A.Node), func(c evidence.Cut) bool { return c.A == e.A.Node && c.B == e.B.Node }) {
				t.Skip("it is cut already")
			}
			cut := evidence.Cut{Workspace: workspace, A: e.A.Node, B: e.B.Node}
			lifted := cut
			lifted.Lifted = true
			there, back = &cut, &lifted
		} else {
			id := drawNodes(t, w, 1, 1)[0]
			if _, stands := g.Verdict(id); stands {
				t.Skip("it is ruled on already")
			}
			ruling := rapid.SampledFrom([]evidence.Ruling{evidence.Blocked, evidence.Allowed}).Draw(t, "ruling")
			there = &evidence.Verdict{Workspace: workspace, Node: id, Ruling: ruling}
			back = &evidence.Verdict{Workspace: workspace, Node: id}
		}
		m := reader{}
		for i := range nodesInWorld {
			customer, _ := g.Customer(w.node(i))
			m[w.node(i)] = graph.Change{Node: w.node(i), Canonical: customer, Shared: g.Shared(w.node(i))}
		}
		m.read(t, g.Apply(position+1, there).Changes)
		m.read(t, g.Apply(position+2, back).Changes)
		same(t, "taken back", before, g, w)
		for i := range nodesInWorld {
			customer, _ := before.Customer(w.node(i))
			if row := m.customer(w.node(i)); row.Canonical != customer || row.Shared != before.Shared(w.node(i)) {
				t.Fatalf("node %d: the map ends with %+v, it was %s", i, row, customer)
			}
		}
	})
}

// An erased node does not come back, whatever is seen of it later, and each late record is answered with what has
// to be forgotten.
func TestErasedDoesNotComeBack(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{}
		history := drawLog(t, w)
		g := apply(history)
		ids := drawNodes(t, w, 1, 3)
		at := int64(len(history) + 1)
		effect := g.Apply(at, &evidence.Erase{Workspace: workspace, Nodes: ids, Note: evidence.Note{At: at}})
		for _, id := range ids {
			if !slices.ContainsFunc(effect.Changes, func(c graph.Change) bool {
				return c.Node == id && c.Canonical == id && c.Reason == identitymap.Erased
			}) {
				t.Fatalf("no row says that %s was erased: %+v", id, effect.Changes)
			}
			if erased, is := g.Suppressed(suppression(id)); !is || erased < at {
				t.Fatalf("%s is suppressed up to %d, %v", id, erased, is)
			}
		}
		for _, c := range effect.Changes {
			if c.Reason == identitymap.Erased && !slices.Contains(ids, c.Node) {
				t.Fatalf("readers would forget %s, which was only beside what was erased: %+v", c.Node, c)
			}
		}
		before := g.Sums()
		for range 10 {
			e := drawEdge(t, w)
			if !slices.Contains(ids, e.A.Node) && !slices.Contains(ids, e.B.Node) {
				continue
			}
			if missing, is := g.Missing(e); is {
				t.Fatalf("an erased node would be logged: %+v", missing)
			}
			late := g.Apply(at, e)
			if late.News || len(late.Changes) > 0 || len(late.Forgotten) != 1 || g.Sums() != before {
				t.Fatalf("an erased node came back: %+v", late)
			}
		}
	})
}

// Cutting off the identifier that named the person gives both parts the names they had before, and back again.
func TestCuttingOffTheName(t *testing.T) {
	w := names{}
	end := func(i int) evidence.End { return evidence.End{Node: w.node(i), Type: typeOf(i)} }
	user, mail, card, device := w.node(0), w.node(3), w.node(6), w.node(8)
	g := graph.New(suppression)
	position := int64(0)
	next := func(r evidence.Record) graph.Effect {
		position++
		return g.Apply(position, r)
	}
	customers := func() [4]uuid.UUID {
		var of [4]uuid.UUID
		for i, id := range []uuid.UUID{user, mail, card, device} {
			of[i], _ = g.Customer(id)
		}
		return of
	}
	wide := rulesets(w)[1]
	wide.MaxComponent = 100
	next(&evidence.Rules{Workspace: workspace, Rules: wide})
	for i, pair := range [][2]int{{3, 6}, {3, 8}, {0, 3}} {
		e := evidence.NewEdge(workspace, end(pair[0]), end(pair[1]))
		e.FirstSeen = int64(i)
		next(&e)
	}
	if diff := cmp.Diff([4]uuid.UUID{user, user, user, user}, customers()); diff != "" {
		t.Fatal(diff)
	}
	cut := evidence.Cut{Workspace: workspace, A: sorted(user, mail)[0], B: sorted(user, mail)[1]}
	for _, c := range next(&cut).Changes {
		if c.Previous != user || c.Canonical != card || c.Reason != identitymap.Cut {
			t.Errorf("cut: %+v", c)
		}
	}
	if diff := cmp.Diff([4]uuid.UUID{user, card, card, card}, customers()); diff != "" {
		t.Fatal(diff)
	}
	cut.Lifted = true
	for _, c := range next(&cut).Changes {
		if c.Previous != card || c.Canonical != user || c.Reason != identitymap.Lifted {
			t.Errorf("lifted: %+v", c)
		}
	}
	if diff := cmp.Diff([4]uuid.UUID{user, user, user, user}, customers()); diff != "" {
		t.Fatal(diff)
	}
}

// Another key of the hash gives other ids and the same groups. First-seen times differ, so that no tie is
// decided by an id.
func TestAnotherKeyPermutesIds(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w, other := names{honest: true}, names{salt: rapid.StringN(1, 4, 8).Draw(t, "salt"), honest: true}
		number := map[uuid.UUID]int{}
		for i := range nodesInWorld {
			number[w.node(i)] = i
		}
		which := rapid.IntRange(0, 2).Draw(t, "rules")
		g, h := graph.New(suppression), graph.New(suppression)
		g.Apply(1, &evidence.Rules{Workspace: workspace, Rules: rulesets(w)[which]})
		h.Apply(1, &evidence.Rules{Workspace: workspace, Rules: rulesets(other)[which]})
		for i := range rapid.IntRange(5, 40).Draw(t, "pairs") {
			e := drawEdge(t, w)
			e.FirstSeen = int64(i)
			a, b := e.A, e.B
			a.Node, b.Node = other.node(number[a.Node]), other.node(number[b.Node])
			f := evidence.NewEdge(workspace, a, b)
			f.Class, f.Score, f.FirstSeen = e.Class, e.Score, e.FirstSeen
			g.Apply(int64(i+2), e)
			h.Apply(int64(i+2), &f)
		}
		for i := range nodesInWorld {
			for j := range i {
				ofI, _ := g.Customer(w.node(i))
				ofJ, _ := g.Customer(w.node(j))
				andI, _ := h.Customer(other.node(i))
				andJ, _ := h.Customer(other.node(j))
				if (ofI == ofJ) != (andI == andJ) {
					t.Fatalf("%d and %d are one customer under one key and not under the other", i, j)
				}
			}
		}
	})
}

// While nothing is in conflict, more evidence never parts what was together.
func TestEvidenceWithoutConflictNeverSplits(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{honest: true}
		g := graph.New(suppression)
		g.Apply(1, drawRules(t, w))
		for i := range rapid.IntRange(5, 40).Draw(t, "pairs") {
			before := make([]uuid.UUID, nodesInWorld)
			for n := range before {
				before[n], _ = g.Customer(w.node(n))
			}
			effect := g.Apply(int64(i+2), drawEdge(t, w))
			if stats := g.Stats(); stats.Conflicted > 0 || stats.Hubs > 0 || stats.Oversize > 0 {
				t.Skip("in conflict")
			}
			for n := range before {
				for o := range n {
					customer, _ := g.Customer(w.node(n))
					with, _ := g.Customer(w.node(o))
					if before[n] == before[o] && customer != with {
						t.Fatalf("%d and %d were one customer, and more evidence parted them: %+v", n, o, effect)
					}
				}
			}
		}
	})
}

// A refused pair was audited as such last, and how many there are is what the counts say.
func TestRefusalsAreAudited(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		g := graph.New(suppression)
		last := map[[2]uuid.UUID]identitymap.AuditKind{}
		hubs := map[uuid.UUID]bool{}
		for i, r := range drawHistory(t, w) {
			effect := g.Apply(int64(i+1), r)
			for _, a := range effect.Audits {
				switch a.Kind {
				case identitymap.AuditRefused, identitymap.AuditAccepted:
					last[[2]uuid.UUID{a.A, a.B}] = a.Kind
				case identitymap.AuditHubRaised:
					hubs[a.A] = true
				case identitymap.AuditHubLowered:
					delete(hubs, a.A)
				}
			}
		}
		refused, now := 0, map[uuid.UUID]bool{}
		for i := range nodesInWorld {
			id := w.node(i)
			if m, _ := g.Node(id); m.Status == graph.Hub {
				now[id] = true
			}
			for _, e := range g.Edges(id) {
				if e.Edge.A.Node != id || e.State != graph.RefusedPair {
					continue
				}
				refused++
				if last[[2]uuid.UUID{e.Edge.A.Node, e.Edge.B.Node}] != identitymap.AuditRefused || e.Limit == "" {
					t.Fatalf("refused, and not audited so: %+v", e)
				}
			}
		}
		if refused != g.Stats().Refused {
			t.Fatalf("%d pairs are refused, the count says %d", refused, g.Stats().Refused)
		}
		if !reflect.DeepEqual(now, hubs) || len(hubs) != g.Stats().Hubs {
			t.Fatalf("hubs are %v, audited are %v, the count says %d", now, hubs, g.Stats().Hubs)
		}
	})
}

// Why answers for any two nodes, its path leads from one to the other, and it says one customer when they are.
func TestWhyAnswers(t *testing.T) {
	said := map[graph.Why]int{}
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		g := apply(drawHistory(t, w))
		ids := drawNodes(t, w, 2, 2)
		if len(ids) < 2 {
			t.Skip("one node")
		}
		a, b := ids[0], ids[1]
		if rapid.Bool().Draw(t, "the other way round") {
			a, b = b, a
		}
		x := g.Why(a, b)
		said[x.Why]++
		ofA, knownA := g.Customer(a)
		ofB, knownB := g.Customer(b)
		if (x.Why == graph.OneCustomer) != (ofA == ofB) || (x.Why == graph.Unknown) != (!knownA || !knownB) {
			t.Fatalf("%s, of %s and %s, known %v and %v", x.Why, ofA, ofB, knownA, knownB)
		}
		at, states := a, map[graph.State]int{}
		for _, e := range x.Path {
			states[e.State]++
			switch at {
			case e.Edge.A.Node:
				at = e.Edge.B.Node
			case e.Edge.B.Node:
				at = e.Edge.A.Node
			default:
				t.Fatalf("the path leaves %s for %+v", at, e)
			}
		}
		if len(x.Path) > 0 && at != b {
			t.Fatalf("the path ends at %s", at)
		}
		switch x.Why {
		case graph.OneCustomer:
			if states[graph.LinkedPair] != len(x.Path) || len(x.Path) == 0 {
				t.Fatalf("one customer over %v", states)
			}
		case graph.WasRefused:
			if states[graph.RefusedPair] == 0 {
				t.Fatalf("refused over %v", states)
			}
		case graph.WasShared:
			if states[graph.SharedPair]+states[graph.CutPair] == 0 {
				t.Fatalf("shared over %v", states)
			}
		case graph.TooWeak, graph.TooLarge:
			if states[graph.WeakPair] == 0 {
				t.Fatalf("too weak or large over %v", states)
			}
		}
	})
	answers := 0
	for _, n := range said {
		answers += n
	}
	// A run that was asked for fewer draws need not meet them all.
	for why := graph.Unknown; why <= graph.TooLarge; why++ {
		if said[why] == 0 && answers >= 1500 {
			t.Errorf("%s was never the answer", why)
		}
	}
}

// A kiosk on which a hundred thousand people sign in costs as many records as makes a hub of it, joins nobody, and
// lets all of them keep their own devices.
func TestKiosk(t *testing.T) {
	const users, most = 100_000, 2
	w := names{}
	g := graph.New(suppression)
	position := int64(1)
	g.Apply(position, &evidence.Rules{Workspace: workspace, Rules: rulesets(w)[0]})
	id := func(kind byte, i int) uuid.UUID {
		return uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint32([]byte{kind}, uint32(i)))
	}
	kiosk := evidence.End{Node: id('k', 0), Type: "device"}
	logged := 0
	see := func(a, b evidence.End, at int) {
		e := evidence.NewEdge(workspace, a, b)
		e.FirstSeen = int64(at)
		if missing, is := g.Missing(&e); is {
			logged++
			position++
			g.Apply(position, &missing)
		}
	}
	for i := range users {
		user := evidence.End{Node: id('u', i), Type: "user"}
		see(user, kiosk, i)
		if i%100 == 0 {
			see(user, evidence.End{Node: id('d', i), Type: "device"}, i)
		}
	}
	if want := most + 1 + graph.Reserve + users/100; logged != want {
		t.Errorf("%d records, want %d", logged, want)
	}
	if !g.Shared(kiosk.Node) || len(g.Members(kiosk.Node)) != 1 {
		t.Error("the kiosk carries links")
	}
	if stats := g.Stats(); stats.Customers != users/100 || stats.Hubs != 1 {
		t.Errorf("%+v", stats)
	}
	// It stays one when users of it are forgotten.
	position++
	g.Apply(position, &evidence.Erase{Workspace: workspace, Request: id('r', 0), Nodes: []uuid.UUID{id('u', 0), id('u', 1)}})
	if !g.Shared(kiosk.Node) {
		t.Error("the kiosk is no hub any more after two users of it were erased")
	}
}
