// Package quarantine keeps what cannot be processed: it turns a fault and the original bytes into a
// record of the rejected topic, where nothing is lost and everything can be replayed once repaired.
package quarantine

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

// namespace makes rejection ids differ from every other name-based id.
var namespace = uuid.MustParse("6f0d4a3e-6d0c-5b53-9a56-1d2f3b7c9e10")

// MediaTypeAvro is the content type of payloads that were read from Kafka: the whole framed message.
const MediaTypeAvro = "application/vnd.confluent.avro"

// Quarantine makes rejected records for one stage. It is safe for concurrent use.
type Quarantine struct {
	stage    string
	schemaID int32
}

// New registers the schema of rejected events for the stage (collector, identity, enricher or sink).
func New(ctx context.Context, reg *registry.Registry, stage string) (*Quarantine, error) {
	id, err := reg.Register(ctx, stream.Rejected, schemas.RejectedTouchpointSchema())
	if err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	return &Quarantine{stage: stage, schemaID: id}, nil
}

// Record turns a rejection into a Kafka record for the caller to produce together with its others. It
// fills in the stage, the time and the id; the same fault on the same bytes has the same id, so a
// repeated batch does not double its rows.
func (q *Quarantine) Record(rejected schemas.RejectedTouchpoint) *stream.Record {
	return q.RecordAs(rejected, rejected.Payload)
}

// RecordAs is Record for a payload of which only the part that is the event itself makes the id: what stands around it
// may differ from one attempt of its sender to the next.
func (q *Quarantine) RecordAs(rejected schemas.RejectedTouchpoint, event []byte) *stream.Record {
	rejected.Stage = q.stage
	named := rejected
	named.Payload = event
	rejected.RejectionID = rejectionID(named)
	return q.encode(rejected)
}

func (q *Quarantine) encode(rejected schemas.RejectedTouchpoint) *stream.Record {
	rejected.RejectedAt = schemas.MillisOf(time.Now())
	value := schemas.AppendHeader(nil, q.schemaID)
	return &stream.Record{
		Topic: stream.Rejected,
		Key:   []byte(rejected.RejectionID.String()),
		Value: rejected.AppendAvro(value),
	}
}

// Event is what is known of the event in a record that is rejected all the same.
type Event struct {
	Workspace, Source     string
	MessageID, Type, Name string
	ReceivedAt            schemas.Optional[schemas.Millis]
}

// EventOf is what a decoded touchpoint says of its event.
func EventOf(t *schemas.Touchpoint) Event {
	return Event{
		Workspace: t.Workspace, Source: t.Source, MessageID: t.MessageID, Type: t.Type, Name: t.Name,
		ReceivedAt: schemas.Some(t.ReceivedAt),
	}
}

// FromRecord rejects a Kafka record as it was read, with its key, by which a replay finds its partition. Of the event it
// says what the caller could read; the rejection's id does not depend on it.
func (q *Quarantine) FromRecord(record *stream.Record, reason, field, detail string, known ...Event) *stream.Record {
	rejected := schemas.RejectedTouchpoint{
		Stage:       q.stage,
		Reason:      reason,
		Field:       field,
		Detail:      detail,
		ContentType: MediaTypeAvro,
		Payload:     record.Value,
		Topic:       record.Topic,
		Partition:   schemas.Some(record.Partition),
		Offset:      schemas.Some(record.Offset),
		Key:         record.Key,
	}
	rejected.RejectionID = rejectionID(rejected)
	for _, event := range known {
		rejected.Workspace, rejected.Source = event.Workspace, event.Source
		rejected.MessageID, rejected.Type, rejected.Name = event.MessageID, event.Type, event.Name
		rejected.ReceivedAt = event.ReceivedAt
	}
	return q.encode(rejected)
}

// rejectionID names a fault by where it happened when that is a place in the log, and by what was
// rejected when it is not.
func rejectionID(r schemas.RejectedTouchpoint) uuid.UUID {
	name := make([]byte, 0, 128+len(r.Payload))
	for _, part := range []string{r.Stage, r.Reason, r.Field, r.Workspace, r.Source, r.Topic} {
		name = append(name, part...)
		name = append(name, 0)
	}
	if r.Offset.Valid {
		name = binary.BigEndian.AppendUint32(name, uint32(r.Partition.Value))
		name = binary.BigEndian.AppendUint64(name, uint64(r.Offset.Value))
	} else {
		name = append(name, r.Payload...)
	}
	if !r.Offset.Valid && len(r.Payload) == 0 {
		// Nothing was kept to tell two of them apart but when they came.
		name = binary.BigEndian.AppendUint64(name, uint64(r.ReceivedAt.Value))
	}
	return uuid.NewSHA1(namespace, name)
}
