// Package service is what every service of Parcours runs in: its process, not its work. It owns the
// logger, the admin listener (health, readiness, metrics, profiles, and what services offer to operators),
// signals and restarts, and promises that a stop asked for by a signal lets the work in hand end, and that
// what operators may do is done for nobody without the token.
package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Platform is what a service is given to run on.
type Platform struct {
	Workspace workspace.Config
	// Identifiers are the types and the spelling of identifiers; every service must have the same.
	Identifiers identifier.Config
	Kafka       *stream.Client
	Registry    *registry.Registry
	Log         *zap.Logger
	Metrics     prometheus.Registerer
	Ready       *Readiness
	// Admin is where the service answers its operators; nil in a test that has none.
	Admin *Admin
}

// Common is the configuration that all services share.
type Common struct {
	Workspace workspace.Config `koanf:"workspace"`
	// Identifiers are the types and the spelling of identifiers: the collector keys events by them and
	// the identity service links by them.
	Identifiers identifier.Config `koanf:"identifiers"`
	Kafka       stream.Config     `koanf:"kafka"`
	Registry    registry.Config   `koanf:"registry"`
	Log         LogConfig         `koanf:"log"`
	Admin       AdminConfig       `koanf:"admin"`
}

// DefaultCommon is the configuration of a service on this machine with its admin listener on the address.
func DefaultCommon(admin string) Common {
	return Common{
		Workspace:   workspace.DefaultConfig(),
		Identifiers: identifier.DefaultConfig(),
		Kafka:       stream.DefaultConfig(),
		Registry:    registry.DefaultConfig(),
		Log:         LogConfig{Level: "info", Format: "json"},
		Admin:       AdminConfig{Listen: admin},
	}
}

// Validate names the first field that is wrong, its value and what to do.
func (c Common) Validate() error {
	for _, section := range []interface{ Validate() error }{c.Workspace, c.Identifiers, c.Kafka, c.Registry, c.Log, c.Admin} {
		if err := section.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Restarts of a service that failed wait this long at first, twice as long each time, at most the last.
const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 30 * time.Second
	// A service that ran this long starts over with the first back-off.
	healthyAfter = time.Minute
)

// Run is a service's work on a platform, until ctx ends.
type Run func(ctx context.Context, p Platform) error

// Supervise runs one service until ctx ends: it connects to Kafka and the registry, runs, and when the
// service fails starts it again after a back-off. Readiness is false in between. It returns nil after a
// clean stop.
func (h *Host) Supervise(ctx context.Context, name string, common Common, run Run) error {
	log := h.Log.Named(name)
	ready := h.Ready.part(name)
	backoff := firstBackoff
	for {
		began := time.Now()
		err := h.runOnce(ctx, name, common, run)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("stop %s: %w", name, err)
			}
			log.Info("service stopped")
			return nil
		}
		if time.Since(began) > healthyAfter {
			backoff = firstBackoff
		}
		if err == nil {
			err = errors.New("service ended by itself")
		}
		ready.restart("restarting after an error")
		h.restarts.WithLabelValues(name).Inc()
		log.Error("service failed and will be started again", zap.Error(err), zap.Duration("after", backoff))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

func (h *Host) runOnce(ctx context.Context, name string, common Common, run Run) error {
	log := h.Log.Named(name)
	ready := h.Ready.part(name)
	ready.restart("waiting for Kafka and the schema registry")
	registerer, done := h.metrics.open(name)
	defer done()
	admin := h.Admin(name)
	defer h.doors.close(name)

	kafka, err := stream.Connect(common.Kafka, log, registerer)
	if err != nil {
		return err
	}
	defer kafka.Close()
	schemas, err := registry.New(common.Registry, log)
	if err != nil {
		return err
	}
	if err := kafka.Ping(ctx); err != nil {
		return err
	}
	if err := schemas.Ping(ctx); err != nil {
		return err
	}
	ready.restart("starting")
	defer ready.restart("stopped")
	log.Info("service started")
	return run(ctx, Platform{
		Workspace:   common.Workspace,
		Identifiers: common.Identifiers,
		Kafka:       kafka,
		Registry:    schemas,
		Log:         log,
		Metrics:     registerer,
		Ready:       ready,
		Admin:       admin,
	})
}
