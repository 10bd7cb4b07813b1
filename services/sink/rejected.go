package sink

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

const replayPending = "pending"

// rejections loads touchpoints.rejected into rejected_events. What it reads is in quarantine already and goes to no
// other: a record that cannot be read becomes a row of its bytes.
type rejections struct {
	registry *registry.Registry
	decoders map[int32]*schemas.RejectedDecoder

	r           schemas.RejectedTouchpoint
	lineage     lineage
	payload     string
	key         string
	replayState string
	replayedAt  schemas.Optional[schemas.Millis]
	rows        *rows
}

func newRejections(reg *registry.Registry) *rejections {
	l := &rejections{registry: reg, decoders: make(map[int32]*schemas.RejectedDecoder), replayState: replayPending}
	r := newRows("rejected_events")
	r.unique = true
	r.uuids("rejection_id", &l.r.RejectionID)
	r.times("rejected_at", &l.r.RejectedAt)
	r.maybeTimes("received_at", &l.r.ReceivedAt)
	r.words("workspace", &l.r.Workspace)
	r.words("source", &l.r.Source)
	r.words("stage", &l.r.Stage)
	r.words("reason", &l.r.Reason)
	r.words("field", &l.r.Field)
	r.text("detail", &l.r.Detail)
	r.text("message_id", &l.r.MessageID)
	r.words("type", &l.r.Type)
	r.words("name", &l.r.Name)
	r.words("content_type", &l.r.ContentType)
	r.text("payload", &l.payload)
	r.words("origin_topic", &l.r.Topic)
	r.maybeInt32s("origin_partition", &l.r.Partition)
	r.maybeInt64s("origin_offset", &l.r.Offset)
	r.text("origin_key", &l.key)
	r.words("replay_state", &l.replayState)
	r.maybeTimes("replayed_at", &l.replayedAt)
	r.int32s("_schema_id", &l.lineage.schemaID)
	r.origin(&l.lineage)
	l.rows = r
	return l
}

func (l *rejections) tables() []*rows { return []*rows{l.rows} }
func (l *rejections) trusted() bool   { return true }

func (l *rejections) event() (quarantine.Event, bool) { return quarantine.Event{}, false }

func (l *rejections) load(ctx context.Context, records []*stream.Record, _ *rows, _ func(*stream.Record, fault)) error {
	for _, record := range records {
		id, err := l.read(ctx, record)
		if ctx.Err() != nil || registry.IsUnavailable(err) {
			return fmt.Errorf("find schema of %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
		}
		if err != nil {
			l.r = unreadable(record, err)
		}
		l.r.RejectedAt = min(max(l.r.RejectedAt, minMillis), maxMillis)
		if badTime(l.r.ReceivedAt.Value) {
			l.r.ReceivedAt = schemas.Optional[schemas.Millis]{}
		}
		l.payload = unsafe.String(unsafe.SliceData(l.r.Payload), len(l.r.Payload)) // copied by the column
		l.key = unsafe.String(unsafe.SliceData(l.r.Key), len(l.r.Key))
		l.lineage = lineageOf(record, id)
		l.rows.add()
	}
	return nil
}

func (l *rejections) read(ctx context.Context, record *stream.Record) (int32, error) {
	id, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		return 0, err
	}
	decoder, known := l.decoders[id]
	if !known {
		schema, err := l.registry.Schema(ctx, id)
		if err != nil {
			return id, err
		}
		if decoder, err = schemas.NewRejectedDecoder(schema); err != nil {
			return id, err
		}
		l.decoders[id] = decoder
	}
	return id, decoder.Decode(body, &l.r)
}

// unreadable is the row of a record that is no rejection.
func unreadable(record *stream.Record, err error) schemas.RejectedTouchpoint {
	return schemas.RejectedTouchpoint{
		RejectionID: unreadableID(record.Topic, record.Partition, record.Offset),
		RejectedAt:  schemas.Millis(record.Timestamp.UnixMilli()),
		Stage:       "sink",
		Reason:      reasonUndecodable,
		Detail:      err.Error(),
		Payload:     record.Value,
		Topic:       record.Topic,
		Partition:   schemas.Some(record.Partition),
		Offset:      schemas.Some(record.Offset),
		Key:         record.Key,
	}
}

func unreadableID(topic string, partition int32, offset int64) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d/%d", topic, partition, offset))
}
