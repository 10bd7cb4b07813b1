package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Range is a run of records of one partition, in ascending offsets.
type Range struct {
	Topic     string
	Partition int32
	Records   []*Record
}

// First is the offset of the first record.
func (r Range) First() int64 { return r.Records[0].Offset }

// Last is the offset of the last record.
func (r Range) Last() int64 { return r.Records[len(r.Records)-1].Offset }

// Consumer says what to read and how much of it to gather before the handler is called.
type Consumer struct {
	// Group is the consumer group; instances of one group share the partitions.
	Group string
	// Topics to read, from their start when the group is new.
	Topics []string
	// MaxRecords and MaxBytes (of keys and values) end a batch early.
	MaxRecords int
	MaxBytes   int
	// MaxWait is how long a batch may grow after its first record; 0 hands over what one poll brings.
	MaxWait time.Duration
}

const (
	// sessionTimeout is how long the partitions of a consumer that was killed stand still. It may be short, because
	// heartbeats are sent apart from handlers: a slow batch does not end a session.
	sessionTimeout = 15 * time.Second
	// leaveTimeout bounds how long a stop waits for the group: a member that is joining hears nothing before all
	// others have joined.
	leaveTimeout = 10 * time.Second
	// Fetched and not yet polled bytes of one consumer are bounded by fetchMaxBytes a broker.
	fetchMaxBytes          = 32 << 20
	fetchMaxPartitionBytes = 8 << 20
)

// Consume is the consume loop of every service. Each round:
//
//  1. gather records until the consumer's bounds are met. A crash here loses nothing: nothing is
//     committed.
//  2. call handle once with all of them. A crash here, or an error, repeats the batch from the last
//     commit: handlers must bear redelivery.
//  3. commit the offset after each range's last record. A crash before the broker has the commit
//     repeats the batch, too.
//
// No rebalance takes a partition away between 1 and 3 unless the broker lost sight of this member; the
// commit is then refused, the new owner repeats the batch, and Consume goes on with what it owns.
//
// When ctx ends, the batch in hand is finished within Config.StopGrace and committed, the group is
// left, and Consume returns nil.
func (c *Client) Consume(ctx context.Context, consumer Consumer, handle func(ctx context.Context, batch []Range) error) error {
	alive, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	client, err := c.openMember(alive, consumer.Group, consumer.Topics, kgo.FetchMaxBytes(fetchMaxBytes), kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes))
	if err != nil {
		return err
	}
	defer leave(client, abandon)

	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.cfg.StopGrace, cancel) })
	defer stop()

	for ctx.Err() == nil {
		batch, err := c.gather(ctx, client, consumer)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := handle(work, batch); err != nil {
				return fmt.Errorf("handle batch of group %s: %w", consumer.Group, err)
			}
			if err := c.commit(work, client, consumer.Group, batch); err != nil {
				return err
			}
			c.metrics.consumedBatch(consumer.Group, batch)
		}
		client.AllowRebalance()
	}
	return nil
}

// openMember opens a member of a group that reads topics from their start when the group is new, and commits by hand. No
// rebalance comes between a poll and AllowRebalance.
func (c *Client) openMember(alive context.Context, group string, topics []string, opts ...kgo.Opt) (*kgo.Client, error) {
	return c.open(group, append(opts,
		kgo.WithContext(alive),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(sessionTimeout),
		kgo.RebalanceTimeout(c.cfg.RebalanceTimeout),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
	)...)
}

// leave leaves the group, so the others take over at once; or, when the group does not answer, after the session: then
// abandon ends what the client waits for.
func leave(client *kgo.Client, abandon context.CancelFunc) {
	defer time.AfterFunc(leaveTimeout, abandon).Stop()
	client.CloseAllowingRebalance()
}

