package graph_test

import (
	"maps"
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// store remembers what a store on disk would: the last record of a key, pairs with all that is known of them,
// and nothing of who was erased.
type store struct {
	g       *graph.Graph
	records map[string]evidence.Record
}

func newStore() *store {
	return &store{g: graph.New(suppression), records: map[string]evidence.Record{}}
}

func (s *store) apply(position int, r evidence.Record) graph.Effect {
	effect := s.g.Apply(int64(position), r)
	for _, e := range effect.Forgotten {
		delete(s.records, key(&e))
	}
	for _, c := range effect.ForgottenCuts {
		delete(s.records, key(&c))
	}
	for _, v := range effect.ForgottenVerdicts {
		delete(s.records, key(&v))
	}
	switch r := r.(type) {
	case *evidence.Edge:
		if effect.News {
			s.records[key(r)] = &effect.Pair
		}
	case *evidence.Cut:
		if len(effect.ForgottenCuts) == 0 {
			s.records[key(r)] = r
		}
	case *evidence.Verdict:
		if len(effect.ForgottenVerdicts) == 0 {
			s.records[key(r)] = r
		}
	case *evidence.Erase:
		for _, id := range r.Nodes {
			s.suppress(suppression(id))
		}
	case *evidence.Suppress:
		s.suppress(r.Key)
	case *evidence.Rules, *evidence.Engine:
		s.records[key(r)] = r
	case *evidence.Tombstone:
		switch r.Of.(type) {
		case *evidence.Edge, *evidence.Cut, *evidence.Verdict:
			delete(s.records, key(r))
		}
	}
	return effect
}

func (s *store) suppress(k evidence.SuppressionKey) {
	at, _ := s.g.Suppressed(k)
	r := &evidence.Suppress{Workspace: workspace, Key: k, At: at}
	s.records[key(r)] = r
}

// load makes a graph of what the store remembers, in some order.
func (s *store) load(t *rapid.T) *graph.Graph {
	g := graph.New(suppression)
	keys := rapid.Permutation(slices.Sorted(maps.Keys(s.records))).Draw(t, "order of the store")
	err := g.Load(func(yield func(evidence.Record, error) bool) {
		for _, k := range keys {
			if !yield(s.records[k], nil) {
				return
			}
		}
	}, s.g.Position())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// publisher appends what follows from records: pairs again whose last record says too little, and what an
// erasure leaves. It lags behind, so other records come between.
type publisher struct {
	g       *graph.Graph
	log     []evidence.Record
	pending []evidence.Record
}

func publish(t *rapid.T, records []evidence.Record) []evidence.Record {
	p := &publisher{g: graph.New(suppression)}
	for _, r := range records {
		p.append(r)
		for len(p.pending) > 0 && rapid.Bool().Draw(t, "the publisher writes") {
			p.write()
		}
	}
	for len(p.pending) > 0 {
		p.write()
	}
	return p.log
}

func (p *publisher) write() {
	r := p.pending[0]
	p.pending = p.pending[1:]
	p.append(r)
}

func (p *publisher) append(r evidence.Record) {
	p.log = append(p.log, r)
	effect := p.g.Apply(int64(len(p.log)), r)
	if effect.Worse {
		p.pending = append(p.pending, &effect.Pair)
	}
	erase, isErase := r.(*evidence.Erase)
	if isErase {
		for _, id := range erase.Nodes {
			p.pending = append(p.pending, &evidence.Suppress{Workspace: workspace, Key: suppression(id), At: erase.Note.At})
		}
	}
	for _, e := range effect.Forgotten {
		p.pending = append(p.pending, &evidence.Tombstone{Workspace: workspace, Of: &e})
	}
	for _, c := range effect.ForgottenCuts {
		p.pending = append(p.pending, &evidence.Tombstone{Workspace: workspace, Of: &c})
	}
	for _, v := range effect.ForgottenVerdicts {
		p.pending = append(p.pending, &evidence.Tombstone{Workspace: workspace, Of: &v})
	}
	if isErase {
		p.pending = append(p.pending, &evidence.Tombstone{Workspace: workspace, Of: erase})
	}
}

// compact draws a legal compaction: of the records of a key the oldest may be gone, but never the last.
func compact(t *rapid.T, log []evidence.Record) []evidence.Record {
	left := map[string]int{}
	for _, r := range log {
		left[key(r)]++
	}
	wholly := rapid.Bool().Draw(t, "compacted to the end")
	cleaned := map[string]bool{}
	var kept []evidence.Record
	for _, r := range log {
		k := key(r)
		left[k]--
		if left[k] > 0 && !cleaned[k] && (wholly || rapid.Bool().Draw(t, "gone")) {
			continue
		}
		cleaned[k] = true
		kept = append(kept, r)
	}
	return kept
}

// reader follows the map: it knows nothing but changes.
type reader map[uuid.UUID]graph.Change

func (m reader) read(t *rapid.T, changes []graph.Change) {
	t.Helper()
	for i, c := range changes {
		if i > 0 && changes[i-1].Node.String() >= c.Node.String() {
			t.Fatalf("changes are not ascending, each node once: %+v", changes)
		}
		if before := m.customer(c.Node); before.Canonical != c.Previous {
			t.Fatalf("%s: the change says that its customer was %s, it was %s", c.Node, c.Previous, before.Canonical)
		}
		if c.Reason == 0 {
			t.Fatalf("a change without a reason: %+v", c)
		}
		m[c.Node] = c
	}
}

func (m reader) customer(id uuid.UUID) graph.Change {
	if c, told := m[id]; told {
		return c
	}
	return graph.Change{Node: id, Canonical: id}
}
