package sink

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
)

// ReplayHeader names, on a record that was put back into touchpoints.enriched, the rejection that it repairs. Such a
// record is no repetition of the one that was rejected, but repeats others with the same header.
const ReplayHeader = "parcours-replay"

// identify tells the id that a record shares with its repetitions; false when it has none that can be read. It fails only for
// what may pass, and is used by one goroutine at a time.
type identify func(ctx context.Context, record *stream.Record) (uuid.UUID, bool, error)

// identifyTouchpoints reads the event id alone, which stands first in the record.
func identifyTouchpoints(reg *registry.Registry) identify {
	var (
		scratch   schemas.EnrichedTouchpoint
		spans     []schemas.Span
		selection *schemas.Selection
		selected  int32 // schema of the selection
	)
	return func(ctx context.Context, record *stream.Record) (uuid.UUID, bool, error) {
		id, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			return uuid.UUID{}, false, nil //nolint:nilerr // whoever decodes the record rejects it
		}
		if selection == nil || id != selected {
			decoder, err := reg.TolerantDecoder(ctx, id)
			switch {
			case err == nil:
			case ctx.Err() != nil, registry.IsUnavailable(err):
				return uuid.UUID{}, false, fmt.Errorf("find schema of %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
			default:
				return uuid.UUID{}, false, nil
			}
			if selection, err = decoder.Select("event_id"); err != nil {
				return uuid.UUID{}, false, fmt.Errorf("read event ids: %w", err)
			}
			selected = id
		}
		if spans, err = selection.Decode(body, &scratch, spans); err != nil {
			return uuid.UUID{}, false, nil //nolint:nilerr // as above
		}
		return replayed(record, scratch.EventID), true, nil
	}
}

// replayed is the id of a record that may have been put back: each repair of an event is another one, and is made once.
func replayed(record *stream.Record, event uuid.UUID) uuid.UUID {
	for _, header := range record.Headers {
		if header.Key == ReplayHeader {
			return uuid.NewSHA1(event, header.Value)
		}
	}
	return event
}

// identifyRejections reads the key, which is the rejection's id: the same fault on the same bytes.
func identifyRejections(_ context.Context, record *stream.Record) (uuid.UUID, bool, error) {
	id, err := uuid.ParseBytes(record.Key)
	return id, err == nil, nil
}

// distinct leaves out the records that repeat an earlier one, and keeps what the index will be told once the range is
// committed.
func (l *lane) distinct(ctx context.Context, r stream.Range) ([]*stream.Record, error) {
	if l.index == nil {
		return r.Records, nil
	}
	entries, at, err := entriesOf(ctx, l.identify(), r.Records)
	if err != nil {
		return nil, err
	}
	duplicates, err := l.index.Duplicates(ctx, r.Topic, r.Partition, entries, nil)
	if err != nil {
		return nil, err
	}
	l.remember(r.Partition, entries)
	kept := make([]*stream.Record, 0, len(r.Records))
	for i, record := range r.Records {
		if at[i] >= 0 && duplicates[at[i]] {
			continue
		}
		kept = append(kept, record)
	}
	return kept, nil
}

// entriesOf makes an entry of each record that has an id; at is where each record's entry stands, or -1.
func entriesOf(ctx context.Context, identify identify, records []*stream.Record) (entries []dedup.Entry, at []int32, err error) {
	entries, at = make([]dedup.Entry, 0, len(records)), make([]int32, len(records))
	for i, record := range records {
		id, readable, err := identify(ctx, record)
		if err != nil {
			return nil, nil, err
		}
		at[i] = -1
		if readable {
			at[i] = int32(len(entries))
			entries = append(entries, dedup.Entry{ID: id, Offset: record.Offset, At: record.Timestamp.UnixMilli()})
		}
	}
	return entries, at, nil
}

func (l *lane) remember(partition int32, entries []dedup.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[partition] = entries
}

func (l *lane) forget(partition int32) []dedup.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := l.entries[partition]
	delete(l.entries, partition)
	return entries
}

// idLog is the log as the index reads it back.
type idLog struct {
	*stream.Client
	identify map[string]func() identify // by topic
}

// Start implements dedup.Log.
func (l idLog) Start(ctx context.Context, topic string, partition int32) (int64, error) {
	extent, err := l.Extent(ctx, topic, partition)
	return extent.Start, err
}

// ReadBack implements dedup.Log.
func (l idLog) ReadBack(ctx context.Context, topic string, partition int32, from, to int64, handle func([]dedup.Entry) error) error {
	identify := l.identify[topic]()
	return l.Client.ReadBack(ctx, topic, partition, from, to, func(ctx context.Context, records []*stream.Record) error {
		entries, _, err := entriesOf(ctx, identify, records)
		if err != nil {
			return err
		}
		return handle(entries)
	})
}
