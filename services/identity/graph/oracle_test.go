package graph_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/graph/graphtest"
)

// histories is how many random histories are compared with the oracle after every record.
const histories = 10_000

// I1 and I2: after every record of any kind the graph has the partition that F has of the log so far. The same
// histories show that readers of the map need nothing but the changes (I4: each node once a record, the customer
// before is right).
func TestEveryRecordIsAsTheOracleSays(t *testing.T) {
	var records, changes, refused, hubs, oversize, splits int
	check(t, histories, func(t *rapid.T) {
		w := names{}
		history := drawHistory(t, w)
		g := graph.New(suppression)
		m := reader{}
		for i, r := range history {
			effect := g.Apply(int64(i+1), r)
			want := graphtest.F(history[:i+1], suppression)
			compare(t, g, want, w)
			m.read(t, effect.Changes)
			for n := range nodesInWorld {
				id := w.node(n)
				if row := m.customer(id); row.Canonical != want[id].Customer && want[id].Customer != (uuid.UUID{}) || row.Shared != want[id].Shared {
					t.Fatalf("node %d: the map says %s, shared %v; F says %+v", n, row.Canonical, row.Shared, want[id])
				}
			}
			records++
			changes += len(effect.Changes)
		}
		stats := g.Stats()
		refused, hubs, oversize = refused+stats.Refused, hubs+stats.Hubs, oversize+stats.Oversize
		splits += stats.Conflicted
	})
	t.Logf("%d histories, %d records compared; %d changes; at their ends %d refused pairs in %d components, %d hubs, %d components too large",
		histories, records, changes, refused, splits, hubs, oversize)
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

// same holds two graphs against each other, to the last bit that one can ask for.
func same(t *rapid.T, what string, a, b *graph.Graph, w names) {
	t.Helper()
	if x, y := view(a, w), view(b, w); !reflect.DeepEqual(x, y) {
		t.Fatalf("%s: %s", what, cmp.Diff(x, y))
	}
	if a.Sums() != b.Sums() {
		t.Fatalf("%s: sums %+v and %+v", what, a.Sums(), b.Sums())
	}
	if a.Stats() != b.Stats() {
		t.Fatalf("%s: %+v and %+v", what, a.Stats(), b.Stats())
	}
}

type nodeView struct {
	Member  graph.Member
	Members []graph.Member
	Edges   []graph.EdgeState
	Cuts    []evidence.Cut
}

func view(g *graph.Graph, w names) map[int]nodeView {
	v := map[int]nodeView{}
	for i := range nodesInWorld {
		if m, known := g.Node(w.node(i)); known {
			v[i] = nodeView{m, g.Members(m.Node), g.Edges(m.Node), g.Cuts(m.Node)}
		}
	}
	return v
}

// I5 and a store: what is loaded is what was applied, down to the effects of what comes next.
func TestLoadedIsAsApplied(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		history := drawHistory(t, w)
		at := rapid.IntRange(0, len(history)).Draw(t, "restart at")
		s := newStore()
		for i, r := range history[:at] {
			s.apply(i+1, r)
		}
		loaded := s.load(t)
		same(t, "applied and loaded", s.g, loaded, w)
		for i, r := range history[at:] {
			want, got := s.apply(at+i+1, r), loaded.Apply(int64(at+i+1), r)
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("effect of record %d, applied and loaded: %s", at+i, cmp.Diff(want, got))
			}
		}
		same(t, "later", s.g, loaded, w)
	})
}

// I1: the order of evidence does not count, nor that of rulings about different things.
func TestOrderDoesNotCount(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		log := drawLog(t, w)
		taken := map[string]bool{} // a pair that is taken back keeps its order
		for _, r := range log {
			if gone, is := r.(*evidence.Tombstone); is {
				taken[key(gone)] = true
			}
		}
		other := shuffle(t, log, func(r evidence.Record) bool {
			_, is := r.(*evidence.Edge)
			return is && !taken[key(r)]
		})
		same(t, "in another order", apply(log), apply(other), w)
	})
}

