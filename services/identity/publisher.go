package identity

import (
	"context"
	"fmt"
	"iter"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// PublisherGroup makes one instance at a time the writer of a workspace's identity map: the owner of its
// partition of the evidence log.
func PublisherGroup(workspace string) string { return "parcours-identity-publisher." + workspace }

const (
	publisherRecords = 2_000
	publisherBytes   = 4 << 20
	// publishChunk bounds what is produced before its acknowledgement is waited for.
	publishChunk = 5_000
)

// publisher writes what evidence changed to identity.map and identity.audit. What it writes for a record is
// a function of the log up to that record, which every instance has computed for itself; so it does not
// matter who publishes, nor how often.
type publisher struct {
	kafka   *stream.Client
	replica *replica
	digests *digests
	metrics *metrics
}

// publish handles a batch of evidence records.
//
//  1. wait until this instance has applied the last of them. A crash here loses nothing: the next owner
//     begins at the committed offset, from which on every instance keeps the effects.
//  2. take their effects from the outbox and write them, in order: a row for each node that has another
//     customer, versioned by the record's offset plus one, the audit, the joined evidence of pairs whose last
//     record says less than is known, and what follows from an erasure. A crash here leaves some of it
//     written; the next owner writes all of it again, with the same versions and the same values.
//  3. returning nil commits the offset. A crash before that is a crash in 2.
//
// An owner that the group gave up, and that wakes up with rows in flight, can write rows after its
// successor: old versions after newer ones. Readers keep the largest version of a node.
func (p *publisher) publish(ctx context.Context, batch []stream.Range) error {
	for _, part := range batch {
		if part.Partition != p.replica.partition {
			continue // of other workspaces
		}
		if err := p.replica.wait(ctx, part.Last()+1); err != nil {
			return err
		}
		if err := p.write(ctx, part.First(), part.Last()); err != nil {
			return err
		}
		for _, record := range part.Records {
			if p.replica.isOurs(record) && !isDigest(record) {
				p.digests.news.Store(true)
				break
			}
		}
	}
	return nil
}

// isDigest tells the publisher's own records, which are no news.
func isDigest(record *stream.Record) bool {
	parsed, err := evidence.Parse(record.Key, record.Value)
	if err != nil {
		return false
	}
	_, digest := parsed.(*evidence.Digest)
	return digest
}

// write produces the effects of the records of a range, in chunks.
func (p *publisher) write(ctx context.Context, first, last int64) error {
	queued, err := p.replica.effects(first, last)
	if err != nil {
		return err
	}
	var chunk []*stream.Record
	flush := func() error {
		if err := p.kafka.Produce(ctx, chunk...); err != nil {
			return err
		}
		p.count(chunk)
		chunk = nil
		return nil
	}
	for q, err := range queued {
		if err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		// The tombstone of an erasure says that all that follows from it is there: it waits for the
		// acknowledgement of the rest.
		if len(chunk) >= publishChunk || endsErasure(&q.Message) {
			if err := flush(); err != nil {
				return err
			}
		}
		chunk = append(chunk, &stream.Record{Topic: q.Topic, Partition: max(q.Partition, 0), Key: q.Key, Value: q.Value})
	}
	return flush()
}

func endsErasure(m *store.Message) bool {
	if m.Topic != stream.Evidence || m.Value != nil {
		return false
	}
	parsed, err := evidence.Parse(m.Key, nil)
	if err != nil {
		return false
	}
	tombstone, ok := parsed.(*evidence.Tombstone)
	if !ok {
		return false
	}
	_, erase := tombstone.Of.(*evidence.Erase)
	return erase
}

func (p *publisher) count(written []*stream.Record) {
	for _, record := range written {
		switch {
		case record.Topic == stream.IdentityAudit:
			p.metrics.audited.Inc()
		case record.Topic == stream.Evidence && record.Value == nil:
			p.metrics.tombstones.Inc()
		case record.Topic == stream.Evidence:
			p.metrics.reappended.Inc()
		case record.Value != nil:
			if row, err := identitymap.Parse(record.Key, record.Value); err == nil {
				p.metrics.published.WithLabelValues(row.Reason.String()).Inc()
			}
		}
	}
}

// effects are what the records of a range changed, from the outbox.
func (r *replica) effects(first, last int64) (iter.Seq2[store.Queued, error], error) {
	r.mu.RLock()
	from := r.outboxFrom
	r.mu.RUnlock()
	if first < from {
		return nil, fmt.Errorf("publish evidence %d/%d, effects are kept from %d on: %w", r.partition, first, from, errGone)
	}
	return r.store.Outbox(first, last), nil
}

// forget drops the effects of records before the offset, which the group has committed. That this instance has written
// them is not enough: its commit can be refused, and the next owner, which may be itself, begins before them.
func (r *replica) forget(before int64) error {
	r.forgetting.Lock()
	defer r.forgetting.Unlock()
	r.mu.Lock()
	news := before > r.outboxFrom
	r.outboxFrom = max(r.outboxFrom, before)
	r.mu.Unlock()
	if !news {
		return nil
	}
	return r.store.Forget(before)
}

// forgetEvery is how often instances that do not publish ask what was published.
const forgetEvery = 10 * time.Second

// forgetPublished drops from the outbox what the publisher, wherever it runs, has committed, until ctx
// ends; and keeps a store awake that has nothing else to do.
func (r *replica) forgetPublished(ctx context.Context, kafka *stream.Client) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		committed, err := kafka.Committed(ctx, PublisherGroup(r.workspace), stream.Evidence)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("committed offsets of the publisher are not known, its effects are kept", zap.Error(err))
			}
			continue
		}
		if err := r.forget(committed[r.partition]); err != nil {
			return err
		}
		if err := r.touch(time.Now()); err != nil {
			return err
		}
	}
}
