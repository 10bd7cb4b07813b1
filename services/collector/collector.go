// Package collector is the public door: it takes events over HTTP in the dialects that SDKs speak, turns
// each into a touchpoint, and writes it to Kafka.
//
// It promises that a 2xx answer is given only after every in-sync replica has every event of the
// request, and that an event which cannot be a touchpoint is quarantined with its bytes, its reason and
// the field at fault. Run owns the listener and everything that it starts.
package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// collector is the work of one Run.
type collector struct {
	cfg         Config
	workspace   string
	sources     *sources
	identifiers *identifier.Identifiers
	quarantine  *quarantine.Quarantine
	schemaID    int32
	log         *zap.Logger
	metrics     *metrics
	bodies      *bodies
	proxies     []netip.Prefix
	public      *url.URL
	desks       sync.Pool
	kafkaLog    atomic.Int64 // when a failure of Kafka was last logged

	// produce writes records and waits for their acknowledgement; now is the clock.
	produce func(ctx context.Context, records ...*stream.Record) error
	now     func() time.Time
}

// Run collects until ctx ends; then it stops listening, finishes the requests in hand and returns nil.
func Run(ctx context.Context, cfg Config, p service.Platform) error {
	c, err := open(ctx, cfg, p)
	if err != nil {
		return err
	}
	defer c.bodies.close()
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on collector.listen %s: %w", cfg.Listen, err)
	}
	address := listener.Addr().String()
	if cfg.OnListen != nil {
		cfg.OnListen(address)
	}
	c.log.Info("collector listener open", zap.String("address", address))
	p.Ready.Set("listener", true, "")
	defer p.Ready.Set("listener", false, "stopped")
	return c.serve(ctx, newPerIP(listener, cfg.Limits.ConnectionsPerIP, c.proxies, c.metrics))
}

// open makes everything that Run needs and that can fail.
func open(ctx context.Context, cfg Config, p service.Platform) (*collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &collector{
		cfg: cfg, workspace: p.Workspace.Name, log: p.Log, produce: p.Kafka.Produce, now: time.Now,
	}
	var err error
	if c.public, err = publicURL(cfg.PublicURL); err != nil {
		return nil, err
	}
	if c.proxies, err = parsePrefixes(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if c.identifiers, err = identifier.New(p.Identifiers, p.Workspace); err != nil {
		return nil, err
	}
	if err := p.Kafka.EnsureTopics(ctx, stream.Touchpoints, stream.Rejected); err != nil {
		return nil, err
	}
	if c.schemaID, err = p.Registry.Register(ctx, stream.Touchpoints, schemas.TouchpointSchema()); err != nil {
		return nil, err
	}
	if c.quarantine, err = quarantine.New(ctx, p.Registry, "collector"); err != nil {
		return nil, err
	}
	if c.bodies, err = openBodies(cfg.Limits); err != nil {
		return nil, err
	}
	c.metrics = newMetrics(p.Metrics, func() float64 { return float64(c.bodies.flying.Load()) })
	c.sources = openSources(cfg.Sources, c.metrics)
	c.desks.New = func() any { return new(desk) }
	return c, nil
}

// serve answers requests until ctx ends and those in hand are finished.
func (c *collector) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           c,
		ReadHeaderTimeout: c.cfg.Timeouts.Header,
		ReadTimeout:       c.cfg.Timeouts.Read,
		WriteTimeout:      c.cfg.Timeouts.Read + c.cfg.Timeouts.Produce + 5*time.Second,
		IdleTimeout:       c.cfg.Timeouts.Idle,
		MaxHeaderBytes:    c.cfg.Limits.HeaderBytes,
		// What net/http has to say names addresses of visitors.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve collector: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeouts.Stop)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			// Who still sends has had no answer, and sends again.
			c.log.Warn("connections closed before their requests ended", zap.Error(err))
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}
