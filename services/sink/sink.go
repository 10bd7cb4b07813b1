package sink

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Consumer groups of the sink, one a topic, so that a stall of one table does not hold the others.
const (
	GroupTouchpoints   = "parcours.sink.touchpoints"
	GroupRejected      = "parcours.sink.rejected"
	GroupIdentityMap   = "parcours.sink.identity-map"
	GroupIdentityAudit = "parcours.sink.identity-audit"
	GroupAttributes    = "parcours.sink.attributes"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the numbered steps that make the database.
func Migrations() fs.FS {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return migrations // the path is a constant that embed has checked
	}
	return folder
}

type sink struct {
	cfg        Config
	log        *zap.Logger
	kafka      *stream.Client
	warehouse  *warehouse.Warehouse
	quarantine *quarantine.Quarantine
	metrics    *metrics
	ready      *service.Readiness
	pace       *pace
	trust      time.Duration // how long after its plan a token is believed alone
	down       atomic.Bool   // ClickHouse does not take what we have
	mapped     chan struct{}
	attributes *attributes.Codec
	fault      func(step string) error // of tests; nil otherwise
}

// Run works until ctx ends. It waits for ClickHouse, brings the database up to date, and then consumes.
func Run(ctx context.Context, cfg Config, p service.Platform) error { return run(ctx, cfg, p, nil) }

func run(ctx context.Context, cfg Config, p service.Platform, fault func(step string) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	w, err := warehouse.Open(cfg.ClickHouse)
	if err != nil {
		return err
	}
	defer func() {
		if err := w.Close(); err != nil {
			p.Log.Warn("clickhouse connections not closed", zap.Error(err))
		}
	}()
	s := &sink{
		cfg: cfg, log: p.Log, kafka: p.Kafka, warehouse: w, metrics: newMetrics(p.Metrics), ready: p.Ready,
		mapped: make(chan struct{}, 1), fault: fault,
	}
	s.pace = &pace{gauge: s.metrics.insertGap}
	s.ready.Set("clickhouse", false, "the database is not ready yet")
	if err := s.prepare(ctx, p); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	index, closeIndex, err := s.openIndex(p)
	if err != nil {
		return err
	}
	defer closeIndex()
	return s.consumeAll(ctx, p, index)
}

// openIndex opens the index of what was seen; the caller closes it.
func (s *sink) openIndex(p service.Platform) (*dedup.Index, func(), error) {
	dir, remove := s.cfg.DataDir, func() error { return nil }
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "parcours-sink-"); err != nil {
			return nil, nil, fmt.Errorf("make a folder for the index of events: %w; name one that survives with sink.data_dir", err)
		}
		remove = func() error { return os.RemoveAll(dir) }
	}
	log := idLog{Client: s.kafka, identify: map[string]func() identify{
		stream.Enriched: func() identify { return identifyTouchpoints(p.Registry) },
		stream.Rejected: func() identify { return identifyRejections },
	}}
	index, err := dedup.Open(dedup.Config{Dir: dir, Window: s.cfg.DuplicateWindow, CacheBytes: indexCacheBytes}, log, s.log, p.Metrics)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return index, func() {
		if err := errors.Join(index.Close(), remove()); err != nil {
			s.log.Warn("index of events not closed", zap.Error(err))
		}
	}, nil
}

// indexCacheBytes bounds what the index keeps in memory beside its filters.
const indexCacheBytes = 16 << 20

// consumeAll runs a lane for each topic.
func (s *sink) consumeAll(ctx context.Context, p service.Platform, index *dedup.Index) error {
	unknown := newUnknowns(s.metrics, s.log)
	group, ctx := errgroup.WithContext(ctx)
	run := func(name string, l *lane, bufferBytes int, create func() loader) {
		l.sink, l.resting, l.entries, l.read = s, make(chan loader, s.cfg.Inserts), make(map[int32][]dedup.Entry), make(map[int32]int64)
		for range s.cfg.Inserts {
			l.resting <- create()
		}
		for _, table := range create().tables() {
			if table.unique {
				l.unique = append(l.unique, table.block.Table())
			}
		}
		group.Go(func() error {
			return s.kafka.ConsumeRanges(ctx, stream.RangeConsumer{
				Group: name, Topics: []string{l.topic},
				MaxRecords: s.cfg.BatchRecords, MaxBytes: min(s.cfg.BatchBytes, bufferBytes), MaxWait: s.cfg.BatchWait,
				BufferBytes: bufferBytes, Parallel: s.cfg.Inserts, RetryWait: s.cfg.RetryWait,
			}, l)
		})
	}
	few := s.cfg.BufferBytes / 4
	run(GroupTouchpoints, &lane{topic: stream.Enriched, index: index, identify: func() identify { return identifyTouchpoints(p.Registry) }}, s.cfg.BufferBytes,
		func() loader { return newTouchpoints(p.Registry, p.Workspace.Currency, unknown) })
	run(GroupRejected, &lane{topic: stream.Rejected, index: index, identify: func() identify { return identifyRejections }}, few,
		func() loader { return newRejections(p.Registry) })
	run(GroupIdentityMap, &lane{topic: stream.IdentityMap, delivered: s.mapChanged}, few,
		func() loader { return newMapRows() })
	run(GroupIdentityAudit, &lane{topic: stream.IdentityAudit}, few,
		func() loader { return newAuditRows() })
	run(GroupAttributes, &lane{topic: stream.Attributes}, few,
		func() loader { return newAttributeRows(s.attributes) })
	group.Go(func() error {
		s.reloadIdentities(ctx)
		return nil
	})
	return group.Wait()
}