// gather polls until the batch is as large or as old as the consumer allows. It returns what it has
// when ctx ends.
func (c *Client) gather(ctx context.Context, client *kgo.Client, consumer Consumer) ([]Range, error) {
	var (
		batch   []Range
		records int
		bytes   int
		began   time.Time
	)
	for {
		poll, cancel := ctx, context.CancelFunc(func() {})
		if records > 0 {
			poll, cancel = context.WithDeadline(ctx, began.Add(consumer.MaxWait))
		}
		fetches := client.PollRecords(poll, consumer.MaxRecords-records)
		cancel()
		if fetches.IsClientClosed() {
			return nil, errStopped
		}
		if err := fetchError(fetches, func(loss *kgo.ErrDataLoss) { c.lost(consumer.Group, loss) }); err != nil {
			return nil, fmt.Errorf("fetch for group %s: %w", consumer.Group, err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			if records == 0 {
				began = time.Now()
			}
			records += len(p.Records)
			for _, record := range p.Records {
				bytes += len(record.Key) + len(record.Value)
			}
			batch = appendRange(batch, p.Topic, p.Partition, p.Records)
			c.metrics.lag(consumer.Group, p.Topic, p.Partition, p.HighWatermark-p.Records[len(p.Records)-1].Offset-1)
		})
		full := records >= consumer.MaxRecords || (consumer.MaxBytes > 0 && bytes >= consumer.MaxBytes)
		aged := records > 0 && time.Since(began) >= consumer.MaxWait
		if full || aged || ctx.Err() != nil {
			return batch, nil //nolint:nilerr // the end of ctx is a stop: the batch in hand is still handled
		}
		if records == 0 {
			// Nothing in hand: let a waiting rebalance go ahead.
			client.AllowRebalance()
		}
	}
}

func appendRange(batch []Range, topic string, partition int32, records []*Record) []Range {
	for i := range batch {
		if batch[i].Partition == partition && batch[i].Topic == topic {
			batch[i].Records = append(batch[i].Records, records...)
			return batch
		}
	}
	return append(batch, Range{Topic: topic, Partition: partition, Records: slices.Clone(records)})
}

// lost reports what the broker lost of its log behind the committed offset, after an unclean election or with
// a disk. Nobody can bring it back, and a group that ended here would end here again at each start.
func (c *Client) lost(group string, loss *kgo.ErrDataLoss) {
	c.metrics.losses.WithLabelValues(group, loss.Topic).Inc()
	c.log.Error("kafka lost records that the group had read; it goes on where the log ends",
		zap.String("group", group), zap.String("topic", loss.Topic), zap.Int32("partition", loss.Partition),
		zap.Int64("read_to", loss.ConsumedTo), zap.Int64("goes_on_at", loss.ResetTo))
}

// fetchError tells faults that end the consumer from those that pass: franz-go retries the latter by
// itself and reports them only so that they can be seen. A loss of records passes when somebody is told of it.
func fetchError(fetches kgo.Fetches, lost func(*kgo.ErrDataLoss)) error {
	for _, failed := range fetches.Errors() {
		var loss *kgo.ErrDataLoss
		switch {
		case lost != nil && errors.As(failed.Err, &loss):
			lost(loss)
		case errors.Is(failed.Err, context.Canceled), errors.Is(failed.Err, context.DeadlineExceeded):
			// The poll's own deadline.
		case kerr.IsRetriable(failed.Err):
			// Leader moves and topics that are being created.
		case sessionLost(failed.Err):
			// The group has not heard of this member for too long; it joins again as a new one.
		default:
			return failed.Err
		}
	}
	return nil
}

// sessionLost is whether the group forgot this member, or went on without it. The commit of what was in hand is
// refused then, and who owns the partition now repeats it.
func sessionLost(err error) bool {
	var session *kgo.ErrGroupSession
	return errors.As(err, &session) && (errors.Is(session.Err, kerr.UnknownMemberID) || errors.Is(session.Err, kerr.IllegalGeneration))
}

func (c *Client) commit(ctx context.Context, client *kgo.Client, group string, batch []Range) error {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for _, r := range batch {
		if offsets[r.Topic] == nil {
			offsets[r.Topic] = make(map[int32]kgo.EpochOffset)
		}
		last := r.Records[len(r.Records)-1]
		offsets[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
	}
	var refused error
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			refused = err
			return
		}
		for _, topic := range resp.Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					refused = err
				}
			}
		}
	})
	switch {
	case refused == nil:
		return nil
	case lostOwnership(refused):
		// Another member owns the partitions now and will repeat the batch.
		c.metrics.lostCommits.WithLabelValues(group).Inc()
		c.log.Warn("offset commit refused after a rebalance", zap.String("group", group), zap.Error(refused))
		return nil
	default:
		return fmt.Errorf("commit offsets of group %s: %w", group, refused)
	}
}

// lostOwnership owns the decision that a refused commit is a rebalance and no fault.
func lostOwnership(err error) bool {
	for _, lost := range []error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}
