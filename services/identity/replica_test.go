package identity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/graph/graphtest"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// testLog is an evidence log without Kafka.
type testLog struct {
	t       testing.TB
	ids     *identifier.Identifiers
	records []*stream.Record
	topic   string
}

const testWorkspace = "default"

func newTestLog(t testing.TB) *testLog {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		t.Fatal(err)
	}
	l := &testLog{t: t, ids: ids, topic: "one"}
	rules, err := ruleset(DefaultConfig(), ids)
	if err != nil {
		t.Fatal(err)
	}
	l.add(&evidence.Engine{Workspace: testWorkspace, Number: 1}, &evidence.Rules{Workspace: testWorkspace, Rules: rules, Configuration: rules.Fingerprint()})
	return l
}

// in is the same log for a subtest, which closes what it opens.
func (l *testLog) in(t testing.TB) *testLog {
	sub := *l
	sub.t = t
	return &sub
}

func (l *testLog) suppression(node uuid.UUID) evidence.SuppressionKey {
	return l.ids.SuppressionKey(node)
}

func (l *testLog) add(records ...evidence.Record) {
	for _, record := range records {
		message := evidenceRecord(testWorkspace, record)
		message.Offset = int64(len(l.records))
		message.Timestamp = time.UnixMilli(1_700_000_000_000 + message.Offset)
		l.records = append(l.records, message)
	}
}

func (l *testLog) node(typ string, n int) evidence.End {
	node, reason := l.ids.Node(typ, fmt.Sprintf("%s-%d", typ, n))
	if reason != "" {
		l.t.Fatalf("%s %d: %s", typ, n, reason)
	}
	return evidence.End{Node: node, Type: typ}
}

func (l *testLog) edge(at int64, a, b evidence.End) *evidence.Edge {
	edge := evidence.NewEdge(testWorkspace, a, b)
	edge.FirstSeen, edge.Source, edge.Event = at, "web", uuid.UUID{byte(at)}
	return &edge
}

// story is a log with everything in it: people, a kiosk, a shared card, a cut that is lifted, a block, an
// erasure, rules that change, repeated and worse evidence.
func (l *testLog) story() {
	for n := range 40 {
		l.add(l.edge(int64(100+n), l.node("user_id", n), l.node("anonymous_id", n)))
		l.add(l.edge(int64(200+n), l.node("anonymous_id", n), l.node("device_id", n/3)))
		if n%4 == 0 {
			l.add(l.edge(int64(50+n), l.node("user_id", n), l.node("anonymous_id", n)), l.edge(int64(900+n), l.node("user_id", n), l.node("anonymous_id", n)))
		}
		l.add(l.edge(int64(300+n), l.node("user_id", n), l.node("device_id", 999)))
		if n == 20 {
			cut := evidence.Cut{Workspace: testWorkspace, Note: evidence.Note{Author: "a", Reason: "b"}}
			e := l.edge(0, l.node("user_id", 3), l.node("anonymous_id", 3))
			cut.A, cut.B = e.A.Node, e.B.Node
			lifted := cut
			lifted.Lifted = true
			l.add(&cut, &evidence.Verdict{Workspace: testWorkspace, Node: l.node("device_id", 2).Node, Ruling: evidence.Blocked}, &lifted)
		}
		if n == 25 {
			l.add(&evidence.Erase{
				Workspace: testWorkspace, Request: uuid.UUID{9}, Note: evidence.Note{At: 5_000, Author: "dpo"},
				Nodes: []uuid.UUID{l.node("user_id", 7).Node, l.node("anonymous_id", 7).Node},
			})
			l.add(l.edge(107, l.node("user_id", 7), l.node("anonymous_id", 7)))
		}
		if n == 30 {
			rules, err := ruleset(DefaultConfig(), l.ids)
			if err != nil {
				l.t.Fatal(err)
			}
			rules.MaxCluster = 4
			l.add(&evidence.Rules{Workspace: testWorkspace, Rules: rules})
		}
	}
}

// opening is for the log as it is.
func (l *testLog) opening(dir string, committed int64) opening {
	return opening{
		workspace: testWorkspace, dataDir: dir, suppression: l.suppression,
		extent: stream.Extent{TopicID: l.topic, End: int64(len(l.records))}, committed: committed,
		log: zap.NewNop(), metrics: newMetrics(prometheus.NewRegistry()),
	}
}

