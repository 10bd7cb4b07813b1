package evidence_test

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

func drawNode(t *rapid.T, label string) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

// drawPair draws two nodes in order.
func drawPair(t *rapid.T) (a, b uuid.UUID) {
	a, b = drawNode(t, "a"), drawNode(t, "b")
	if a == b {
		b[15]++
	}
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return a, b
}

func drawName(t *rapid.T, label string) string {
	return rapid.StringN(1, 60, evidence.MaxText).Filter(func(s string) bool { return s != "" }).Draw(t, label)
}

func drawTime(t *rapid.T) int64 { return rapid.Int64Range(0, evidence.MaxTime).Draw(t, "time") }

func drawNote(t *rapid.T) evidence.Note {
	return evidence.Note{
		At:     drawTime(t),
		Author: rapid.StringN(0, 60, evidence.MaxText).Draw(t, "author"),
		Reason: rapid.StringN(0, 300, evidence.MaxReason).Draw(t, "reason"),
	}
}

func drawEdge(t *rapid.T) *evidence.Edge {
	a, b := drawPair(t)
	e := drawSight(t, a, b)
	return &e
}

// drawSight draws what is known of a pair. Types follow from nodes.
func drawSight(t *rapid.T, a, b uuid.UUID) evidence.Edge {
	return evidence.Edge{
		Workspace:  "w",
		A:          evidence.End{Node: a, Type: "type" + strconv.Itoa(int(a[0]%3)), Weak: rapid.Bool().Draw(t, "weak a")},
		B:          evidence.End{Node: b, Type: "type" + strconv.Itoa(int(b[0]%3)), Weak: rapid.Bool().Draw(t, "weak b")},
		Class:      rapid.Uint8Range(0, 3).Draw(t, "class"),
		Score:      rapid.Uint8Range(0, 100).Draw(t, "score"),
		FirstSeen:  drawTime(t),
		Source:     rapid.StringN(0, 20, 80).Draw(t, "source"),
		Event:      drawNode(t, "event"),
		Normaliser: rapid.Uint16().Draw(t, "normaliser"),
	}
}

func drawRuleset(t *rapid.T) evidence.Ruleset {
	r := evidence.Ruleset{
		LinkClass:    rapid.Uint8Range(0, 3).Draw(t, "link class"),
		MaxCluster:   rapid.IntRange(1, 1000).Draw(t, "max cluster"),
		MaxComponent: rapid.IntRange(1, 1000).Draw(t, "max component"),
		Types: rapid.MapOfN(rapid.StringN(1, 20, 80), rapid.Custom(func(t *rapid.T) evidence.TypeRule {
			rule := evidence.TypeRule{
				Rank:  rapid.Uint8Range(0, evidence.WeakRank-1).Draw(t, "rank"),
				Class: rapid.Uint8Range(0, 3).Draw(t, "class"),
				Limit: rapid.IntRange(0, 1000).Draw(t, "limit"),
				Hubs:  rapid.MapOfN(rapid.StringN(1, 20, 80), rapid.IntRange(1, 100), 0, 3).Draw(t, "hubs"),
			}
			if len(rule.Hubs) == 0 {
				rule.Hubs = nil
			}
			return rule
		}), 1, 5).Draw(t, "types"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "blocked") {
		r.Blocked = append(r.Blocked, drawNode(t, "blocked"))
	}
	slices.SortFunc(r.Blocked, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	r.Blocked = slices.Compact(r.Blocked)
	return r
}

// kinds draw a record of each kind that has a value.
var kinds = map[string]func(t *rapid.T) evidence.Record{
	"edge": func(t *rapid.T) evidence.Record {
		e := drawEdge(t)
		e.Workspace, e.A.Type, e.B.Type = drawName(t, "workspace"), drawName(t, "type a"), drawName(t, "type b")
		return e
	},
	"cut": func(t *rapid.T) evidence.Record {
		a, b := drawPair(t)
		return &evidence.Cut{Workspace: drawName(t, "workspace"), A: a, B: b, Lifted: rapid.Bool().Draw(t, "lifted"), Note: drawNote(t)}
	},
	"verdict": func(t *rapid.T) evidence.Record {
		ruling := rapid.SampledFrom([]evidence.Ruling{evidence.Neutral, evidence.Blocked, evidence.Allowed}).Draw(t, "ruling")
		return &evidence.Verdict{Workspace: drawName(t, "workspace"), Node: drawNode(t, "node"), Ruling: ruling, Note: drawNote(t)}
	},
	"erase": func(t *rapid.T) evidence.Record {
		e := &evidence.Erase{Workspace: drawName(t, "workspace"), Request: drawNode(t, "request"), Note: drawNote(t)}
		for range rapid.IntRange(1, 20).Draw(t, "nodes") {
			e.Nodes = append(e.Nodes, drawNode(t, "node"))
		}
		return e
	},
	"suppress": func(t *rapid.T) evidence.Record {
		return &evidence.Suppress{Workspace: drawName(t, "workspace"), Key: evidence.SuppressionKey(drawNode(t, "key")), At: drawTime(t)}
	},
	"rules": func(t *rapid.T) evidence.Record {
		return &evidence.Rules{
			Workspace: drawName(t, "workspace"), Rules: drawRuleset(t),
			Configuration: rapid.StringN(0, 40, evidence.MaxText).Draw(t, "configuration"), Note: drawNote(t),
		}
	},
	"engine": func(t *rapid.T) evidence.Record {
		return &evidence.Engine{Workspace: drawName(t, "workspace"), Number: rapid.Uint16Min(1).Draw(t, "number"), Note: drawNote(t)}
	},
	"digest": func(t *rapid.T) evidence.Record {
		return &evidence.Digest{
			Workspace: drawName(t, "workspace"), Position: rapid.Int64Min(0).Draw(t, "position"),
			Sums: evidence.Sums{
				Map: rapid.Uint64().Draw(t, "map"), Evidence: rapid.Uint64().Draw(t, "evidence"),
				Nodes: rapid.Uint64().Draw(t, "nodes"), Pairs: rapid.Uint64().Draw(t, "pairs"),
			},
		}
	},
}