// prepare makes topics, database and quarantine ready.
func (s *sink) prepare(ctx context.Context, p service.Platform) error {
	if err := s.kafka.EnsureTopics(ctx, stream.Enriched, stream.Rejected, stream.IdentityMap, stream.IdentityAudit, stream.Attributes); err != nil {
		return err
	}
	var err error
	if s.quarantine, err = quarantine.New(ctx, p.Registry, "sink"); err != nil {
		return err
	}
	if s.attributes, err = attributes.NewCodec(ctx, p.Registry); err != nil {
		return err
	}
	if err := s.awaitClickHouse(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.access(ctx); err != nil {
		return err
	}
	memory, err := s.warehouse.RequireSettings(ctx, "events", "contacts", "traits", "rejected_events", "identity_map", "identity_changes", "identity_audit", "identifier_sightings", "attributes")
	if err != nil {
		return err
	}
	if s.trust = longestTrust; memory.For > 0 {
		s.trust = min(s.trust, memory.For/2)
	}
	if err := s.ownDictionary(ctx); err != nil {
		return err
	}
	if err := applyPriorities(ctx, s.warehouse, p.Workspace.Name, p.Workspace.SourcePriorities); err != nil {
		return err
	}
	if err := s.warehouse.Retain(ctx, s.cfg.retentions()...); err != nil {
		return err
	}
	// A dictionary that was loaded by an earlier life of the sink may be behind.
	s.mapChanged()
	s.down.Store(true)
	s.available(true, "")
	return nil
}

func (s *sink) awaitClickHouse(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.warehouse.Ping(ctx)
		if err == nil {
			return nil
		}
		s.down.Store(false)
		s.available(false, "ClickHouse does not answer")
		if attempt&(attempt-1) == 0 {
			s.log.Warn("waiting for clickhouse", zap.Int("attempt", attempt), zap.Error(err))
		}
		if err := pause(ctx, attempt, s.cfg.RetryWait); err != nil {
			return fmt.Errorf("wait for clickhouse: %w", err)
		}
	}
}

// available tells readiness when ClickHouse starts or ceases to take what we have.
func (s *sink) available(now bool, why string) {
	if s.down.Swap(!now) == now {
		s.ready.Set("clickhouse", now, why)
	}
}

// mapChanged asks for a reload of the dictionary, if none is due already.
func (s *sink) mapChanged() {
	select {
	case s.mapped <- struct{}{}:
	default:
	}
}

const firstRetry = 100 * time.Millisecond

// pause waits longer after each attempt, at most longest, and never exactly as long as another instance.
func pause(ctx context.Context, attempt int, longest time.Duration) error {
	wait := min(firstRetry<<min(attempt-1, 20), longest)
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// A reload of the dictionary copies the whole map in memory, so it takes turns with leisure.
const (
	shortestReloadGap = 500 * time.Millisecond
	leisure           = 4 // times the duration of the last reload
)

// reloadDictionaries brings both dictionaries up to their tables: what was looked up in the history is forgotten, and
// the map is read. The history comes first: who finds the map new finds the history new as well.
func reloadDictionaries(ctx context.Context, w *warehouse.Warehouse) error {
	for _, name := range []string{"identity_changes_dict", "identity_map_dict"} {
		if err := w.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+warehouse.Database+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// reloadIdentities makes the dictionary follow the table within seconds. A server would also refresh it by its
// LIFETIME, an engine in process does not.
func (s *sink) reloadIdentities(ctx context.Context) {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.mapped:
		}
		began := time.Now()
		err := reloadDictionaries(ctx, s.warehouse)
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			s.metrics.reloads.WithLabelValues("failed").Inc()
			if failures&(failures-1) == 0 {
				s.log.Warn("identity dictionary not reloaded", zap.Int("attempt", failures), zap.Error(err))
			}
			s.mapChanged()
			if pause(ctx, failures, s.cfg.RetryWait) != nil {
				return
			}
			continue
		}
		failures = 0
		s.metrics.reloads.WithLabelValues("done").Inc()
		s.metrics.reloadSeconds.Observe(took.Seconds())
		timer := time.NewTimer(max(shortestReloadGap, leisure*took))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
