package graph_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/graph"
)

var types = []string{"user_id", "loyalty_card", "email", "phone", "anonymous_id"}

var rules = graph.Rules{
	LinkClass: 2,
	Rank: func(typ string, weak bool) uint8 {
		rank := uint8(slices.Index(types, typ))
		if weak {
			rank += 16
		}
		return rank
	},
}

// oracle is F, the batch: what the graph must equal after every record. It knows nothing of how the graph
// works: a map of pairs joined by minimum, a flood fill, an argmin.
func oracle(log []graph.Edge) map[string]map[uuid.UUID]uuid.UUID {
	type pair struct {
		workspace string
		a, b      uuid.UUID
	}
	type attributes struct {
		rank      uint8
		firstSeen int64
	}
	classes := map[pair]uint8{}
	nodes := map[string]map[uuid.UUID]attributes{}
	for _, e := range log {
		key := pair{e.Workspace, e.A.Node, e.B.Node}
		if class, known := classes[key]; !known || e.Class < class {
			classes[key] = e.Class
		}
		if nodes[e.Workspace] == nil {
			nodes[e.Workspace] = map[uuid.UUID]attributes{}
		}
		for _, end := range []graph.End{e.A, e.B} {
			now := attributes{rules.Rank(end.Type, end.Weak), e.FirstSeen}
			if old, known := nodes[e.Workspace][end.Node]; known {
				now = attributes{min(now.rank, old.rank), min(now.firstSeen, old.firstSeen)}
			}
			nodes[e.Workspace][end.Node] = now
		}
	}
	partition := map[string]map[uuid.UUID]uuid.UUID{}
	for workspace, members := range nodes {
		customers := map[uuid.UUID]uuid.UUID{}
		for node := range members {
			component := map[uuid.UUID]bool{node: true}
			for grown := true; grown; {
				grown = false
				for key, class := range classes {
					if key.workspace == workspace && class <= rules.LinkClass && component[key.a] != component[key.b] {
						component[key.a], component[key.b], grown = true, true, true
					}
				}
			}
			customers[node] = slices.MinFunc(slices.Collect(maps.Keys(component)), func(x, y uuid.UUID) int {
				a, b := members[x], members[y]
				if a.rank != b.rank {
					return int(a.rank) - int(b.rank)
				}
				if a.firstSeen != b.firstSeen {
					return int(a.firstSeen - b.firstSeen)
				}
				return bytes.Compare(x[:], y[:])
			})
		}
		partition[workspace] = customers
	}
	return partition
}

// partition reads the whole of a graph through the door that the service uses.
func partition(g *graph.Graph, log []graph.Edge) map[string]map[uuid.UUID]uuid.UUID {
	all := map[string]map[uuid.UUID]uuid.UUID{}
	for _, e := range log {
		if all[e.Workspace] == nil {
			all[e.Workspace] = map[uuid.UUID]uuid.UUID{}
		}
		for _, end := range []graph.End{e.A, e.B} {
			all[e.Workspace][end.Node], _ = g.Customer(e.Workspace, end.Node)
		}
	}
	return all
}

func build(log []graph.Edge) *graph.Graph {
	g := graph.New(rules)
	for i := range log {
		g.Apply(int64(i+1), &log[i])
	}
	return g
}

// person makes the nodes of a small world; salt stands for the key of the hash.
func person(i int, salt byte) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint32(id[4:], uint32(i*2654435761)^uint32(salt)*0x9e3779b9)
	id[15] = byte(i)
	return id
}

// draw makes a log over few nodes, so that pairs repeat, customers meet and best members change.
func draw(t *rapid.T) []graph.Edge {
	workspaces := []string{"paris", "lyon"}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) graph.Edge {
		end := func(label string, i int) graph.End {
			return graph.End{
				Node: person(i, 0), Type: types[i%len(types)],
				Weak: rapid.IntRange(0, 5).Draw(t, label+" weak") == 0,
			}
		}
		i := rapid.IntRange(0, 11).Draw(t, "a")
		j := rapid.IntRange(0, 10).Draw(t, "b")
		if j >= i {
			j++
		}
		e := graph.NewEdge(rapid.SampledFrom(workspaces).Draw(t, "workspace"), end("a", i), end("b", j))
		e.Class = uint8(rapid.IntRange(0, 3).Draw(t, "class"))
		e.Score = uint8(rapid.IntRange(0, 2).Draw(t, "score")) * 50
		e.FirstSeen = int64(rapid.IntRange(0, 4).Draw(t, "first seen"))
		return e
	}), 0, 40).Draw(t, "log")
}