func (l *testLog) open(o opening) *replica {
	l.t.Helper()
	r, err := openReplica(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return r
}

// play applies the log from where the replica stands, up to an offset, some records at a time.
func (l *testLog) play(r *replica, to, step int) {
	l.t.Helper()
	for from := int(r.position()); from < to; from = int(r.position()) {
		if err := r.apply(l.t.Context(), l.records[from:min(from+step, to)]); err != nil {
			l.t.Fatal(err)
		}
	}
}

// all is a replica that has read the whole log at once, in memory.
func (l *testLog) all() *replica {
	r := l.open(l.opening("", 0))
	l.play(r, len(l.records), len(l.records))
	return r
}

func outboxOf(t testing.TB, r *replica, first, last int64) []store.Queued {
	t.Helper()
	queued, err := r.effects(first, last)
	if err != nil {
		t.Fatal(err)
	}
	var list []store.Queued
	for q, err := range queued {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, q)
	}
	return list
}

// outcomes holds the graph against F.
func (l *testLog) wantF(g *graph.Graph) {
	l.t.Helper()
	var records []evidence.Record
	for _, message := range l.records {
		record, err := evidence.Parse(message.Key, message.Value)
		if err != nil {
			l.t.Fatal(err)
		}
		records = append(records, record)
	}
	for node, want := range graphtest.F(records, l.suppression) {
		if customer, _ := g.Customer(node); customer != want.Customer || g.Shared(node) != want.Shared {
			l.t.Errorf("%s is of %s (shared %v), want %s (%v)", node, customer, g.Shared(node), want.Customer, want.Shared)
		}
	}
}

