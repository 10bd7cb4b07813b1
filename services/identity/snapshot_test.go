package identity

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/parcours-cdp/parcours/services/identity/store"
)

// checkpoints makes a snapshot at each of the positions.
func (l *testLog) checkpoints(dir string, positions ...int) {
	l.t.Helper()
	r := l.open(l.opening(l.t.TempDir(), 0))
	for _, at := range positions {
		l.play(r, at, 20)
		if _, err := r.store.Checkpoint(dir); err != nil {
			l.t.Fatal(err)
		}
	}
}

// A new instance takes the newest snapshot that fits, and the tail: the graph and the outbox are those of a
// full replay.
func TestSnapshotAndTail(t *testing.T) {
	l := newTestLog(t)
	l.story()
	whole := l.all()
	end := len(l.records)
	dir := t.TempDir()
	l.checkpoints(dir, end/3, end-10)
	f := func(what string, at int64, refused string, change func(o *opening)) {
		t.Run(what, func(t *testing.T) {
			l := l.in(t)
			o := l.opening(t.TempDir(), 0)
			o.snapshotDir = dir
			change(&o)
			r := l.open(o)
			if r.position() != at {
				t.Fatalf("began at %d, want %d", r.position(), at)
			}
			if n := testutil.CollectAndCount(o.metrics.refusedSnapshots); refused == "" && n > 0 || refused != "" && n == 0 {
				t.Errorf("%d reasons to refuse a snapshot are counted, want %q", n, refused)
			}
			if refused != "" && testutil.ToFloat64(o.metrics.refusedSnapshots.WithLabelValues(refused)) == 0 {
				t.Errorf("no snapshot was refused for %s", refused)
			}
			l.play(r, end, 30)
			if diff := cmp.Diff(whole.graph.Sums(), r.graph.Sums()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(outboxOf(t, whole, 0, int64(end)), outboxOf(t, r, 0, int64(end))); diff != "" {
				t.Errorf("the outbox: %s", diff)
			}
		})
	}
	f("the newest", int64(end-10), "", func(*opening) {})
	f("ahead of the log", int64(end/3), aheadOfLog, func(o *opening) { o.extent.End = int64(end - 11) })
	f("all ahead of the log", 0, aheadOfLog, func(o *opening) { o.extent.End = 1 })
	f("of another topic", 0, unreadable, func(o *opening) { o.extent.TopicID = "two" })
	f("none", 0, "", func(o *opening) { o.snapshotDir = filepath.Join(dir, "nothing") })
	f("a store of its own goes before", 5, "", func(o *opening) {
		r := l.open(l.opening(o.dataDir, 0))
		l.play(r, 5, 5)
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Snapshots are made when there is news, and the last three stay.
func TestSnapshotsAreMadeAndPruned(t *testing.T) {
	l := newTestLog(t)
	l.story()
	dir := t.TempDir()
	r := l.open(l.opening(t.TempDir(), 0))
	list := func() (positions []int64) {
		all, err := store.Snapshots(dir, testWorkspace)
		if err != nil {
			t.Fatal(err)
		}
		for _, snapshot := range all {
			positions = append(positions, snapshot.Position)
		}
		return positions
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.snapshot(ctx, dir, time.Millisecond) }()
	rounds := time.NewTicker(20 * time.Millisecond)
	defer rounds.Stop()
	for at := 10; at <= 50; at += 10 {
		l.play(r, at, 10)
		for deadline := time.Now().Add(30 * time.Second); ; {
			<-rounds.C // and time for a snapshot without news
			if made := list(); len(made) > 0 && made[0] == int64(at) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("at %d there are snapshots of %v", at, list())
			}
		}
	}
	<-rounds.C
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int64{50, 40, 30}, list()); diff != "" {
		t.Error(diff)
	}
	if n := testutil.ToFloat64(r.metrics.snapshots.WithLabelValues("failed")); n != 0 {
		t.Errorf("%v snapshots were not made", n)
	}
}
