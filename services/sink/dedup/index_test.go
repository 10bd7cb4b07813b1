package dedup

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// What a partition was told it knows, in memory and after it was opened again.
func TestAnswers(t *testing.T) {
	hour := time.Hour.Milliseconds()
	l := &fakeLog{}
	l.add(entry(1, 100*hour), entry(2, 101*hour), entry(1, 102*hour), entry(1, 200*hour), entry(2, 149*hour), entry(2, 197*hour+1))
	files := vfs.NewMem()
	x := mustOpen(t, files, l, 48*time.Hour)
	mustAssign(t, x, 0)
	if diff := cmp.Diff([]bool{false, false, true}, ask(t, x, l, 0, 3)); diff != "" {
		t.Error(diff)
	}
	mustApply(t, x, l, 0, 3)
	mustClose(t, x)
	x = mustOpen(t, files, l, 48*time.Hour)
	mustAssign(t, x, 3)
	if diff := cmp.Diff([]bool{false, true, false}, ask(t, x, l, 3, 6)); diff != "" {
		t.Error(diff)
	}
	mustClose(t, x)
}
