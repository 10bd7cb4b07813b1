package dedup

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// long is a log of one record an hour, each with an id of its own.
func long(records int64) *fakeLog {
	l := &fakeLog{}
	for i := range records {
		l.add(entry(uint64(i), (100+i)*hour))
	}
	return l
}

// allKnown asks for a repetition of each of the last records.
func allKnown(t *testing.T, x *Index, l *fakeLog, records int64) {
	t.Helper()
	end := l.end()
	for i := end - records; i < end; i++ {
		l.add(Entry{ID: l.entries[i].ID, At: l.entries[end-1].At})
	}
	for i, repeated := range ask(t, x, l, end, l.end()) {
		if !repeated {
			t.Errorf("the copy at offset %d is not known", end-records+int64(i))
		}
	}
}

// Reading back that is broken off again and again goes on where it was, and leaves nothing out.
func TestReadBackGoesOn(t *testing.T) {
	l := long(40)
	l.chunk, l.refuse = 3, errors.New("the broker is away")
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	x.now = func() time.Time { return time.UnixMilli(100 * hour) }
	attempts := 0
	for x.Assign(t.Context(), testTopic, 0, 40) != nil {
		if attempts++; attempts > 20 {
			t.Fatal("it does not get on")
		}
		if attempts == 13 {
			l.refuse = nil
		}
	}
	if l.read != 40 {
		t.Errorf("%d records were read, the log has 40", l.read)
	}
	allKnown(t, x, l, 40)
	mustClose(t, x)
}

// A cold start far behind the clock reads the window before its position, neither from the clock on nor from the start.
func TestColdStartBehindTheClock(t *testing.T) {
	l := long(1000)
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	x.now = func() time.Time { return time.UnixMilli(5000 * hour) }
	mustAssign(t, x, 500)
	want := make([]bool, 10)
	if diff := cmp.Diff(want, ask(t, x, l, 500, 510)); diff != "" {
		t.Error(diff)
	}
	if extends := testutil.ToFloat64(x.metrics.extends); extends != 0 || l.read > 49+peek {
		t.Errorf("%d records were read, more than once %v times", l.read, extends)
	}
	// An index that has slept does not read what it slept through, but for the window.
	l.read = 0
	mustAssign(t, x, 1000-peek)
	if l.read > 49+peek {
		t.Errorf("%d records were read", l.read)
	}
	mustClose(t, x)
}

// A broker that finds no record as young as one that is there is not believed.
func TestBrokerThatSeesNothing(t *testing.T) {
	l := long(60)
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	l.blind = true
	mustAssign(t, x, 40)
	l.add(Entry{ID: l.entries[20].ID, At: 150 * hour})
	if got := ask(t, x, l, 60, 61); !got[0] {
		t.Error("a copy below the position is not known")
	}
	mustClose(t, x)
}

// Ids and the state that speaks of them are one batch: no crash can part them.
func TestOneBatch(t *testing.T) {
	l := long(5)
	x := mustOpen(t, vfs.NewMem(), l, 48*time.Hour)
	mustAssign(t, x, 0)
	p := x.partitions[name{testTopic, 0}]
	b := x.db.NewBatch()
	after := p.state
	after.applied = 5
	if err := x.fill(b, p, l.entries, &after, true); err != nil {
		t.Fatal(err)
	}
	states, ids := 0, 0
	for r := b.Reader(); ; {
		_, key, _, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		switch key[0] {
		case keyState:
			states++
		case keyID:
			ids++
		}
	}
	if states != 1 || ids != 5 {
		t.Errorf("the batch has %d states and %d ids", states, ids)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, x)
}