// I1: saying something again, or saying less of it later, changes nothing.
func TestRepetitionDoesNotCount(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		w := names{}
		log := drawLog(t, w)
		g, again := graph.New(suppression), graph.New(suppression)
		var seen []*evidence.Edge
		for i, r := range log {
			position := int64(i + 1)
			g.Apply(position, r)
			again.Apply(position, r)
			switch r := r.(type) {
			case *evidence.Edge:
				seen = append(seen, r)
			case *evidence.Tombstone:
				seen = nil // what was taken back would be news
			}
			if len(seen) == 0 {
				continue
			}
			worse := *rapid.SampledFrom(seen).Draw(t, "again")
			worse.FirstSeen += int64(rapid.IntRange(0, 2).Draw(t, "later"))
			worse.Class = min(3, worse.Class+uint8(rapid.IntRange(0, 2).Draw(t, "worse")))
			worse.Score -= uint8(rapid.IntRange(0, 20).Draw(t, "less"))
			worse.A.Weak = worse.A.Weak || rapid.Bool().Draw(t, "weak")
			if effect := again.Apply(position, &worse); effect.News || len(effect.Changes)+len(effect.Audits) > 0 {
				t.Fatalf("said again: %+v", effect)
			}
		}
		same(t, "with repetitions", g, again, w)
	})
}

// I6: replaying what the graph has appends nothing.
func TestReplayAppendsNothing(t *testing.T) {
	check(t, 1000, func(t *rapid.T) {
		log := slices.DeleteFunc(drawLog(t, names{}), func(r evidence.Record) bool {
			_, gone := r.(*evidence.Tombstone)
			return gone
		})
		g := apply(log)
		for i, r := range log {
			if e, is := r.(*evidence.Edge); is {
				if missing, is := g.Missing(e); is {
					t.Fatalf("record %d would be appended again as %+v", i, missing)
				}
			}
		}
	})
}

// Observers that lag behind the log each append what they miss. Together they log enough: the partition is that
// of everything seen, hubs and all, though most pairs of a hub are in no log.
func TestWhatIsMissingIsEnough(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{honest: true}
		setting := []evidence.Record{drawRules(t, w)}
		for range rapid.IntRange(0, 2).Draw(t, "rulings") {
			setting = append(setting, drawRuling(t, w, 33+rapid.IntRange(0, 3).Draw(t, "ruling"), evidence.Note{}))
		}
		everything, log := slices.Clone(setting), slices.Clone(setting)
		type observer struct {
			g  *graph.Graph
			at int
		}
		observers := make([]observer, 3)
		for i := range observers {
			observers[i].g = graph.New(suppression)
		}
		follow := func(o *observer, to int) {
			for ; o.at < to; o.at++ {
				o.g.Apply(int64(o.at+1), log[o.at])
			}
		}
		for range rapid.IntRange(10, 60).Draw(t, "sights") {
			e := drawEdge(t, w)
			everything = append(everything, e)
			o := &observers[rapid.IntRange(0, len(observers)-1).Draw(t, "observer")]
			// The setting is known to all: a ruling is not expected to reach back to what was not logged.
			follow(o, rapid.IntRange(max(o.at, len(setting)), len(log)).Draw(t, "up to"))
			if missing, is := o.g.Missing(e); is {
				log = append(log, &missing)
			}
		}
		for i := range observers {
			follow(&observers[i], len(log))
		}
		want := graphtest.F(everything, suppression)
		for i := range nodesInWorld {
			id := w.node(i)
			outcome, named := want[id]
			if !named {
				outcome.Customer = id
			}
			for j := range observers {
				if customer, _ := observers[j].g.Customer(id); customer != outcome.Customer || observers[j].g.Shared(id) != outcome.Shared {
					t.Fatalf("node %d at observer %d: %s, shared %v; F of everything says %+v", i, j, customer, observers[j].g.Shared(id), outcome)
				}
			}
		}
	})
}

// Any legal compaction of the log, with what the publisher appends to make it safe, gives the same graph.
func TestCompactionLosesNothing(t *testing.T) {
	check(t, 2000, func(t *rapid.T) {
		w := names{}
		log := publish(t, drawLog(t, w))
		same(t, "compacted", apply(log), apply(compact(t, log)), w)
	})
}
