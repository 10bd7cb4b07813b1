package evidence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Without these three the evidence would depend on the order of the log, or on who logged twice.
func TestJoinIsASemilattice(t *testing.T) {
	ofTheRecord := cmpopts.IgnoreFields(evidence.Edge{}, "Source", "Event", "Normaliser")
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t)
		x, y, z := drawSight(t, a, b), drawSight(t, a, b), drawSight(t, a, b)
		if rapid.Bool().Draw(t, "another name of the type") {
			y.A.Type = "another"
		}
		join := func(x, y evidence.Edge) evidence.Edge { return evidence.Join(&x, &y) }
		if diff := cmp.Diff(join(join(x, y), z), join(x, join(y, z))); diff != "" {
			t.Errorf("not associative: %s", diff)
		}
		if diff := cmp.Diff(join(x, y), join(y, x), ofTheRecord); diff != "" {
			t.Errorf("not commutative: %s", diff)
		}
		if diff := cmp.Diff(x, join(x, x)); diff != "" {
			t.Errorf("not idempotent: %s", diff)
		}
		joined := join(x, y)
		if joined.Class > min(x.Class, y.Class) || joined.FirstSeen > min(x.FirstSeen, y.FirstSeen) || joined.Score < max(x.Score, y.Score) {
			t.Errorf("%+v is worse than %+v or %+v", joined, x, y)
		}
		if x.Adds(&joined) || y.Adds(&joined) {
			t.Errorf("%+v does not have all of %+v and %+v", joined, x, y)
		}
		if y.Adds(&x) == joined.Same(&x) {
			t.Errorf("%+v adds to %+v: %v, but together they are %+v", y, x, y.Adds(&x), joined)
		}
	})
}

func TestAdds(t *testing.T) {
	known := evidence.NewEdge("w", evidence.End{Node: uuid.UUID{1}, Type: "a", Weak: true}, evidence.End{Node: uuid.UUID{2}, Type: "b"})
	known.Class, known.Score, known.FirstSeen = 2, 50, 1000
	f := func(name string, change func(*evidence.Edge), want bool) {
		t.Helper()
		e := known
		change(&e)
		if got := e.Adds(&known); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("the same", func(*evidence.Edge) {}, false)
	f("a better class", func(e *evidence.Edge) { e.Class = 1 }, true)
	f("a worse class", func(e *evidence.Edge) { e.Class = 3 }, false)
	f("a better score", func(e *evidence.Edge) { e.Score = 51 }, true)
	f("a worse score", func(e *evidence.Edge) { e.Score = 49 }, false)
	f("earlier", func(e *evidence.Edge) { e.FirstSeen = 999 }, true)
	f("later", func(e *evidence.Edge) { e.FirstSeen = 1001 }, false)
	f("not weak", func(e *evidence.Edge) { e.A.Weak = false }, true)
	f("weak", func(e *evidence.Edge) { e.B.Weak = true }, false)
	f("better in one, worse in all others", func(e *evidence.Edge) { e.Class, e.Score, e.FirstSeen = 1, 0, 2000 }, true)
	f("by another source", func(e *evidence.Edge) { e.Source, e.Event, e.Normaliser = "app", uuid.UUID{9}, 9 }, false)
}

func TestNewEdgePutsEndsInOrder(t *testing.T) {
	one, two := evidence.End{Node: uuid.UUID{1}, Type: "a", Weak: true}, evidence.End{Node: uuid.UUID{2}, Type: "b"}
	want := evidence.Edge{Workspace: "w", A: one, B: two, Score: 100}
	if diff := cmp.Diff(want, evidence.NewEdge("w", one, two)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, evidence.NewEdge("w", two, one)); diff != "" {
		t.Error(diff)
	}
}
