package identity

import (
	"context"

	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// publisherGroup makes one instance at a time the writer of the identity map for each partition of the
// evidence log.
const publisherGroup = "parcours-identity-publisher"

// publisher writes what evidence changed to identity.map. What it writes for a record is a function of
// the log up to that record, which every instance has computed for itself; so it does not matter who
// publishes, nor how often.
type publisher struct {
	kafka   *stream.Client
	replica *replica
	metrics *metrics
}

// publish handles a batch of evidence records.
//
//  1. wait until this instance has applied the last of them. A crash here loses nothing: the next owner
//     begins at the committed offset, from which on every instance keeps the effects.
//  2. take their effects from the outbox and write them: a row for each node that has another customer,
//     versioned by the record's offset plus one, and the joined evidence of pairs whose last record says
//     less than is known. A crash here leaves some rows written; the next owner writes all of them again,
//     with the same versions and the same values.
//  3. returning nil commits the offset. A crash before that is a crash in 2.
//
// An owner that the group gave up, and that wakes up with rows in flight, can write rows after its
// successor: old versions after newer ones. Readers keep the largest version of a node.
func (p *publisher) publish(ctx context.Context, batch []stream.Range) error {
	var records []*stream.Record
	joined, rows := 0, make(map[graph.Reason]int, 2)
	for _, part := range batch {
		// What is before the batch is committed.
		p.replica.forget(part.Partition, part.First())
		if err := p.replica.wait(ctx, part.Partition, part.Last()+1); err != nil {
			return err
		}
		effects, err := p.replica.effects(part.Partition, part.First(), part.Last())
		if err != nil {
			return err
		}
		for i := range effects {
			e := &effects[i]
			for _, change := range e.changes {
				records = append(records, mapRecord(e, change))
				rows[change.Reason]++
			}
			if e.joined != nil {
				records = append(records, evidenceRecord(e.joined))
				joined++
			}
		}
	}
	if err := p.kafka.Produce(ctx, records...); err != nil {
		return err
	}
	for reason, n := range rows {
		p.metrics.published.WithLabelValues(mapReason(reason).String()).Add(float64(n))
	}
	p.metrics.reappended.Add(float64(joined))
	return nil
}

func mapRecord(e *entry, change graph.Change) *stream.Record {
	row := identitymap.Row{
		Workspace: e.workspace,
		Node:      change.Node,
		Canonical: change.Canonical,
		// Offsets never restart, so neither do versions.
		Version:  uint64(e.offset) + 1,
		Reason:   mapReason(change.Reason),
		Previous: change.Previous,
	}
	return &stream.Record{
		Topic: stream.IdentityMap,
		Key:   identitymap.AppendKey(nil, &row),
		Value: identitymap.Append(nil, &row),
	}
}

func mapReason(reason graph.Reason) identitymap.Reason {
	if reason == graph.Joined {
		return identitymap.Joined
	}
	return identitymap.Renamed
}

func evidenceRecord(edge *graph.Edge) *stream.Record {
	return &stream.Record{
		Topic:     stream.Evidence,
		Partition: stream.EvidencePartition(edge.Workspace),
		Key:       edge.AppendKey(nil),
		Value:     edge.AppendValue(nil),
	}
}
