package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// RangeConsumer says what to read and how it is cut into ranges, each of one partition.
type RangeConsumer struct {
	// Group is the consumer group; instances of one group share the partitions.
	Group string
	// Topics to read, from their start when the group is new.
	Topics []string
	// MaxRecords and MaxBytes (of keys and values) close a range.
	MaxRecords int
	MaxBytes   int
	// MaxWait closes a range whose first record was fetched so long ago.
	MaxWait time.Duration
	// BufferBytes bounds the keys and values that are held of all partitions together, waiting or in hand.
	BufferBytes int
	// Parallel is how many ranges are handled at once.
	Parallel int
	// RetryWait is the longest pause before a range is handled again.
	RetryWait time.Duration
}

// Delivery is a planned range. It is handed over until Deliver returns nil.
type Delivery struct {
	Range
	// Planned is when the plan was committed, by whoever committed it first, to the millisecond.
	Planned time.Time
	// Replayed is whether the range may have been delivered before, in part or whole: by an attempt that failed,
	// or by whoever left the plan.
	Replayed bool
	// Attempt counts the deliveries of the range in this process, from 1.
	Attempt int
}

// RangeHandler brings ranges to where they belong. Its methods are called at once for different partitions, and one
// at a time for one partition.
type RangeHandler interface {
	// Assign is called before the first Delivery of a partition, with what is committed of it: the first offset that
	// comes, and the range from there on that somebody may have been delivering. An error is tried again after a pause,
	// in which the other partitions go on.
	Assign(ctx context.Context, topic string, partition int32, from Plan) error
	// Deliver brings the range to where it belongs. After an error the same range comes again, as Replayed. ctx ends
	// when the partition is taken away or Config.StopGrace is over.
	Deliver(ctx context.Context, d Delivery) error
	// Committed follows the accepted commit of a range. After an error Assign is called before the next Deliver.
	Committed(ctx context.Context, r Range) error
	// Release says that the partition is no longer ours; no call for it is under way.
	Release(topic string, partition int32)
}

const (
	// commitTimeout bounds how long one commit may keep a rebalance waiting.
	commitTimeout = 10 * time.Second
	// retryFirst is the pause after the first failure of a step.
	retryFirst = 200 * time.Millisecond
)

// ConsumeRanges hands the records of a group's topics to the handler, each in exactly one planned range. For each
// partition alone:
//
//  1. gather records until the consumer's bounds close a range. A crash here loses nothing: nothing is committed.
//  2. plan: commit the position as it was, with the range's last offset as metadata. Who is refused delivers nothing.
//     A crash here leaves the plan to the next owner, who gathers that range and no other.
//  3. deliver: call the handler until it returns nil. A crash here is a crash in 2: the same range comes again,
//     to whoever owns the partition then, and says that it may have been delivered.
//  4. settle: commit the offset after the range, without a plan. A crash before the broker has it is a crash in 3;
//     after it nothing is left to do.
//  5. tell the handler. A crash before it says nothing to a handler that is gone as well: Assign names the position.
//
// Only an owner commits: a worker begins no step of a partition that was taken away, the callback that takes it away
// returns after the worker is out of its last step, and a commit is sent only in the name of the member to which the
// partition was assigned.
//
// When ctx ends, the ranges that are being delivered are finished within Config.StopGrace and committed, the group is
// left, and ConsumeRanges returns nil.
func (c *Client) ConsumeRanges(ctx context.Context, consumer RangeConsumer, handler RangeHandler) error {
	for ctx.Err() == nil {
		err := c.membership(ctx, consumer, handler)
		if !errors.Is(err, errRejoin) {
			return err
		}
		c.metrics.rejoins.WithLabelValues(consumer.Group).Inc()
		c.log.Warn("the group went on without this consumer; it joins anew", zap.String("group", consumer.Group), zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(retryFirst):
		}
	}
	return nil
}

// errRejoin ends a membership in whose course the ownership of a partition became doubtful. All its work is dropped,
// and the offsets and plans are read anew.
var errRejoin = errors.New("ownership lost")

// sharing is one membership in a group and the partitions that it owns.
type sharing struct {
	c       *Client
	conf    RangeConsumer
	handler RangeHandler
	client  *kgo.Client // not for the callbacks, which may be called before it is set
	session context.Context
	end     context.CancelCauseFunc // ends the session
	work    context.Context         // outlives a stop by Config.StopGrace

	mu      sync.Mutex
	shares  map[string]map[int32]*share
	held    int64  // bytes waiting or in hand
	largest int64  // record that is reckoned with when the buffer is filled
	alone   *share // gathers a planned range for which there is no room beside others
	// changed ends, and is made anew, when a share may have become ready or there is more room.
	changed context.Context
	changes context.CancelFunc

	paused map[string][]int32 // what the client does not fetch; the poll's own
}

// membership joins the group and serves it until ctx ends, the ownership is in doubt or something fails for good.
func (c *Client) membership(ctx context.Context, consumer RangeConsumer, handler RangeHandler) error {
	alive, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	work, drop := context.WithCancel(alive)
	defer drop()
	session, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(session, func() {
		if ctx.Err() == nil {
			drop()
			return
		}
		time.AfterFunc(c.cfg.StopGrace, drop)
	})()
	s := &sharing{
		c: c, conf: consumer, handler: handler, session: session, end: end, work: work,
		shares: make(map[string]map[int32]*share), largest: reckoned(consumer.BufferBytes),
	}
	s.changed, s.changes = context.WithCancel(session)
	defer func() { s.changes() }()
	client, err := c.openMember(alive, consumer.Group, consumer.Topics,
		kgo.FetchMaxBytes(fetchBytes(consumer.BufferBytes)),
		kgo.FetchMaxPartitionBytes(fetchBytes(consumer.BufferBytes)),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnOffsetsFetched(s.fetched),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.revoked),
	)
	if err != nil {
		return err
	}
	defer leave(client, abandon)
	s.client = client
	var workers errgroup.Group
	for range consumer.Parallel {
		workers.Go(s.serve)
	}
	workers.Go(func() error { //nolint:contextcheck // it ends with the session, which sharing carries
		err := s.poll()
		end(err)
		return err
	})
	if err := workers.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(session); ctx.Err() == nil && cause != nil {
		return cause
	}
	return nil
}
