package graph_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// A world is small and its limits are narrow, so that everything happens in 25 records: hubs, conflicts, caps,
// components that are too large, and all of them undone.
const (
	nodesInWorld = 14
	workspace    = "w"
)

// kinds of nodes in the world, by number.
var worldTypes = [...]string{"user", "mail", "card", "device", "other"}

// names makes the ids of a world: another salt is another key of the hash.
type names struct {
	salt string
	// honest writers agree on a node's type.
	honest bool
}

func (w names) node(i int) uuid.UUID {
	sum := sha256.Sum256([]byte(w.salt + strconv.Itoa(i)))
	return uuid.UUID(sum[:16])
}

func typeOf(i int) string {
	return worldTypes[[nodesInWorld]int{0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4}[i]]
}

// suppression is a second hash of a node.
func suppression(id uuid.UUID) (key evidence.SuppressionKey) {
	sum := sha256.Sum256(append([]byte("suppression"), id[:]...))
	copy(key[:], sum[:])
	return key
}

// rulesets are narrow in different ways.
func rulesets(w names) []evidence.Ruleset {
	plain := evidence.Ruleset{
		LinkClass: 2, MaxCluster: 5, MaxComponent: 6,
		Types: map[string]evidence.TypeRule{
			"user":   {Rank: 0, Limit: 1},
			"card":   {Rank: 1, Class: 1, Limit: 1, Hubs: map[string]int{"user": 1}},
			"mail":   {Rank: 2, Limit: 2, Hubs: map[string]int{"user": 2, "device": 3}},
			"device": {Rank: 3, Hubs: map[string]int{"user": 2}},
		},
	}
	wide := evidence.Ruleset{
		LinkClass: 3, MaxCluster: 100, MaxComponent: 4,
		Types: map[string]evidence.TypeRule{
			"user": {Rank: 0}, "card": {Rank: 1, Class: 1}, "mail": {Rank: 2, Class: 2}, "device": {Rank: 3, Limit: 3}, "other": {Rank: 4},
		},
	}
	blocking := plain
	blocking.LinkClass, blocking.MaxComponent = 1, 100
	blocking.Blocked = sorted(w.node(1), w.node(4), w.node(8))
	// Hubs of two kinds that are one another's neighbours: a pair with one may be what makes the other.
	hubs := evidence.Ruleset{
		LinkClass: 2, MaxCluster: 10, MaxComponent: 12,
		Types: map[string]evidence.TypeRule{
			"user": {Rank: 0}, "card": {Rank: 1}, "other": {Rank: 4},
			"mail":   {Rank: 2, Hubs: map[string]int{"device": 1}},
			"device": {Rank: 3, Hubs: map[string]int{"user": 1, "mail": 2}},
		},
	}
	return []evidence.Ruleset{plain, wide, blocking, hubs}
}

