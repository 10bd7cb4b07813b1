package stream

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// assigned is called at the beginning of each of the group's generations, whether it brings partitions or not.
func (s *sharing) assigned(_ context.Context, client *kgo.Client, _ map[string][]int32) {
	member, _ := client.GroupMetadata()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, partitions := range s.shares {
		for _, own := range partitions {
			if own.member != member {
				s.end(fmt.Errorf("%w: %w", errRejoin, errNotMember))
				return
			}
		}
	}
}

// fetched takes the partitions in, with the offsets at which fetching begins, and the plans that their last owners left.
func (s *sharing) fetched(_ context.Context, client *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	member, _ := client.GroupMetadata()
	for _, group := range resp.Groups {
		for _, topic := range group.Topics {
			for _, partition := range topic.Partitions {
				if kerr.ErrorForCode(partition.ErrorCode) != nil {
					continue // franz-go reports it to the poll
				}
				metadata := ""
				if partition.Metadata != nil {
					metadata = *partition.Metadata
				}
				plan, ok := readPlan(partition.Offset, metadata)
				if !ok && metadata != "" {
					s.c.log.Info("the metadata of a committed offset is no plan", zap.String("topic", topic.Topic), zap.Int32("partition", partition.Partition), zap.Int("metadata_bytes", len(metadata)))
				}
				s.adopt(&share{topic: topic.Topic, partition: partition.Partition, member: member, position: partition.Offset, next: partition.Offset, epoch: partition.LeaderEpoch, plan: plan})
			}
		}
	}
	return nil
}

// adopt makes a partition ours.
func (s *sharing) adopt(own *share) {
	s.drop(own.topic, own.partition)
	own.ctx, own.cancel = context.WithCancel(s.work)
	own.left = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shares[own.topic] == nil {
		s.shares[own.topic] = make(map[int32]*share)
	}
	s.shares[own.topic][own.partition] = own
	s.wake()
}

// revoked gives partitions up. It returns when no worker has them any more: nothing is committed for them afterwards.
func (s *sharing) revoked(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	for topic, numbers := range partitions {
		for _, partition := range numbers {
			s.drop(topic, partition)
		}
	}
}

func (s *sharing) drop(topic string, partition int32) {
	s.mu.Lock()
	own := s.shares[topic][partition]
	if own == nil {
		s.mu.Unlock()
		return
	}
	own.gone = true
	own.cancel()
	busy := own.busy
	s.mu.Unlock()
	if busy {
		<-own.left
	}
	s.mu.Lock()
	delete(s.shares[topic], partition)
	s.hold(-own.bytes - own.handBytes)
	if s.alone == own {
		s.alone = nil
	}
	s.wake()
	s.mu.Unlock()
	s.handler.Release(topic, partition)
}
