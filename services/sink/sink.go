package sink

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Consumer groups of the sink, one a topic, so that a stall of one table does not hold the others.
const (
	GroupTouchpoints   = "parcours.sink.touchpoints"
	GroupRejected      = "parcours.sink.rejected"
	GroupIdentityMap   = "parcours.sink.identity-map"
	GroupIdentityAudit = "parcours.sink.identity-audit"
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
	down       atomic.Bool // ClickHouse does not take inserts
	mapped     chan struct{}
}

// Run works until ctx ends. It waits for ClickHouse, brings the database up to date, and then consumes.
func Run(ctx context.Context, cfg Config, p service.Platform) error {
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
		mapped: make(chan struct{}, 1),
	}
	s.ready.Set("clickhouse", false, "the database is not ready yet")
	if err := s.prepare(ctx, p); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.consume(ctx, GroupTouchpoints, stream.Enriched, func() loader { return newTouchpoints(p.Registry, p.Workspace.Currency) })
	})
	group.Go(func() error {
		return s.consume(ctx, GroupRejected, stream.Rejected, func() loader { return newRejections(p.Registry) })
	})
	group.Go(func() error {
		return s.consume(ctx, GroupIdentityMap, stream.IdentityMap, func() loader { return newMapRows() })
	})
	group.Go(func() error {
		return s.consume(ctx, GroupIdentityAudit, stream.IdentityAudit, func() loader { return newAuditRows() })
	})
	group.Go(func() error {
		s.reloadIdentities(ctx)
		return nil
	})
	return group.Wait()
}

// prepare makes topics, database and quarantine ready.
func (s *sink) prepare(ctx context.Context, p service.Platform) error {
	if err := s.kafka.EnsureTopics(ctx, stream.Enriched, stream.Rejected, stream.IdentityMap, stream.IdentityAudit); err != nil {
		return err
	}
	var err error
	if s.quarantine, err = quarantine.New(ctx, p.Registry, "sink"); err != nil {
		return err
	}
	if err := s.awaitClickHouse(ctx); err != nil {
		return err
	}
	if err := warehouse.Migrate(ctx, s.cfg.ClickHouse, Migrations(), s.log); err != nil {
		return err
	}
	if err := s.warehouse.RequireTokens(ctx, "events", "contacts", "traits", "rejected_events", "identity_map", "identity_changes", "identity_audit", "identifier_sightings"); err != nil {
		return err
	}
	if err := s.ownDictionary(ctx); err != nil {
		return err
	}
	err = s.warehouse.Retain(ctx,
		warehouse.Retention{Table: "events", Column: "received_at", Months: s.cfg.EventMonths},
		warehouse.Retention{Table: "rejected_events", Column: "rejected_at", Months: s.cfg.RejectedMonths},
		warehouse.Retention{Table: "identity_audit", Column: "at", Months: s.cfg.AuditMonths},
	)
	if err != nil {
		return err
	}
	// A dictionary that was loaded by an earlier life of the sink may be behind.
	s.mapped <- struct{}{}
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

func (s *sink) consume(ctx context.Context, group, topic string, create func() loader) error {
	all := newLoaders(s.cfg.Inserts, create)
	consumer := stream.Consumer{
		Group: group, Topics: []string{topic},
		MaxRecords: s.cfg.BatchRecords, MaxBytes: s.cfg.BatchBytes, MaxWait: s.cfg.BatchWait,
	}
	return s.kafka.Consume(ctx, consumer, func(ctx context.Context, batch []stream.Range) error {
		if err := s.deliverAll(ctx, all, batch); err != nil {
			return err
		}
		if topic == stream.IdentityMap {
			select {
			case s.mapped <- struct{}{}:
			default: // a reload is due already
			}
		}
		return nil
	})
}

// A reload of the dictionary copies the whole map in memory, so it takes turns with leisure.
const (
	shortestReloadGap = 500 * time.Millisecond
	leisure           = 4 // times the duration of the last reload
)

// reload brings both dictionaries up to their tables: the map is read, and what was looked up in the history is forgotten.
func (s *sink) reload(ctx context.Context) error {
	for _, name := range []string{"identity_map_dict", "identity_changes_dict"} {
		if err := s.warehouse.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+warehouse.Database+"."+name); err != nil {
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
		err := s.reload(ctx)
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
			select {
			case s.mapped <- struct{}{}:
			default:
			}
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
