// Package identity stitches touchpoints to customers: it hashes their identifiers, logs which were seen
// together, and names the customer that the log makes of them.
//
// It owns the consumer groups parcours-identity and parcours-identity-publisher.<workspace>, the evidence
// log, the identity map and the audit. It promises that a touchpoint leaves with hashes in place of
// identifiers, that the partition of customers is a function of the log alone, and that a record it cannot
// read goes to the quarantine and blocks nothing. [Run] owns all it opens.
package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// Group consumes touchpoints: its members share the partitions.
const Group = "parcours-identity"

// ready is the part that waits for the evidence log.
const ready = "evidence"

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
	ready      *service.Readiness
	admin      *service.Admin
	operators  *api.Metrics

	inputs map[int32]*input
	batch  batch
}

// Run identifies touchpoints until ctx ends.
func Run(ctx context.Context, cfg Config, p service.Platform) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	ids, err := identifier.New(p.Identifiers, p.Workspace)
	if err != nil {
		return err
	}
	rules, err := ruleset(cfg, ids)
	if err != nil {
		return err
	}
	p.Ready.Set(ready, false, "opening the store")
	defer func() { p.Ready.Set(ready, false, why(err)) }()
	if err := p.Kafka.EnsureTopics(ctx, stream.Touchpoints, stream.Identified, stream.Rejected, stream.Evidence, stream.IdentityMap, stream.IdentityAudit); err != nil {
		return err
	}
	rejects, err := quarantine.New(ctx, p.Registry, "identity")
	if err != nil {
		return err
	}
	s := &stitcher{
		cfg: cfg, workspace: p.Workspace.Name, ids: ids, kafka: p.Kafka, registry: p.Registry, quarantine: rejects,
		admin: p.Admin, operators: api.NewMetrics(p.Metrics), metrics: newMetrics(p.Metrics), log: p.Log, ready: p.Ready, inputs: make(map[int32]*input),
	}
	if s.replica, err = s.open(ctx); err != nil {
		return err
	}
	err = s.run(ctx, rules)
	return errors.Join(err, s.close(err))
}

// why says what a stopped instance waits for.
func why(err error) string {
	if err == nil {
		return "stopped"
	}
	return err.Error()
}

// open opens the replica at what this instance remembers.
func (s *stitcher) open(ctx context.Context) (*replica, error) {
	partition := stream.EvidencePartition(s.workspace)
	// Before the log is read: what the publisher commits from now on has its effects in the outbox.
	committed, err := s.kafka.Committed(ctx, PublisherGroup(s.workspace), stream.Evidence)
	if err != nil {
		return nil, err
	}
	extent, err := s.kafka.Extent(ctx, stream.Evidence, partition)
	if err != nil {
		return nil, err
	}
	return openReplica(ctx, opening{
		workspace: s.workspace, dataDir: s.cfg.DataDir, snapshotDir: s.cfg.SnapshotDir,
		suppression: func(node uuid.UUID) evidence.SuppressionKey { return s.ids.SuppressionKey(node) },
		extent:      extent, committed: committed[partition], log: s.log, metrics: s.metrics,
	})
}

// close closes the store, and throws it away when another instance has another graph.
func (s *stitcher) close(why error) error {
	if err := s.replica.store.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	if !errors.Is(why, errDisagree) || s.cfg.DataDir == "" {
		return nil
	}
	s.metrics.rebuilds.WithLabelValues(disagreed).Inc()
	if err := store.Discard(storeDir(s.cfg.DataDir, s.workspace)); err != nil {
		return fmt.Errorf("discard store: %w", err)
	}
	return nil
}

// run reads the evidence log for as long as the consumers work, also while they finish their last batch.
func (s *stitcher) run(ctx context.Context, rules evidence.Ruleset) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	news := &digests{}
	readers, background := errgroup.WithContext(background)
	readers.Go(func() error { return s.follow(background) })
	readers.Go(func() error { return s.replica.forgetPublished(background, s.kafka) })
	readers.Go(func() error { return news.write(background, s) })
	if s.cfg.SnapshotDir != "" {
		readers.Go(func() error {
			return s.replica.snapshot(background, s.cfg.SnapshotDir, s.cfg.SnapshotEvery)
		})
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(background, cancel)() // no evidence, no work
	err := s.consume(ctx, rules, news)
	stop()
	if readErr := readers.Wait(); readErr != nil {
		return readErr
	}
	return err
}

// follow applies the evidence log from where the store stands.
func (s *stitcher) follow(ctx context.Context) error {
	defer close(s.replica.ended)
	r := s.replica
	err := s.kafka.FollowFrom(ctx, stream.Evidence, r.partition, r.position(), r.apply)
	if wrong := (*disagreement)(nil); errors.As(err, &wrong) {
		s.contradict(ctx, wrong)
	}
	return err
}

