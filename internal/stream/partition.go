package stream

import (
	"hash/fnv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// EvidencePartition is the partition of [Evidence] that holds all of a workspace: its records have one
// order, and an offset is a version of the workspace's identities.
func EvidencePartition(workspace string) int32 {
	sum := fnv.New32a()
	sum.Write([]byte(workspace))
	return int32(sum.Sum32() % EvidencePartitions)
}

// partitioner spreads records over partitions by the hash of their key, as Kafka's own clients do, but
// leaves the choice to the record in topics whose partition says more than the key.
type partitioner struct {
	byKey kgo.Partitioner
	given kgo.Partitioner
}

func newPartitioner() partitioner {
	return partitioner{byKey: kgo.UniformBytesPartitioner(64<<10, true, true, nil), given: kgo.ManualPartitioner()}
}

// ForTopic implements kgo.Partitioner.
func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == Evidence {
		return p.given.ForTopic(topic)
	}
	return p.byKey.ForTopic(topic)
}
