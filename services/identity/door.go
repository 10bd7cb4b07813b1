package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

// logDoor is how operators come to the graph: they look at it, and add records to the log.
type logDoor struct {
	workspace string
	replica   *replica
	kafka     *stream.Client
}

func (s *stitcher) door() *logDoor {
	return &logDoor{workspace: s.workspace, replica: s.replica, kafka: s.kafka}
}

// notAppliedError says that records are in the log for good, and that this instance has not applied them
// yet.
type notAppliedError struct {
	// Position at which they will be true.
	Position int64
	cause    error
}

func (e *notAppliedError) Error() string {
	return fmt.Sprintf("logged at %d, not yet applied: %v", e.Position, e.cause)
}

func (e *notAppliedError) Unwrap() error { return e.cause }

// view shows the graph and the position at which it is true, under the read lock: nothing of it may be kept.
func (d *logDoor) view(look func(g *graph.Graph, position int64)) {
	d.replica.view(func(g *graph.Graph) { look(g, d.replica.next) })
}

// end is the end of the workspace's evidence log.
func (d *logDoor) end(ctx context.Context) (int64, error) {
	extent, err := d.kafka.Extent(ctx, stream.Evidence, d.replica.partition)
	return extent.End, err
}

// edge is what was seen of a pair, with who showed it.
func (d *logDoor) edge(a, b uuid.UUID) (evidence.Edge, bool, error) {
	return d.replica.store.Edge(d.workspace, a, b)
}

// append logs records together, in their order, and waits until this instance has applied them. It answers
// the position at which they are true; a [notAppliedError] when ctx ends after they were logged.
func (d *logDoor) append(ctx context.Context, records ...evidence.Record) (int64, error) {
	if len(records) == 0 {
		return 0, errors.New("append to the evidence log: there are no records")
	}
	messages := make([]*stream.Record, len(records))
	for i, record := range records {
		if rules, ok := record.(*evidence.Rules); ok && rules.Configuration == "" {
			// A restart must not take back what an operator changed.
			carried := *rules
			d.replica.view(func(g *graph.Graph) {
				last, _ := g.Rules()
				carried.Configuration = last.Configuration
			})
			record = &carried
		}
		if err := evidence.Check(record); err != nil {
			return 0, fmt.Errorf("append to the evidence log: %w", err)
		}
		messages[i] = evidenceRecord(d.workspace, record)
	}
	if err := d.kafka.Produce(ctx, messages...); err != nil {
		return 0, err
	}
	position := int64(0)
	for _, message := range messages {
		position = max(position, message.Offset+1)
	}
	if err := d.replica.wait(ctx, position); err != nil {
		return position, &notAppliedError{Position: position, cause: err}
	}
	return position, nil
}

// evidenceRecord is the Kafka record of a record of the workspace.
func evidenceRecord(workspace string, record evidence.Record) *stream.Record {
	return &stream.Record{
		Topic:     stream.Evidence,
		Partition: stream.EvidencePartition(workspace),
		Key:       record.AppendKey(nil),
		Value:     record.AppendValue(nil),
	}
}