// freshness is how far behind the log an instance may be that joins the groups.
const freshness = time.Second

// catchUp returns once what was in the log a moment ago is applied.
func (s *stitcher) catchUp(ctx context.Context) error {
	for {
		asked := time.Now()
		extent, err := s.kafka.Extent(ctx, stream.Evidence, s.replica.partition)
		if err != nil {
			return err
		}
		s.ready.Set(ready, false, fmt.Sprintf("reading the evidence log: %d of %d", s.replica.position(), extent.End))
		if err := s.replica.wait(ctx, extent.End); err != nil {
			return err
		}
		if time.Since(asked) < freshness {
			return nil
		}
	}
}

// consume joins the groups once everything that is in the log is applied, and the rules with it.
func (s *stitcher) consume(ctx context.Context, rules evidence.Ruleset, news *digests) error {
	began := time.Now()
	err := s.catchUp(ctx)
	if err == nil {
		err = s.settle(ctx, rules)
	}
	if err == nil {
		err = s.catchUp(ctx)
	}
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, errEnded) {
			return nil
		}
		return err
	}
	s.log.Info("evidence log read", zap.Duration("took", time.Since(began)), zap.Int64("position", s.replica.position()))
	s.ready.Set(ready, true, "")
	defer s.operate(rules)()
	workers, ctx := errgroup.WithContext(ctx)
	workers.Go(func() error {
		return s.kafka.Consume(ctx, stream.Consumer{
			Group: Group, Topics: []string{stream.Touchpoints},
			MaxRecords: s.cfg.BatchRecords, MaxBytes: s.cfg.BatchBytes, MaxWait: s.cfg.BatchWait,
		}, s.handle)
	})
	publisher := publisher{kafka: s.kafka, replica: s.replica, digests: news, metrics: s.metrics}
	workers.Go(func() error {
		return s.kafka.Consume(ctx, stream.Consumer{
			Group: PublisherGroup(s.workspace), Topics: []string{stream.Evidence}, MaxRecords: publisherRecords, MaxBytes: publisherBytes,
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
//  4. name each event's customer. Has somebody been erased since step 1, the batch is read again: their
//     identifiers are other nodes now, or none.
//  5. write the events. A crash after this writes them once more, perhaps with a newer customer; the sink
//     keeps the first copy.
//  6. returning nil commits the offsets.
func (s *stitcher) handle(ctx context.Context, ranges []stream.Range) error {
	b := &s.batch
	for {
		b.reset()
		if err := s.readAll(ctx, b, ranges); err != nil {
			return err
		}
		s.collect(b)
		if err := s.append(ctx, b); err != nil {
			return err
		}
		if s.resolve(b) {
			break
		}
	}
	if err := s.kafka.Produce(ctx, b.output()...); err != nil {
		return err
	}
	s.metrics.batch(b)
	return nil
}

func (s *stitcher) readAll(ctx context.Context, b *batch, ranges []stream.Range) error {
	if erased, some := s.replica.suppressions(); some {
		b.erased, b.erasures = erased, erased.count
	}
	for _, r := range ranges {
		for _, record := range r.Records {
			if err := s.read(ctx, b, record); err != nil {
				return err
			}
		}
	}
	return nil
}

// append logs the batch's missing evidence and waits until it is applied.
func (s *stitcher) append(ctx context.Context, b *batch) error {
	if len(b.missing) == 0 {
		return nil
	}
	records := make([]*stream.Record, len(b.missing))
	for i := range b.missing {
		records[i] = evidenceRecord(s.workspace, &b.missing[i])
	}
	if err := s.kafka.Produce(ctx, records...); err != nil {
		return err
	}
	s.metrics.appended.Add(float64(len(records)))

	// One workspace is one partition, and its offsets only grow.
	before := int64(0)
	for _, record := range records {
		before = max(before, record.Offset+1)
	}
	began := time.Now()
	deadline, cancel := context.WithTimeout(ctx, s.cfg.EvidenceWait)
	defer cancel()
	err := s.replica.waitUnlessEvaluating(deadline, before)
	s.metrics.waitSeconds.Observe(time.Since(began).Seconds())
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	switch {
	case err == nil:
		return nil
	case late, errors.Is(err, errEvaluating):
		// Better now than right at once: the identity map brings these events to their customers.
		s.metrics.waitMissed.Inc()
		if late {
			s.log.Warn("events go on before their evidence is applied", zap.Int("pairs", len(records)), zap.Duration("waited", s.cfg.EvidenceWait))
		}
		return nil
	}
	return fmt.Errorf("wait for own evidence: %w", err)
}