func sorted(ids ...uuid.UUID) []uuid.UUID {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

func drawEdge(t *rapid.T, w names) *evidence.Edge {
	i := rapid.IntRange(0, nodesInWorld-1).Draw(t, "a")
	j := rapid.IntRange(0, nodesInWorld-2).Draw(t, "b")
	if j >= i {
		j++
	}
	flags := rapid.IntRange(0, 19).Draw(t, "weak")
	end := func(i int, isWeak, lies bool) evidence.End {
		typ := typeOf(i)
		if lies {
			typ = "card"
		}
		return evidence.End{Node: w.node(i), Type: typ, Weak: isWeak}
	}
	e := evidence.NewEdge(workspace, end(i, flags == 0, flags == 2 && !w.honest), end(j, flags == 1, false))
	e.Class = uint8(max(0, rapid.IntRange(-3, 3).Draw(t, "class")))
	e.Score = rapid.SampledFrom([]uint8{100, 95, 60}).Draw(t, "score")
	e.FirstSeen = int64(rapid.IntRange(0, 5).Draw(t, "first seen"))
	return &e
}

func drawNodes(t *rapid.T, w names, least, most int) []uuid.UUID {
	var ids []uuid.UUID
	for range rapid.IntRange(least, most).Draw(t, "nodes") {
		ids = append(ids, w.node(rapid.IntRange(0, nodesInWorld-1).Draw(t, "node")))
	}
	return sorted(ids...)
}

// drawRecord draws a record of any kind, mostly evidence; last is what came before.
func drawRecord(t *rapid.T, w names, before []evidence.Record) evidence.Record {
	kind := rapid.IntRange(0, 39).Draw(t, "kind")
	note := evidence.Note{At: int64(len(before))}
	switch {
	case kind >= 33:
		return drawRuling(t, w, kind, note)
	case kind == 32 && len(before) > 0:
		switch of := before[rapid.IntRange(0, len(before)-1).Draw(t, "of")].(type) {
		case *evidence.Edge, *evidence.Cut, *evidence.Verdict, *evidence.Erase, *evidence.Suppress:
			return &evidence.Tombstone{Workspace: workspace, Of: of}
		}
	}
	return drawEdge(t, w)
}

func drawRuling(t *rapid.T, w names, kind int, note evidence.Note) evidence.Record {
	switch kind {
	case 33, 34:
		e := drawEdge(t, w)
		return &evidence.Cut{Workspace: workspace, A: e.A.Node, B: e.B.Node, Lifted: rapid.IntRange(0, 2).Draw(t, "lifted") == 0, Note: note}
	case 35, 36:
		return &evidence.Verdict{
			Workspace: workspace, Node: drawNodes(t, w, 1, 1)[0], Note: note,
			Ruling: rapid.SampledFrom([]evidence.Ruling{evidence.Neutral, evidence.Blocked, evidence.Allowed}).Draw(t, "ruling"),
		}
	case 37:
		var request uuid.UUID
		binary.BigEndian.PutUint64(request[:], uint64(note.At))
		return &evidence.Erase{Workspace: workspace, Request: request, Nodes: drawNodes(t, w, 1, 2), Note: note}
	case 38:
		return &evidence.Suppress{Workspace: workspace, Key: suppression(drawNodes(t, w, 1, 1)[0]), At: note.At}
	}
	return drawRules(t, w)
}

func drawRules(t *rapid.T, w names) *evidence.Rules {
	return &evidence.Rules{Workspace: workspace, Rules: rapid.SampledFrom(rulesets(w)).Draw(t, "rules")}
}

// drawHistory draws the rules and what follows.
func drawHistory(t *rapid.T, w names) []evidence.Record {
	history := []evidence.Record{drawRules(t, w)}
	for range rapid.IntRange(8, 45).Draw(t, "records") {
		history = append(history, drawRecord(t, w, history))
	}
	return history
}

// drawLog draws what writers may append: Suppress records and tombstones of erasures come from the publisher.
func drawLog(t *rapid.T, w names) []evidence.Record {
	return slices.DeleteFunc(drawHistory(t, w), func(r evidence.Record) bool {
		if gone, is := r.(*evidence.Tombstone); is {
			r = gone.Of
			_, erase := r.(*evidence.Erase)
			_, suppress := r.(*evidence.Suppress)
			return erase || suppress
		}
		_, suppress := r.(*evidence.Suppress)
		return suppress
	})
}

func key(r evidence.Record) string { return string(r.AppendKey(nil)) }

// shuffle draws an order in which records of one key keep theirs.
func shuffle(t *rapid.T, records []evidence.Record, free func(r evidence.Record) bool) []evidence.Record {
	type place struct {
		at int
		r  evidence.Record
	}
	places := make([]place, len(records))
	ofKey := map[string][]int{}
	for i, r := range records {
		places[i] = place{rapid.IntRange(0, 99).Draw(t, "place"), r}
		if !free(r) {
			ofKey[key(r)] = append(ofKey[key(r)], i)
		}
	}
	for _, same := range ofKey {
		var at []int
		for _, i := range same {
			at = append(at, places[i].at)
		}
		slices.Sort(at)
		for j, i := range same {
			places[i].at = at[j]
		}
	}
	slices.SortStableFunc(places, func(x, y place) int { return x.at - y.at })
	shuffled := make([]evidence.Record, len(places))
	for i := range places {
		shuffled[i] = places[i].r
	}
	return shuffled
}

func apply(records []evidence.Record) *graph.Graph {
	g := graph.New(suppression)
	for i, r := range records {
		g.Apply(int64(i+1), r)
	}
	return g
}

// check draws n times.
func check(t *testing.T, n int, f func(t *rapid.T)) {
	t.Helper()
	before := flag.Lookup("rapid.checks").Value.String()
	if before == "100" { // not given on the command line
		if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set("rapid.checks", before) })
	}
	rapid.Check(t, f)
}
