package graph

import (
	"maps"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// types numbers the names of types and has what the rules say of each. The numbers follow arrival and decide
// nothing.
type types struct {
	numbers map[string]uint16
	list    []typeRule
	// columns is how many types have a limit.
	columns int
}

type typeRule struct {
	name        string
	hash        uint64
	rank, class uint8
	limit       int
	// column counts the types with a limit, in the order of names; -1 for the others.
	column int
	hubs   []hubRule
}

type hubRule struct {
	typ   uint16
	limit int
}

func newTypes() types {
	t := types{numbers: make(map[string]uint16)}
	t.number("") // a node that no pair names has no type
	return t
}

// number of a name. Names of types come from configuration: after 65,535 of them the rest count as one.
func (t *types) number(name string) uint16 {
	if i, known := t.numbers[name]; known {
		return i
	}
	if len(t.list) > math.MaxUint16 {
		return math.MaxUint16
	}
	i := uint16(len(t.list))
	t.numbers[name] = i
	t.list = append(t.list, typeRule{name: name, hash: xxhash.Sum64String(name), rank: evidence.UnknownRank, class: evidence.WorstClass, column: -1})
	return i
}

// smaller is the type with the smaller name.
func (t *types) smaller(i, j uint16) uint16 {
	if i != j && t.list[j].name < t.list[i].name {
		return j
	}
	return i
}

// rule takes over what the rules say, in the order of names.
func (t *types) rule(rules *evidence.Ruleset) {
	for i := range t.list {
		r := &t.list[i]
		*r = typeRule{name: r.name, hash: r.hash, rank: evidence.UnknownRank, class: evidence.WorstClass, column: -1}
	}
	t.columns = 0
	for _, name := range slices.Sorted(maps.Keys(rules.Types)) {
		said := rules.Types[name]
		var hubs []hubRule
		for _, other := range slices.Sorted(maps.Keys(said.Hubs)) {
			hubs = append(hubs, hubRule{typ: t.number(other), limit: said.Hubs[other]})
		}
		r := &t.list[t.number(name)]
		r.rank, r.class, r.limit, r.hubs = said.Rank, said.Class, said.Limit, hubs
		if r.limit > 0 {
			r.column = t.columns
			t.columns++
		}
	}
}

func (t *types) rank(n *node) uint8 {
	rank := t.list[n.typ].rank
	if n.is(weak) {
		rank += evidence.WeakRank
	}
	return rank
}
