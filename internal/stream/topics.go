package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
)

// The topics of Parcours.
const (
	Touchpoints   = "touchpoints"
	Rejected      = "touchpoints.rejected"
	Identified    = "touchpoints.identified"
	Enriched      = "touchpoints.enriched"
	Evidence      = "identity.evidence"
	IdentityMap   = "identity.map"
	IdentityAudit = "identity.audit"
	Attributes    = "attributes"
)

const (
	day = 24 * time.Hour
	// EvidencePartitions is fixed for ever: a workspace's evidence is found by hash modulo this number.
	EvidencePartitions = 4
	// EvidenceTombstones is how long the evidence log keeps the records that take others back: who has read
	// nothing of it for longer cannot go on where it stopped.
	EvidenceTombstones = 7 * day
	// StateTombstones is how long the identity map and the attributes keep the records that take others back.
	StateTombstones = 7 * day
)

// policy is how the broker keeps a topic.
type policy struct {
	partitions int // 0 means Config.Partitions
	configs    map[string]string
}

func deleteAfter(retention time.Duration) map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": millis(retention)}
}

func compacted(extra map[string]string) map[string]string {
	configs := map[string]string{"cleanup.policy": "compact"}
	for key, value := range extra {
		configs[key] = value
	}
	return configs
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// policies keep what the stages need to go on where they stopped, and the retention promise of the quarantine.
var policies = map[string]policy{
	Touchpoints: {configs: deleteAfter(7 * day)},
	Identified:  {configs: deleteAfter(7 * day)},
	Enriched:    {configs: deleteAfter(7 * day)},
	Rejected:    {configs: deleteAfter(90 * day)},
	// Compaction must not overtake the publisher of the identity map, even one that stood still for a day.
	Evidence: {partitions: EvidencePartitions, configs: compacted(map[string]string{
		"min.compaction.lag.ms": millis(day), "max.compaction.lag.ms": millis(7 * day), "delete.retention.ms": millis(EvidenceTombstones), "segment.ms": millis(day),
	})},
	IdentityMap:   {configs: compacted(map[string]string{"delete.retention.ms": millis(StateTombstones)})},
	IdentityAudit: {configs: deleteAfter(90 * day)},
	// Compaction must not overtake an instance that reads what another wrote at about the same time.
	Attributes: {configs: compacted(map[string]string{"min.compaction.lag.ms": millis(day), "delete.retention.ms": millis(StateTombstones)})},
}

// EnsureTopics creates those of the topics that do not exist, with the policies of this package.
// Existing topics are left as they are, but touchpoints topics must have equally many partitions.
func (c *Client) EnsureTopics(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		kept, known := policies[topic]
		if !known {
			return fmt.Errorf("create topic %s: it is none of the topics of Parcours", topic)
		}
		partitions := kept.partitions
		if partitions == 0 {
			partitions = c.cfg.Partitions
		}
		configs := make(map[string]*string, len(kept.configs))
		for key, value := range kept.configs {
			configs[key] = kadm.StringPtr(value)
		}
		created, err := c.admin.CreateTopic(ctx, int32(partitions), int16(c.cfg.ReplicationFactor), configs, topic)
		if err == nil {
			err = created.Err
		}
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	if err := c.checkPartitions(ctx, topics); err != nil {
		return err
	}
	return c.checkCompacted(ctx, topics)
}

// checkCompacted refuses topics that are state and that somebody made to forget: who reads one anew would take what
// is left for all there was.
func (c *Client) checkCompacted(ctx context.Context, topics []string) error {
	const policy = "cleanup.policy"
	var states []string
	for _, topic := range topics {
		if policies[topic].configs[policy] == "compact" {
			states = append(states, topic)
		}
	}
	if len(states) == 0 {
		return nil
	}
	described, err := c.admin.DescribeTopicConfigs(ctx, states...)
	if err != nil {
		return fmt.Errorf("describe topics %v: %w", states, err)
	}
	for _, topic := range described {
		if topic.Err != nil {
			// Not every client may ask.
			c.log.Warn("the topic's configuration is not known; see that it is compacted", zap.String("topic", topic.Name), zap.Error(topic.Err))
			continue
		}
		for _, config := range topic.Configs {
			if value := config.MaybeValue(); config.Key == policy && value != "" && value != "compact" {
				return fmt.Errorf("topic %s has %s %q: set it to compact, it is state and what it drops is lost", topic.Name, policy, value)
			}
		}
	}
	return nil
}

// checkPartitions holds what the anchor key promises: copies of one event meet in the same partition at
// every stage, which needs equal partition counts.
func (c *Client) checkPartitions(ctx context.Context, topics []string) error {
	details, err := c.admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	want, of := 0, ""
	for _, topic := range []string{Touchpoints, Identified, Enriched} {
		detail, listed := details[topic]
		if !listed || detail.Err != nil {
			continue
		}
		have := len(detail.Partitions)
		if want == 0 {
			want, of = have, topic
		}
		if have != want {
			return fmt.Errorf("topic %s has %d partitions and %s has %d: give them equally many", of, want, topic, have)
		}
	}
	if detail, listed := details[Evidence]; listed && detail.Err == nil && len(detail.Partitions) != EvidencePartitions {
		return fmt.Errorf("topic %s has %d partitions: it must have %d for ever", Evidence, len(detail.Partitions), EvidencePartitions)
	}
	return nil
}
