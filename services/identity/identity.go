// Package identity stitches touchpoints to customers: it hashes their identifiers, logs which were seen
// together, and names the customer that the log makes of them.
//
// It owns the consumer groups parcours-identity and parcours-identity-publisher, the evidence log and the
// identity map. It promises that a touchpoint leaves with hashes in place of identifiers, that the
// partition of customers is a function of the evidence alone, and that a record it cannot read goes to the
// quarantine and blocks nothing. [Run] owns all it opens.
package identity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/graph"
)

const consumerGroup = "parcours-identity"

const (
	publisherRecords = 2_000
	publisherBytes   = 4 << 20
)

// stitcher is the service at work. A batch is in one goroutine's hands.
type stitcher struct {
	cfg        Config
	workspace  string
	ids        *identifier.Identifiers
	kafka      *stream.Client
	registry   *registry.Registry
	quarantine *quarantine.Quarantine
	replica    *replica
	metrics    *metrics
	log        *zap.Logger

	inputs map[int32]*input
	batch  batch
}

// Run identifies touchpoints until ctx ends.
func Run(ctx context.Context, cfg Config, p service.Platform) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	ids, err := identifier.New(p.Identifiers, p.Workspace)
	if err != nil {
		return err
	}
	link, err := identifier.ParseClass(cfg.LinkClass)
	if err != nil {
		return err
	}
	const part = "evidence"
	p.Ready.Set(part, false, "reading the evidence log")
	defer p.Ready.Set(part, false, "stopped")
	if err := p.Kafka.EnsureTopics(ctx, stream.Touchpoints, stream.Identified, stream.Rejected, stream.Evidence, stream.IdentityMap); err != nil {
		return err
	}
	rejects, err := quarantine.New(ctx, p.Registry, "identity")
	if err != nil {
		return err
	}
	// Before the log is read: what the publisher commits from now on has its effects in the outbox.
	committed, err := p.Kafka.Committed(ctx, publisherGroup, stream.Evidence)
	if err != nil {
		return err
	}
	ends, err := p.Kafka.EndOffsets(ctx, stream.Evidence)
	if err != nil {
		return err
	}
	m := newMetrics(p.Metrics)
	s := &stitcher{
		cfg: cfg, workspace: p.Workspace.Name, ids: ids, kafka: p.Kafka, registry: p.Registry, quarantine: rejects,
		replica: newReplica(rules(link, ids), committed, p.Log, m), metrics: m, log: p.Log, inputs: make(map[int32]*input),
	}
	return s.run(ctx, func(ctx context.Context) error {
		began := time.Now()
		for partition, end := range ends {
			if err := s.replica.wait(ctx, partition, end); err != nil {
				return err
			}
		}
		p.Log.Info("evidence log read", zap.Duration("took", time.Since(began)), zap.Int64("position", ends[stream.EvidencePartition(s.workspace)]))
		p.Ready.Set(part, true, "")
		return nil
	})
}

// rules are the graph's. A type that the configuration no longer has ranks last.
func rules(link identifier.Class, ids *identifier.Identifiers) graph.Rules {
	return graph.Rules{
		LinkClass: uint8(link),
		Rank: func(typ string, weak bool) uint8 {
			rank := ids.Rank(typ)
			if weak {
				rank += identifier.WeakRank
			}
			return uint8(min(rank, math.MaxUint8))
		},
	}
}

// run reads the evidence log for as long as the consumers work, also while they finish their last batch.
func (s *stitcher) run(ctx context.Context, ready func(ctx context.Context) error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	readers, background := errgroup.WithContext(background)
	readers.Go(func() error {
		defer close(s.replica.ended)
		return s.kafka.Follow(background, stream.Evidence, s.replica.apply)
	})
	readers.Go(func() error { return s.replica.forgetPublished(background, s.kafka) })

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(background, cancel)() // no evidence, no work
	err := s.consume(ctx, ready)
	stop()
	if readErr := readers.Wait(); readErr != nil {
		return readErr
	}
	return err
}

// consume joins the groups once everything that was in the log at start is applied.
func (s *stitcher) consume(ctx context.Context, ready func(ctx context.Context) error) error {
	if err := ready(ctx); err != nil {
		if ctx.Err() != nil && !errors.Is(err, errEnded) {
			return nil
		}
		return err
	}
	workers, ctx := errgroup.WithContext(ctx)
	workers.Go(func() error {
		return s.kafka.Consume(ctx, stream.Consumer{
			Group: consumerGroup, Topics: []string{stream.Touchpoints},
			MaxRecords: s.cfg.BatchRecords, MaxBytes: s.cfg.BatchBytes, MaxWait: s.cfg.BatchWait,
		}, s.handle)
	})
	publisher := publisher{kafka: s.kafka, replica: s.replica, metrics: s.metrics}
	workers.Go(func() error {
		return s.kafka.Consume(ctx, stream.Consumer{
			Group: publisherGroup, Topics: []string{stream.Evidence}, MaxRecords: publisherRecords, MaxBytes: publisherBytes,
		}, publisher.publish)
	})
	return workers.Wait()
}

// handle identifies a batch of touchpoints.
//
//  1. read each record as far as its identifiers, and hash them. A crash here, as in every step before the
//     last, repeats the batch.
//  2. append the pairs that the graph does not know, or knows with less, to the evidence log. A crash after
//     this finds them known: the repeated batch appends nothing.
//  3. wait until this instance has applied them, at most EvidenceWait.
//  4. name each event's customer and write the events. A crash after this writes them once more, perhaps
//     with a newer customer; the sink keeps the first copy.
//  5. returning nil commits the offsets.
func (s *stitcher) handle(ctx context.Context, ranges []stream.Range) error {
	b := &s.batch
	b.reset()
	for _, r := range ranges {
		for _, record := range r.Records {
			if err := s.read(ctx, b, record); err != nil {
				return err
			}
		}
	}
	s.collect(b)
	if err := s.append(ctx, b); err != nil {
		return err
	}
	s.resolve(b)
	if err := s.kafka.Produce(ctx, b.output()...); err != nil {
		return err
	}
	s.metrics.events.WithLabelValues("identified").Add(float64(len(b.events)))
	s.metrics.events.WithLabelValues("quarantined").Add(float64(len(b.rejected)))
	return nil
}

// append logs the batch's missing evidence and waits until it is applied.
func (s *stitcher) append(ctx context.Context, b *batch) error {
	if len(b.missing) == 0 {
		return nil
	}
	records := make([]*stream.Record, len(b.missing))
	for i := range b.missing {
		records[i] = evidenceRecord(&b.missing[i])
	}
	if err := s.kafka.Produce(ctx, records...); err != nil {
		return err
	}
	s.metrics.appended.Add(float64(len(records)))

	// One workspace is one partition, and its offsets only grow.
	partition, before := stream.EvidencePartition(s.workspace), int64(0)
	for _, record := range records {
		before = max(before, record.Offset+1)
	}
	began := time.Now()
	deadline, cancel := context.WithTimeout(ctx, s.cfg.EvidenceWait)
	defer cancel()
	err := s.replica.wait(deadline, partition, before)
	s.metrics.waitSeconds.Observe(time.Since(began).Seconds())
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		// Better now than right at once: the identity map brings these events to their customers.
		s.metrics.waitMissed.Inc()
		s.log.Warn("events go on before their evidence is applied", zap.Int("pairs", len(records)), zap.Duration("waited", s.cfg.EvidenceWait))
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait for own evidence: %w", err)
	}
	return nil
}
