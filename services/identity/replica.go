package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// replica is this instance's copy of what the evidence log says, and the outbox: what each record
// changed, kept until the publisher, wherever it runs, has committed it.
//
// It is rebuilt from the log at every start. State and position change together, under one lock.
type replica struct {
	log     *zap.Logger
	metrics *metrics

	mu    sync.RWMutex
	graph *graph.Graph
	// next is the offset after the last applied one, by partition.
	next map[int32]int64
	// moved is closed, and replaced, whenever next moves.
	moved  chan struct{}
	outbox map[int32]*outbox

	// ended is closed when nothing will be applied any more.
	ended chan struct{}
}

// outbox has the effects of the records of one partition from base on, in order; records that changed
// nothing leave none.
type outbox struct {
	base    int64
	entries []entry
}

type entry struct {
	offset    int64
	workspace string
	changes   []graph.Change
	// joined is to be appended once more; nil when the record says all that is known.
	joined *graph.Edge
}

var (
	errEnded = errors.New("the evidence log is not being read any more")
	// errGone means that the publisher's group was set back to records whose effects were dropped. A restart
	// rebuilds them: the outbox then begins at the committed offset.
	errGone = errors.New("effects of these records are no longer kept")
)

// newReplica keeps effects from the publisher's committed offsets on.
func newReplica(rules graph.Rules, committed map[int32]int64, log *zap.Logger, m *metrics) *replica {
	r := &replica{
		log: log, metrics: m, graph: graph.New(rules),
		next: make(map[int32]int64), moved: make(chan struct{}), ended: make(chan struct{}),
		outbox: make(map[int32]*outbox, stream.EvidencePartitions),
	}
	for partition := range int32(stream.EvidencePartitions) {
		r.outbox[partition] = &outbox{base: committed[partition]}
	}
	return r
}

// apply takes in records of the log in their order.
func (r *replica) apply(_ context.Context, records []*stream.Record) error {
	malformed := 0
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range records {
		edge, err := graph.ParseEdge(record.Key, record.Value)
		if errors.Is(err, graph.ErrNewer) {
			return fmt.Errorf("apply evidence at %d/%d: %w", record.Partition, record.Offset, err)
		}
		if err == nil && stream.EvidencePartition(edge.Workspace) != record.Partition {
			err = errors.New("evidence is not in the partition of its workspace")
		}
		if err != nil {
			// No evidence at all: every instance passes it over alike, so the partition stays a function of the log.
			malformed++
		} else {
			effect := r.graph.Apply(record.Offset+1, &edge)
			box := r.outbox[record.Partition]
			if record.Offset >= box.base && (len(effect.Changes) > 0 || effect.Worse) {
				kept := entry{offset: record.Offset, workspace: edge.Workspace, changes: effect.Changes}
				if effect.Worse {
					kept.joined = &effect.Joined
				}
				box.entries = append(box.entries, kept)
			}
		}
		r.next[record.Partition] = record.Offset + 1
	}
	close(r.moved)
	r.moved = make(chan struct{})
	if malformed > 0 {
		r.metrics.malformed.Add(float64(malformed))
		r.log.Warn("records of the evidence log are no evidence and were passed over", zap.Int("records", malformed))
	}
	r.measure()
	return nil
}

// measure wants the lock held.
func (r *replica) measure() {
	stats := r.graph.Stats()
	r.metrics.nodes.Set(float64(stats.Nodes))
	r.metrics.pairs.Set(float64(stats.Pairs))
	r.metrics.customers.Set(float64(stats.Customers))
	entries := 0
	for partition, box := range r.outbox {
		entries += len(box.entries)
		r.metrics.appliedPosition.WithLabelValues(strconv.Itoa(int(partition))).Set(float64(r.next[partition]))
	}
	r.metrics.outboxEntries.Set(float64(entries))
}

// wait returns nil once everything before the offset is applied.
func (r *replica) wait(ctx context.Context, partition int32, before int64) error {
	for {
		r.mu.RLock()
		next, moved := r.next[partition], r.moved
		r.mu.RUnlock()
		if next >= before {
			return nil
		}
		select {
		case <-moved:
		case <-r.ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("wait for evidence %d/%d, %d applied: %w", partition, before, next, ctx.Err())
		}
	}
}

// effects returns what the records of a range changed.
func (r *replica) effects(partition int32, first, last int64) ([]entry, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	box := r.outbox[partition]
	if first < box.base {
		return nil, fmt.Errorf("publish evidence %d/%d, effects are kept from %d on: %w", partition, first, box.base, errGone)
	}
	from, to := box.before(first), box.before(last+1)
	return box.entries[from:to:to], nil
}

// before counts the entries before an offset.
func (o *outbox) before(offset int64) int {
	n, _ := slices.BinarySearchFunc(o.entries, offset, func(e entry, offset int64) int { return cmp.Compare(e.offset, offset) })
	return n
}

// forget drops the effects of records before the offset.
func (r *replica) forget(partition int32, before int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	box := r.outbox[partition]
	if box == nil || before <= box.base {
		return
	}
	dropped := box.before(before)
	box.entries = box.entries[dropped:]
	// What was dropped is freed by a copy, once it is worth one; it is not overwritten, a publisher that lost
	// its partition may still be reading it.
	if dropped > len(box.entries) {
		box.entries = slices.Clone(box.entries)
	}
	box.base = before
	r.measure()
}

// forgetEvery is how often instances that do not publish ask what was published.
const forgetEvery = 10 * time.Second

// forgetPublished drops from the outbox what the publisher, wherever it runs, has committed, until ctx ends.
func (r *replica) forgetPublished(ctx context.Context, kafka *stream.Client) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		committed, err := kafka.Committed(ctx, publisherGroup, stream.Evidence)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("committed offsets of the publisher are not known, its effects are kept", zap.Error(err))
			}
			continue
		}
		for partition, offset := range committed {
			r.forget(partition, offset)
		}
	}
}
