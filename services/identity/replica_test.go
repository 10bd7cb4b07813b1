package identity

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

const partition = 2 // of the workspace "default"

func newTestReplica(committed int64) *replica {
	rules := graph.Rules{LinkClass: 2, Rank: func(string, bool) uint8 { return 1 }}
	return newReplica(rules, map[int32]int64{partition: committed}, zap.NewNop(), newMetrics(prometheus.NewRegistry()))
}

// chain makes n records of which each joins one more node.
func chain(n int) []*stream.Record {
	records := make([]*stream.Record, n)
	for i := range n {
		edge := graph.NewEdge("default", graph.End{Node: uuid.UUID{1, byte(i >> 8), byte(i)}, Type: "t"}, graph.End{Node: uuid.UUID{1, byte((i + 1) >> 8), byte(i + 1)}, Type: "t"})
		records[i] = evidenceRecord(&edge)
		records[i].Offset = int64(i)
	}
	return records
}

func offsets(entries []entry) string {
	list := []int64{}
	for _, e := range entries {
		list = append(list, e.offset)
	}
	return fmt.Sprint(list)
}

// The outbox answers for every record from the committed offset on, and for none before: a publisher gets
// all of a range, or an error.
func TestOutbox(t *testing.T) {
	r := newTestReplica(3)
	if err := r.apply(t.Context(), chain(10)); err != nil {
		t.Fatal(err)
	}
	f := func(first, last int64, want string) {
		t.Helper()
		entries, err := r.effects(partition, first, last)
		if err != nil {
			t.Fatal(err)
		}
		if got := offsets(entries); got != want {
			t.Errorf("%d to %d: got %s, want %s", first, last, got, want)
		}
	}
	f(3, 9, "[3 4 5 6 7 8 9]")
	f(4, 4, "[4]")
	f(8, 20, "[8 9]")
	if _, err := r.effects(partition, 2, 5); !errors.Is(err, errGone) {
		t.Errorf("effects before the committed offset: %v", err)
	}
	r.forget(partition, 5)
	r.forget(partition, 4) // an older answer of the broker
	f(5, 6, "[5 6]")
	if _, err := r.effects(partition, 4, 6); !errors.Is(err, errGone) {
		t.Errorf("effects that were dropped: %v", err)
	}
	r.forget(partition, 9)
	f(9, 9, "[9]")
	r.forget(partition, 10)
	f(10, 12, "[]")
}

// A publisher far behind takes the outbox apart in small steps: each step costs what it takes, not what is
// left.
func TestForgettingIsCheap(t *testing.T) {
	r := newTestReplica(0)
	if err := r.apply(t.Context(), chain(2000)); err != nil {
		t.Fatal(err)
	}
	copied := 0
	box := r.outbox[partition]
	for at := range int64(2000) {
		was := cap(box.entries)
		r.forget(partition, at)
		if cap(box.entries) < was-1 {
			copied += len(box.entries)
		}
	}
	if copied > 2000 {
		t.Errorf("dropping 2000 entries one by one copied %d", copied)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestReplica(0)
		f := func(before int64) chan error {
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			go func() {
				defer cancel()
				done <- r.wait(ctx, partition, before)
			}()
			synctest.Wait()
			return done
		}
		records := chain(5)
		third, ninth := f(3), f(9)
		if err := r.apply(t.Context(), records[:2]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-third:
			t.Fatalf("waiting for 3 ended at 2: %v", err)
		default:
		}
		if err := r.apply(t.Context(), records[2:]); err != nil {
			t.Fatal(err)
		}
		if err := <-third; err != nil {
			t.Error(err)
		}
		if err := <-f(5); err != nil {
			t.Error(err)
		}
		if err := <-ninth; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what never comes: %v", err)
		}
		late := f(9)
		close(r.ended)
		if err := <-late; !errors.Is(err, errEnded) {
			t.Errorf("waiting when nothing is read any more: %v", err)
		}
	})
}