func same(t *rapid.T, what string, want, got map[string]map[uuid.UUID]uuid.UUID) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}

// I1, I2: the incremental graph equals the batch after every record, and its changes say all of it: a
// reader of the changes alone (the identity map) has the same partition.
func TestIncrementalEqualsBatchAfterEveryRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		g := graph.New(rules)
		mapped := map[string]map[uuid.UUID]uuid.UUID{}
		for i := range log {
			e := &log[i]
			effect := g.Apply(int64(i+1), e)
			seen := map[uuid.UUID]bool{}
			if mapped[e.Workspace] == nil {
				mapped[e.Workspace] = map[uuid.UUID]uuid.UUID{}
			}
			for _, end := range []graph.End{e.A, e.B} {
				if _, known := mapped[e.Workspace][end.Node]; !known {
					mapped[e.Workspace][end.Node] = end.Node
				}
			}
			for _, change := range effect.Changes {
				if seen[change.Node] {
					t.Fatalf("record %d changes %s twice under one version", i, change.Node)
				}
				seen[change.Node] = true
				if was := mapped[e.Workspace][change.Node]; was != change.Previous || was == change.Canonical {
					t.Fatalf("record %d: %s was %s; change says %s -> %s", i, change.Node, was, change.Previous, change.Canonical)
				}
				mapped[e.Workspace][change.Node] = change.Canonical
			}
			want := oracle(log[:i+1])
			same(t, "graph", want, partition(g, log[:i+1]))
			same(t, "changes", want, mapped)
		}
	})
}

func TestOrderDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		shuffled := rapid.Permutation(log).Draw(t, "shuffled")
		same(t, "shuffled", partition(build(log), log), partition(build(shuffled), log))
	})
}

// Duplicates, also ones that know less (a later first sight, a weaker class), change nothing.
func TestRepetitionDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		more := slices.Clone(log)
		for i := range log {
			copies := rapid.IntRange(0, 2).Draw(t, "copies")
			for range copies {
				worse := log[i]
				worse.FirstSeen += int64(rapid.IntRange(0, 3).Draw(t, "later"))
				worse.Class = min(3, worse.Class+uint8(rapid.IntRange(0, 1).Draw(t, "weaker")))
				worse.A.Weak = worse.A.Weak || rapid.Bool().Draw(t, "weak")
				at := rapid.IntRange(i, len(more)).Draw(t, "at")
				more = slices.Insert(more, at, worse)
			}
		}
		same(t, "repeated", partition(build(log), log), partition(build(more), log))
	})
}

// I6: once the graph has the log, replaying what was seen appends nothing.
func TestReplayAppendsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		g := build(log)
		for i := range log {
			if edge, missing := g.Missing(&log[i]); missing {
				t.Fatalf("record %d would be appended again as %+v", i, edge)
			}
		}
	})
}

// What Missing says is appended and nothing else; the partition is the same as of everything. The joined
// values make the last record of a pair its best one, so compaction loses nothing.
func TestWhatIsAppendedIsEnoughAlsoCompacted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		observed := draw(t)
		g := graph.New(rules)
		var log []graph.Edge
		for i := range observed {
			if edge, missing := g.Missing(&observed[i]); missing {
				log = append(log, edge)
				if effect := g.Apply(int64(len(log)), &edge); effect.Worse {
					t.Fatalf("what was appended says less than is known: %+v", edge)
				}
			}
		}
		want := oracle(observed)
		same(t, "appended", want, partition(build(log), observed))
		same(t, "compacted", want, partition(build(compact(log)), observed))
	})
}

