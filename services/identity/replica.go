package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// replica is this instance's copy of what the evidence log says of one workspace: the graph that answers,
// and the store that remembers, with the outbox of what each record changed until the publisher, wherever
// it runs, has committed it.
//
// Graph, store and position are changed by one goroutine, the reader of the log. The graph changes under
// the lock; the position moves once the store has taken what leads to it.
type replica struct {
	workspace string
	partition int32
	log       *zap.Logger
	metrics   *metrics
	store     *store.Store
	// whole is true when the graph was made from the log's records alone, and so cannot be wrong by an older
	// mistake of this instance.
	whole bool
	// silent is the end that the log had when this instance began: compaction has removed records below it,
	// so sums there need not agree.
	silent      int64
	suppression func(uuid.UUID) evidence.SuppressionKey

	// writing is held by who writes the position into the store.
	writing sync.Mutex
	// forgetting is held by who drops messages from the outbox.
	forgetting sync.Mutex

	mu    sync.RWMutex
	graph *graph.Graph
	// next is the offset after the last applied one.
	next int64
	// moved is closed, and replaced, whenever next or evaluating changes.
	moved chan struct{}
	// evaluating is true while rules are evaluated over the whole graph.
	evaluating bool
	// configured is the fingerprint of the rules that this instance's configuration makes; empty until it has caught
	// up, so that the log's past is not taken for instances that differ.
	configured string
	// outboxFrom is the offset from which on the outbox has all effects.
	outboxFrom int64
	sums       sumsRing

	// ended is closed when nothing will be applied any more.
	ended chan struct{}
}

var (
	errEnded = errors.New("the evidence log is not being read any more")
	// errEvaluating means that it will take a while, and that the graph answers meanwhile.
	errEvaluating = errors.New("new rules are being evaluated")
	// errGone means that the publisher's group was set back to records whose effects were dropped. A restart
	// rebuilds them from the log.
	errGone = errors.New("effects of these records are no longer kept")
)

// view shows the graph under the read lock.
func (r *replica) view(look func(g *graph.Graph)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	look(r.graph)
}

// position is how much of the log was applied and kept.
func (r *replica) position() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// change changes what waiters look at.
func (r *replica) change(how func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how()
	close(r.moved)
	r.moved = make(chan struct{})
}

// wait returns nil once everything before the offset is applied.
func (r *replica) wait(ctx context.Context, before int64) error {
	return r.await(ctx, before, false)
}

// waitUnlessEvaluating is wait for who can go on with the graph as it is: it does not wait for new rules.
func (r *replica) waitUnlessEvaluating(ctx context.Context, before int64) error {
	return r.await(ctx, before, true)
}

func (r *replica) await(ctx context.Context, before int64, impatient bool) error {
	for {
		r.mu.RLock()
		next, moved, evaluating := r.next, r.moved, r.evaluating
		r.mu.RUnlock()
		if next >= before {
			return nil
		}
		if impatient && evaluating {
			return errEvaluating
		}
		select {
		case <-moved:
		case <-r.ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("wait for evidence %d/%d, %d applied: %w", r.partition, before, next, ctx.Err())
		}
	}
}

// suppressions answers from the graph which nodes were erased, to readers who do not hold the lock.
type suppressions struct {
	replica *replica
	count   int
}

// suppressions are nil for a reader when there are none: that costs nothing.
func (r *replica) suppressions() (s suppressions, some bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s = suppressions{replica: r, count: r.graph.Suppressions()}
	return s, s.count > 0
}

// Suppressions implements identifier.Erasures.
func (s suppressions) Suppressions() int { return s.count }

// Suppressed implements identifier.Erasures.
func (s suppressions) Suppressed(key [16]byte) (at int64, ok bool) {
	s.replica.mu.RLock()
	defer s.replica.mu.RUnlock()
	return s.replica.graph.Suppressed(evidence.SuppressionKey(key))
}

// measure sets the gauges.
func (r *replica) measure() {
	r.mu.RLock()
	stats, next := r.graph.Stats(), r.next
	r.mu.RUnlock()
	r.metrics.graph(stats)
	r.metrics.position.Set(float64(next))
	r.metrics.outboxEntries.Set(float64(r.store.Queued()))
}

// pair is the key of a pair in memory.
type pair struct{ a, b uuid.UUID }

// isOurs tells records of this workspace; others can share its partition.
func (r *replica) isOurs(record *stream.Record) bool {
	workspace, ok := evidence.Workspace(record.Key)
	return !ok || workspace == r.workspace
}
