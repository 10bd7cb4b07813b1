package stream

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPlanText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		position := rapid.Int64Range(0, 1<<62).Draw(t, "position")
		plan := Plan{Position: position, To: position + rapid.Int64Range(0, 1<<30).Draw(t, "more"), At: time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "at"))}
		if got, ok := readPlan(position, plan.text()); !ok || got != plan {
			t.Errorf("%q is read as %+v, %v; want %+v", plan.text(), got, ok, plan)
		}
		if got, ok := readPlan(plan.To+1, plan.text()); ok || got.Open() {
			t.Errorf("a plan that ends before the position is read as %+v", got)
		}
	})
}

func TestPlanTextOfOthers(t *testing.T) {
	for _, text := range []string{
		"", " ", "to=7", "at=7 to=7", "to=7 at=", "to= at=7", "to=7  at=7", "to=7 at=7 ", "to=+7 at=7", "to=07 at=7", "to=-7 at=7",
		"to=7 at=-1", "to=99999999999999999999 at=7", "to=7 at=7 by=me", "parcours-5a0c", "to=2 at=7",
	} {
		if plan, ok := readPlan(3, text); ok || plan.Open() || plan.Position != 3 {
			t.Errorf("%q is read as the plan %+v", text, plan)
		}
	}
	if plan, ok := readPlan(-1, "to=7 at=7"); ok || plan.Open() {
		t.Errorf("without a commit there is the plan %+v", plan)
	}
}

// What is read as a plan is what would be written for it.
func FuzzReadPlan(f *testing.F) {
	f.Add(int64(3), "to=7 at=1764000000000")
	f.Add(int64(0), "to=0 at=0")
	f.Add(int64(-1), "member-1")
	f.Fuzz(func(t *testing.T, position int64, text string) {
		plan, ok := readPlan(position, text)
		if ok != plan.Open() || plan.Position != position {
			t.Errorf("%q at %d is read as %+v, %v", text, position, plan, ok)
		}
		if ok && plan.text() != text {
			t.Errorf("%q is read as %+v, which is %q", text, plan, plan.text())
		}
	})
}