// Killed after any record, with or without what was not on the disk yet, an instance comes to the same
// graph and the same outbox.
func TestKilledAnywhere(t *testing.T) {
	l := newTestLog(t)
	l.story()
	whole := l.all()
	l.wantF(whole.graph)
	want := outboxOf(t, whole, 0, int64(len(l.records)))
	for at := 0; at < len(l.records); at += 7 {
		dir, copied := t.TempDir(), t.TempDir()
		first := l.open(l.opening(dir, 0))
		l.play(first, at, 5)
		// What the operating system has of it is what a kill leaves.
		if err := os.CopyFS(filepath.Join(copied, testWorkspace), os.DirFS(filepath.Join(dir, testWorkspace))); err != nil {
			t.Fatal(err)
		}
		if err := first.store.Close(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{dir, copied} {
			o := l.opening(dir, 0)
			second := l.open(o)
			if n := testutil.CollectAndCount(o.metrics.rebuilds); n != 0 {
				t.Errorf("killed at %d the store was thrown away", at)
			}
			if dir != copied && second.position() != int64(at) {
				t.Errorf("closed at %d the store is at %d", at, second.position())
			}
			l.play(second, len(l.records), 11)
			if diff := cmp.Diff(whole.graph.Sums(), second.graph.Sums()); diff != "" {
				t.Errorf("killed at %d: %s", at, diff)
			}
			if diff := cmp.Diff(want, outboxOf(t, second, 0, int64(len(l.records)))); diff != "" {
				t.Errorf("killed at %d, the outbox: %s", at, diff)
			}
		}
	}
}

// A store that does not belong to the log, or is not what it was, is thrown away with a reason, and the
// rebuilt graph is right.
func TestUnusableStores(t *testing.T) {
	l := newTestLog(t)
	l.story()
	whole := l.all()
	end := len(l.records)
	f := func(reason string, spoil func(r *replica, o *opening, dir string)) {
		t.Run(reason, func(t *testing.T) {
			l, dir := l.in(t), t.TempDir()
			r := l.open(l.opening(dir, 0))
			l.play(r, end-5, 50)
			o := l.opening(dir, 0)
			spoil(r, &o, filepath.Join(dir, testWorkspace))
			if err := r.store.Close(); err != nil {
				t.Fatal(err)
			}
			second := l.open(o)
			if n := testutil.ToFloat64(o.metrics.rebuilds.WithLabelValues(reason)); n != 1 {
				t.Errorf("%v rebuilds for %s, want 1", n, reason)
			}
			if second.position() != 0 {
				t.Fatalf("the rebuilt store begins at %d", second.position())
			}
			l.play(second, end, 50)
			if diff := cmp.Diff(whole.graph.Sums(), second.graph.Sums()); diff != "" {
				t.Error(diff)
			}
		})
	}
	f(aheadOfLog, func(_ *replica, o *opening, _ string) { o.extent.End = int64(end) - 6 })
	f(behindLog, func(_ *replica, o *opening, _ string) { o.extent.Start = int64(end) - 4 })
	f(unreadable, func(_ *replica, o *opening, _ string) { o.extent.TopicID = "two" })
	f(asleepTooLong, func(r *replica, _ *opening, _ string) {
		if err := r.store.Begin().Commit(r.position(), r.graph.Sums(), time.Now().Add(-maxSleep-time.Minute)); err != nil {
			t.Fatal(err)
		}
	})
	f(outboxGone, func(r *replica, _ *opening, _ string) {
		if err := r.forget(10); err != nil {
			t.Fatal(err)
		}
	})
	f(otherSums, func(r *replica, _ *opening, _ string) {
		// One pair is not what it was, and everything else is in order.
		tampered := l.edge(1, l.node("user_id", 1), l.node("anonymous_id", 1))
		batch := r.store.Begin()
		batch.Put(tampered)
		if err := batch.Commit(r.position(), r.graph.Sums(), time.Now()); err != nil {
			t.Fatal(err)
		}
	})
}

// A store at the end of a quiet log may sleep as long as the log does.
func TestQuietLogIsNoSleep(t *testing.T) {
	l := newTestLog(t)
	l.story()
	dir := t.TempDir()
	r := l.open(l.opening(dir, 0))
	l.play(r, len(l.records), 50)
	if err := r.store.Begin().Commit(r.position(), r.graph.Sums(), time.Now().Add(-10*maxSleep)); err != nil {
		t.Fatal(err)
	}
	if err := r.touch(time.Now()); err != nil {
		t.Fatal(err)
	}
	if asleep := time.Since(r.store.LastWritten()); asleep > time.Minute {
		t.Errorf("a store that is up to date sleeps since %s", asleep)
	}
	if err := r.store.Begin().Commit(r.position(), r.graph.Sums(), time.Now().Add(-10*maxSleep)); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if second := l.open(l.opening(dir, 0)); second.position() != int64(len(l.records)) {
		t.Errorf("the store begins at %d", second.position())
	}
}

// The outbox answers for every record from the committed offset on, and for none before: a publisher gets
// all of a range, or an error.
func TestOutbox(t *testing.T) {
	l := newTestLog(t)
	for n := range 8 {
		l.add(l.edge(1, l.node("user_id", n), l.node("anonymous_id", n)))
	}
	r := l.open(l.opening("", 3))
	l.play(r, len(l.records), 4)
	f := func(first, last int64, want ...int64) {
		t.Helper()
		var got []int64
		for _, q := range outboxOf(t, r, first, last) {
			if len(got) == 0 || got[len(got)-1] != q.Offset {
				got = append(got, q.Offset)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d to %d: %s", first, last, diff)
		}
	}
	f(3, 9, 3, 4, 5, 6, 7, 8, 9)
	f(4, 4, 4)
	f(8, 20, 8, 9)
	if _, err := r.effects(2, 5); !errors.Is(err, errGone) {
		t.Errorf("effects before the committed offset: %v", err)
	}
	for _, before := range []int64{5, 4} { // the second is an older answer of the broker
		if err := r.forget(before); err != nil {
			t.Fatal(err)
		}
	}
	f(5, 6, 5, 6)
	if _, err := r.effects(4, 6); !errors.Is(err, errGone) {
		t.Errorf("effects that were dropped: %v", err)
	}
	if err := r.forget(10); err != nil {
		t.Fatal(err)
	}
	f(10, 12)
}

func TestWait(t *testing.T) {
	l := newTestLog(t)
	for n := range 5 {
		l.add(l.edge(1, l.node("user_id", n), l.node("anonymous_id", n)))
	}
	synctest.Test(t, func(t *testing.T) {
		r := &replica{moved: make(chan struct{}), ended: make(chan struct{})}
		f := func(before int64, wait func(context.Context, int64) error) chan error {
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			go func() {
				defer cancel()
				done <- wait(ctx, before)
			}()
			synctest.Wait()
			return done
		}
		third, ninth, eighth := f(3, r.wait), f(9, r.wait), f(8, r.waitUnlessEvaluating)
		r.change(func() { r.next = 2 })
		synctest.Wait()
		select {
		case err := <-third:
			t.Fatalf("waiting for 3 ended at 2: %v", err)
		default:
		}
		r.change(func() { r.next = 7 })
		if err := <-third; err != nil {
			t.Error(err)
		}
		if err := <-f(5, r.wait); err != nil {
			t.Error(err)
		}
		// Rules are evaluated: who can go on goes on, who cannot waits.
		r.change(func() { r.evaluating = true })
		if err := <-eighth; !errors.Is(err, errEvaluating) {
			t.Errorf("waiting while rules are evaluated: %v", err)
		}
		if err := <-f(5, r.waitUnlessEvaluating); err != nil {
			t.Errorf("what is applied is not waited for: %v", err)
		}
		if err := <-ninth; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what never comes: %v", err)
		}
		late := f(9, r.wait)
		close(r.ended)
		if err := <-late; !errors.Is(err, errEnded) {
			t.Errorf("waiting when nothing is read any more: %v", err)
		}
	})
}
