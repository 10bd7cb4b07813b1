package graph_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// starting are the rules that a workspace starts with.
func starting() *evidence.Rules {
	return &evidence.Rules{Workspace: workspace, Rules: evidence.Ruleset{
		LinkClass: 2, MaxCluster: 500, MaxComponent: 5000,
		Types: map[string]evidence.TypeRule{
			"user_id":      {Rank: 0, Limit: 1},
			"loyalty_card": {Rank: 1, Class: 1, Limit: 2, Hubs: map[string]int{"user_id": 2}},
			"email":        {Rank: 2, Class: 2, Limit: 5, Hubs: map[string]int{"user_id": 4}},
			"phone":        {Rank: 3, Class: 2, Limit: 5, Hubs: map[string]int{"user_id": 4}},
			"device_id":    {Rank: 5, Limit: 20, Hubs: map[string]int{"user_id": 3}},
			"anonymous_id": {Rank: 6, Limit: 200, Hubs: map[string]int{"user_id": 3}},
		},
	}}
}

type source struct{ *rand.ChaCha8 }

func (s source) id() (id uuid.UUID) {
	_, _ = s.Read(id[:])
	return id
}

// households makes typical ones: a user with two cookies, an e-mail address, a telephone number and a loyalty
// card, 10 pairs among 6 nodes.
func households(n int) []evidence.Record {
	s := source{rand.NewChaCha8([32]byte{1})}
	records := make([]evidence.Record, 0, 10*n)
	for i := range n {
		var ends [6]evidence.End
		for j, typ := range [6]string{"user_id", "anonymous_id", "anonymous_id", "email", "phone", "loyalty_card"} {
			ends[j] = evidence.End{Node: s.id(), Type: typ}
		}
		for j, pair := range [10][2]int{{1, 3}, {0, 1}, {0, 3}, {2, 5}, {3, 4}, {0, 2}, {0, 4}, {0, 5}, {3, 5}, {4, 5}} {
			e := evidence.NewEdge(workspace, ends[pair[0]], ends[pair[1]])
			e.FirstSeen = int64(i + j)
			records = append(records, &e)
		}
	}
	return records
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func load(b testing.TB, records []evidence.Record) *graph.Graph {
	g := graph.New(suppression)
	err := g.Load(func(yield func(evidence.Record, error) bool) {
		_ = yield(starting(), nil)
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}, int64(len(records)))
	if err != nil {
		b.Fatal(err)
	}
	return g
}

func BenchmarkLoad(b *testing.B) {
	records := households(100_000)
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		g := load(b, records)
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/float64(g.Stats().Nodes), "bytes/node")
		runtime.KeepAlive(g)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*float64(len(records))/b.Elapsed().Seconds(), "pairs/s")
}

func BenchmarkApply(b *testing.B) {
	records := households(100_000)
	for b.Loop() {
		b.StopTimer()
		before := heap()
		g := graph.New(suppression)
		g.Apply(1, starting())
		b.StartTimer()
		for i, r := range records {
			g.Apply(int64(i+2), r)
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/float64(g.Stats().Nodes), "bytes/node")
		runtime.KeepAlive(g)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*float64(len(records))/b.Elapsed().Seconds(), "pairs/s")
}

// BenchmarkKnown is the hot path: a pair that is known, and the customer of an end; and a node that nothing links.
func BenchmarkKnown(b *testing.B) {
	records := households(170_000) // a million nodes
	g := load(b, records)
	order := rand.New(rand.NewPCG(1, 1)).Perm(len(records))
	b.Run("missing and customer", func(b *testing.B) {
		for i := range b.N {
			e, _ := records[order[i%len(order)]].(*evidence.Edge)
			if _, missing := g.Missing(e); missing {
				b.Fatal("it is known")
			}
			_, _ = g.Customer(e.A.Node)
		}
	})
	b.Run("unlinked", func(b *testing.B) {
		s := source{rand.NewChaCha8([32]byte{2})}
		ids := make([]uuid.UUID, 1<<16)
		for i := range ids {
			ids[i] = s.id()
		}
		b.ResetTimer()
		for i := range b.N {
			if _, known := g.Customer(ids[i%len(ids)]); known {
				b.Fatal("it is not known")
			}
		}
	})
}

// BenchmarkConflict is a new pair in a component of 5,000 nodes that is in conflict: two users for each e-mail
// address, in a chain.
func BenchmarkConflict(b *testing.B) {
	s := source{rand.NewChaCha8([32]byte{3})}
	const size = 4998
	g := graph.New(suppression)
	g.Apply(1, starting())
	ends := make([]evidence.End, size)
	for i := range ends {
		ends[i] = evidence.End{Node: s.id(), Type: [2]string{"user_id", "email"}[i%2]}
	}
	position := int64(1)
	next := func(x, y evidence.End, at int) {
		position++
		e := evidence.NewEdge(workspace, x, y)
		e.FirstSeen = int64(at)
		g.Apply(position, &e)
	}
	for i := range size - 1 {
		next(ends[i], ends[i+1], i)
	}
	for b.Loop() {
		i := int(position) * 7919 % (size - 10) &^ 1
		next(ends[i], ends[i+7], int(position))
	}
	if stats := g.Stats(); stats.Conflicted != 1 || stats.Oversize != 0 {
		b.Fatalf("%+v", stats)
	}
}

// BenchmarkGiant is a new node in a component of 100,000 nodes: far over max_component.
func BenchmarkGiant(b *testing.B) {
	s := source{rand.NewChaCha8([32]byte{4})}
	g := graph.New(suppression)
	g.Apply(1, starting())
	mail := func() evidence.End { return evidence.End{Node: s.id(), Type: "email"} }
	first := mail()
	ends := []evidence.End{first}
	position := int64(1)
	next := func(x, y evidence.End) {
		position++
		e := evidence.NewEdge(workspace, x, y)
		g.Apply(position, &e)
	}
	for i := range 100_000 {
		ends = append(ends, mail())
		next(ends[i/2], ends[i+1])
	}
	b.ResetTimer()
	for i := range b.N {
		next(ends[i%len(ends)], mail())
	}
}

// BenchmarkBusy is one more neighbour of a node that has 100,000 and is no hub, because an operator allowed it.
func BenchmarkBusy(b *testing.B) {
	s := source{rand.NewChaCha8([32]byte{6})}
	g := graph.New(suppression)
	g.Apply(1, starting())
	busy := evidence.End{Node: s.id(), Type: "device_id"}
	g.Apply(2, &evidence.Verdict{Workspace: workspace, Node: busy.Node, Ruling: evidence.Allowed})
	next := func(i int) {
		e := evidence.NewEdge(workspace, busy, evidence.End{Node: s.id(), Type: "email"})
		g.Apply(int64(i+3), &e)
	}
	for i := range 100_000 {
		next(i)
	}
	b.ResetTimer()
	for i := range b.N {
		next(i)
	}
}

// BenchmarkCookies is a customer with 200 cookies getting one more, and the pairs of two busy nodes.
func BenchmarkCookies(b *testing.B) {
	s := source{rand.NewChaCha8([32]byte{5})}
	g := graph.New(suppression)
	g.Apply(1, starting())
	user := evidence.End{Node: s.id(), Type: "user_id"}
	for i := range b.N {
		if i%190 == 0 {
			user.Node = s.id()
		}
		e := evidence.NewEdge(workspace, user, evidence.End{Node: s.id(), Type: "anonymous_id"})
		g.Apply(int64(i+2), &e)
	}
}
