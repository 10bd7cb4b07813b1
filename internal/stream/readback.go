package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readBackPatience is how long nothing may come before the extent of the log is looked at again.
const readBackPatience = time.Second

// ReadBack reads the records of a partition at offsets in [from, to), without a group, and returns when there are no
// more below to. What retention has deleted is left out. The records are handle's until it returns.
func (c *Client) ReadBack(ctx context.Context, topic string, partition int32, from, to int64, handle func(ctx context.Context, records []*Record) error) error {
	extent, err := c.Extent(ctx, topic, partition)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	from, to = max(from, extent.Start), min(to, extent.End)
	if from >= to {
		return nil
	}
	client, err := c.open("readback-"+topic,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}),
		// Retention may pass from meanwhile.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes),
		// Fetches past the end of a log that ends in deleted records must say so.
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*Record
	for from < to {
		poll, cancel := context.WithTimeout(ctx, readBackPatience)
		fetches := client.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("read back %s/%d: %w", topic, partition, context.Cause(ctx))
		}
		if fetches.IsClientClosed() {
			return errStopped
		}
		if err := fetchError(fetches, nil); err != nil {
			return fmt.Errorf("read back %s/%d: %w", topic, partition, err)
		}
		records = records[:0]
		fetches.EachRecord(func(record *Record) {
			if record.Offset >= from && record.Offset < to && !record.Attrs.IsControl() {
				records = append(records, record)
			}
			from = max(from, record.Offset+1)
		})
		if len(records) > 0 {
			if err := handle(ctx, records); err != nil {
				return fmt.Errorf("read back %s/%d: %w", topic, partition, err)
			}
		} else if poll.Err() != nil {
			// Nothing came. What was still to be read may have been deleted meanwhile.
			if extent, err = c.Extent(ctx, topic, partition); err != nil {
				return fmt.Errorf("read back: %w", err)
			}
			from, to = max(from, extent.Start), min(to, extent.End)
		}
	}
	return nil
}

// OffsetAt is the first offset whose record has a timestamp of at or later; the end of the log when there is none.
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error) {
	listed, err := c.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err != nil {
		return 0, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	offset, ok := listed.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("list offsets of %s: it has no partition %d", topic, partition)
	}
	if offset.Err != nil {
		return 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, offset.Err)
	}
	return offset.Offset, nil
}
