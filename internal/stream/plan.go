package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Plan is what a group has committed for a partition: the first offset that is not delivered, and the range from
// there on that its owner may be delivering.
type Plan struct {
	// Position is the first offset that is not committed.
	Position int64
	// To is the last offset of the planned range; less than Position when there is none.
	To int64
	// At is when the range was planned, to the millisecond.
	At time.Time
}

// Open is whether a range is planned.
func (p Plan) Open() bool { return p.To >= p.Position }

// text is the plan as the metadata of the commit of Position.
func (p Plan) text() string {
	return "to=" + strconv.FormatInt(p.To, 10) + " at=" + strconv.FormatInt(p.At.UnixMilli(), 10)
}

// readPlan is the plan in a commit's metadata. Text that is none (another program's, or empty) is no plan.
func readPlan(position int64, metadata string) (plan Plan, ok bool) {
	none := Plan{Position: position, To: position - 1}
	fields := strings.Split(metadata, " ")
	if len(fields) != 2 {
		return none, false
	}
	to, ok := number(fields[0], "to=")
	if !ok || position < 0 || to < position {
		return none, false
	}
	at, ok := number(fields[1], "at=")
	if !ok {
		return none, false
	}
	return Plan{Position: position, To: to, At: time.UnixMilli(at)}, true
}

// number reads what [Plan.text] writes, and no other spelling of it.
func number(field, name string) (int64, bool) {
	digits, ok := strings.CutPrefix(field, name)
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseInt(digits, 10, 64)
	return value, err == nil && value >= 0 && strconv.FormatInt(value, 10) == digits
}

// Plans returns what a group has committed for a topic, by partition; partitions never committed are absent.
func (c *Client) Plans(ctx context.Context, group, topic string) (map[int32]Plan, error) {
	fetched, err := c.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return map[int32]Plan{}, nil // nobody ever joined it
	}
	if err != nil {
		return nil, fmt.Errorf("fetch plans of group %s: %w", group, err)
	}
	plans := make(map[int32]Plan)
	for partition, offset := range fetched[topic] {
		if offset.Err != nil {
			return nil, fmt.Errorf("fetch plans of group %s: %w", group, offset.Err)
		}
		if offset.At >= 0 {
			plans[partition] = c.planIn(topic, partition, offset)
		}
	}
	return plans, nil
}

func (c *Client) planIn(topic string, partition int32, offset kadm.OffsetResponse) Plan {
	plan, ok := readPlan(offset.At, offset.Metadata)
	if !ok && offset.Metadata != "" {
		c.log.Info("the metadata of a committed offset is no plan", zap.String("topic", topic), zap.Int32("partition", partition), zap.Int("metadata_bytes", len(offset.Metadata)))
	}
	return plan
}

// errNotMember refuses a commit before it is sent.
var errNotMember = errors.New("the group took this consumer in anew since the partition was assigned")

// commit commits one offset with its metadata. The broker looks at the member and its generation, and not at who
// owns the partition; so a commit is sent only for the member to which the partition was assigned. Not that of the
// moment: franz-go can join anew under another name without a word, and others may have owned the partition meanwhile.
func (s *share) commit(ctx context.Context, client *kgo.Client, offset int64, metadata string) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		if req.MemberID != s.member {
			return errNotMember
		}
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[j].Metadata = kmsg.StringPtr(metadata)
			}
		}
		return nil
	})
	refused := errUnanswered
	offsets := map[string]map[int32]kgo.EpochOffset{s.topic: {s.partition: {Epoch: s.epoch, Offset: offset}}}
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			refused = err
			return
		}
		for _, topic := range resp.Topics {
			for _, partition := range topic.Partitions {
				refused = kerr.ErrorForCode(partition.ErrorCode)
			}
		}
	})
	return refused
}

// errUnanswered is a response without the partition that was committed.
var errUnanswered = errors.New("the broker's answer does not name the partition")

// disowned owns the decision that a refused commit means that the partition is not ours any more, and nothing that
// was read of it may be delivered.
func disowned(err error) bool {
	if errors.Is(err, kerr.RebalanceInProgress) {
		return false // the generation is still ours; the next one tells who owns what
	}
	return errors.Is(err, errNotMember) || errors.Is(err, kerr.FencedInstanceID) || errors.Is(err, kerr.UnknownTopicID) || lostOwnership(err)
}

// passes is whether a refused commit may be accepted later.
func passes(err error) bool {
	var known *kerr.Error
	return !errors.As(err, &known) || known.Retriable || errors.Is(err, kerr.RebalanceInProgress)
}
