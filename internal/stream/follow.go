package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Follow reads every partition of a topic from its start, without a group, until ctx ends, and then
// returns nil. It is for topics that are state: each reader wants all of it. Records of one partition
// come in order.
func (c *Client) Follow(ctx context.Context, topic string, handle func(ctx context.Context, records []*Record) error) error {
	return c.follow(ctx, topic, handle, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
}

// Tail is Follow from the topic's end: only what is written from now on.
func (c *Client) Tail(ctx context.Context, topic string, handle func(ctx context.Context, records []*Record) error) error {
	return c.follow(ctx, topic, handle, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
}

// FollowFrom reads one partition of a topic from an offset on, without a group, until ctx ends, and then
// returns nil. It fails when the partition does not have that offset any more, or not yet: who keeps
// state would take what follows for all there was.
func (c *Client) FollowFrom(ctx context.Context, topic string, partition int32, offset int64, handle func(ctx context.Context, records []*Record) error) error {
	return c.follow(ctx, topic, handle,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
}

// FollowFromAll is [Client.FollowFrom] for several partitions of a topic, each from its own offset on, with one connection.
func (c *Client) FollowFromAll(ctx context.Context, topic string, from map[int32]int64, handle func(ctx context.Context, records []*Record) error) error {
	offsets := make(map[int32]kgo.Offset, len(from))
	for partition, offset := range from {
		offsets[partition] = kgo.NewOffset().At(offset)
	}
	return c.follow(ctx, topic, handle,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
}

func (c *Client) follow(ctx context.Context, topic string, handle func(ctx context.Context, records []*Record) error, from ...kgo.Opt) error {
	client, err := c.open("follow-"+topic, append(from,
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes),
		kgo.FetchMaxWait(100*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*Record
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return errStopped
		}
		// Who reads a topic as its state has to read it anew after a loss.
		if err := fetchError(fetches, nil); err != nil {
			return fmt.Errorf("fetch %s: %w", topic, err)
		}
		records = records[:0]
		fetches.EachRecord(func(record *Record) { records = append(records, record) })
		if len(records) == 0 {
			continue
		}
		if err := handle(ctx, records); err != nil {
			return fmt.Errorf("follow %s: %w", topic, err)
		}
	}
	return nil
}

// Extent is what a partition has.
type Extent struct {
	// TopicID is another one after the topic was deleted and made anew.
	TopicID string
	// Start is the first offset that can be read, End the offset after the last record.
	Start, End int64
}

// Extents of all partitions of a topic.
func (c *Client) Extents(ctx context.Context, topic string) (map[int32]Extent, error) {
	details, err := c.admin.ListTopics(ctx, topic)
	if err == nil {
		err = details[topic].Err
	}
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	starts, err := c.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	ends, err := c.EndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	extents := make(map[int32]Extent, len(ends))
	for partition, end := range ends {
		start := starts[topic][partition]
		if start.Err != nil {
			return nil, fmt.Errorf("list start offset of %s/%d: %w", topic, partition, start.Err)
		}
		extents[partition] = Extent{TopicID: details[topic].ID.String(), Start: start.Offset, End: end}
	}
	return extents, nil
}

// Extent of one partition of a topic.
func (c *Client) Extent(ctx context.Context, topic string, partition int32) (Extent, error) {
	details, err := c.admin.ListTopics(ctx, topic)
	if err == nil {
		err = details[topic].Err
	}
	if err != nil {
		return Extent{}, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	starts, err := c.admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts[topic][partition].Err
	}
	if err != nil {
		return Extent{}, fmt.Errorf("list start offset of %s/%d: %w", topic, partition, err)
	}
	ends, err := c.EndOffsets(ctx, topic)
	if err != nil {
		return Extent{}, err
	}
	end, listed := ends[partition]
	if !listed {
		return Extent{}, fmt.Errorf("describe topic %s: it has no partition %d", topic, partition)
	}
	return Extent{TopicID: details[topic].ID.String(), Start: starts[topic][partition].Offset, End: end}, nil
}