// Two instances that do not see each other's records may leave a pair's last record worse than what is
// known; appending Joined mends it. A mended record may itself come after better news and be mended again,
// but it comes to an end.
func TestJoinedRecordsMakeCompactionSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		g := graph.New(rules)
		var mended []graph.Edge
		for i := 0; i < len(log)+len(mended); i++ {
			var e graph.Edge
			if i < len(log) {
				e = log[i]
			} else {
				e = mended[i-len(log)]
			}
			effect := g.Apply(int64(i+1), &e)
			if effect.Worse {
				mended = append(mended, effect.Joined)
				if len(mended) > 3*len(log) {
					t.Fatalf("mending %d records goes on after %d", len(log), len(mended))
				}
			}
		}
		whole := append(slices.Clone(log), mended...)
		same(t, "compacted", oracle(log), partition(build(compact(whole)), log))
	})
}

// compact keeps the last record of each key, as Kafka does.
func compact(log []graph.Edge) []graph.Edge {
	last := map[string]int{}
	for i := range log {
		last[string(log[i].AppendKey(nil))] = i
	}
	var kept []graph.Edge
	for i := range log {
		if last[string(log[i].AppendKey(nil))] == i {
			kept = append(kept, log[i])
		}
	}
	return kept
}

// Another key of the hash gives other ids and the same groups.
func TestAnotherKeyPermutesIds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		salt := rapid.Byte().Draw(t, "salt")
		rename := map[uuid.UUID]uuid.UUID{}
		for i := range 12 {
			rename[person(i, 0)] = person(i, salt)
		}
		other := make([]graph.Edge, len(log))
		for i, e := range log {
			a, b := e.A, e.B
			a.Node, b.Node = rename[a.Node], rename[b.Node]
			other[i] = graph.NewEdge(e.Workspace, a, b)
			other[i].Class, other[i].Score, other[i].FirstSeen = e.Class, e.Score, e.FirstSeen
		}
		want, got := partition(build(log), log), partition(build(other), other)
		for workspace, customers := range want {
			for x, customerX := range customers {
				for y, customerY := range customers {
					together := got[workspace][rename[x]] == got[workspace][rename[y]]
					if together != (customerX == customerY) {
						t.Fatalf("%s and %s: together %v under one key, %v under the other", x, y, customerX == customerY, together)
					}
				}
			}
		}
	})
}

func TestWorkspacesNeverInteract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		both := partition(build(log), log)
		for _, workspace := range []string{"paris", "lyon"} {
			var alone []graph.Edge
			for _, e := range log {
				if e.Workspace == workspace {
					alone = append(alone, e)
				}
			}
			if diff := cmp.Diff(oracle(alone)[workspace], both[workspace]); diff != "" {
				t.Fatalf("%s: %s", workspace, diff)
			}
		}
	})
}

func TestStatsCountCustomers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := draw(t)
		members := map[string]int{}
		nodes := 0
		for workspace, customers := range oracle(log) {
			for _, customer := range customers {
				members[workspace+customer.String()]++
				nodes++
			}
		}
		want := graph.Stats{Nodes: nodes}
		for _, n := range members {
			if n > 1 {
				want.Customers++
			}
		}
		got := build(log).Stats()
		want.Pairs = len(compact(log))
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// BenchmarkApply is the rebuild at start: pairs a second, and the memory of one linked identifier. Each
// person has a user id with three other identifiers.
func BenchmarkApply(b *testing.B) {
	const people = 100_000
	log := make([]graph.Edge, 0, 3*people)
	for i := range people {
		user := graph.End{Node: uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint32(nil, uint32(4*i))), Type: "user_id"}
		for j := range 3 {
			other := graph.End{Node: uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint32(nil, uint32(4*i+1+j))), Type: "anonymous_id"}
			e := graph.NewEdge("w", user, other)
			e.FirstSeen = int64(i)
			log = append(log, e)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	for range b.N {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		g := build(log)
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/(4*people), "bytes/node")
		runtime.KeepAlive(g)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*float64(len(log))/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(0, "ns/op")
}
