package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/parcours-cdp/parcours/embedded/broker"
	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/schemaregistry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Options are what a caller adds to the configuration.
type Options struct {
	// Log replaces the logger that the configuration describes.
	Log *zap.Logger
	// Ready is called once, when everything answers.
	Ready func(Addresses)
}

// Run runs the pipeline until ctx ends, and then stops it: first the services, which finish and commit
// the batch in hand, then the servers below them.
func Run(ctx context.Context, cfg Config, opts Options) (err error) {
	log := opts.Log
	if log == nil {
		if log, err = cfg.Log.Build(); err != nil {
			return err
		}
	}
	dir, err := openDataDir(cfg.Embedded.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	if cfg.Workspace.HashKey == "" {
		if cfg.Workspace.HashKey, err = dir.hashKey(); err != nil {
			return err
		}
	}
	cfg.Place()
	if err := os.MkdirAll(dir.sub("reference"), 0o750); err != nil {
		return fmt.Errorf("make the folder of reference data: %w", err)
	}
	if cfg.Admin.Token == "" {
		if cfg.Admin.Token, err = dir.adminToken(); err != nil {
			return err
		}
		if err := cfg.Admin.Validate(); err != nil {
			return fmt.Errorf("%s: %w", dir.sub(adminTokenFile), err)
		}
	}
	host := service.NewHost(log)
	host.Expect(service.Names...)
	admin, err := listen(ctx, "admin.listen", cfg.Admin.Listen)
	if err != nil {
		return err
	}
	if err := tryListen(ctx, "collector.listen", cfg.Collector.Listen); err != nil {
		return errors.Join(err, admin.Close())
	}
	// The admin listener and the servers outlive the services, so they have a context of their own.
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	infrastructure, below := errgroup.WithContext(below)
	infrastructure.Go(func() error { return host.Serve(below, admin, cfg.Admin.Token) })
	defer func() {
		stopBelow()
		err = errors.Join(err, infrastructure.Wait())
	}()

	servers := &servers{host: host, log: log, dir: dir, group: infrastructure}
	defer servers.close()
	if err := servers.start(below, &cfg); err != nil {
		return err
	}
	// Without the servers below them the services could only fail.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(below, stop)()
	addresses := Addresses{
		Registry:   hostPort(cfg.Registry.URL),
		ClickHouse: cfg.Sink.ClickHouse.Addresses[0],
		Kafka:      cfg.Kafka.Brokers[0],
		Admin:      admin.Addr().String(),
	}
	return runServices(ctx, host, cfg, addresses, opts.Ready)
}

// listen takes the address of a configuration key.
func listen(ctx context.Context, key, address string) (net.Listener, error) {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; end what has the port, or take free ones with --ports auto", key, err)
	}
	return listener, nil
}

// tryListen says at once that an address cannot be had. The service that listens there later is started again and
// again when it fails, which is right for a port lost on the way and tells a newcomer nothing.
func tryListen(ctx context.Context, key, address string) error {
	listener, err := listen(ctx, key, address)
	if err != nil {
		return err
	}
	return listener.Close()
}

// runServices runs the four services until ctx ends. Ready is called when all of them are.
func runServices(ctx context.Context, host *service.Host, cfg Config, addresses Addresses, ready func(Addresses)) error {
	services, ctx := errgroup.WithContext(ctx)
	listening := make(chan string, 1)
	cfg.Collector.OnListen = func(address string) {
		// Started again, the collector must be where everybody was told that it is.
		cfg.Collector.Listen = address
		select {
		case listening <- address:
		default:
		}
	}
	run := func(name string, run service.Run) {
		services.Go(func() error { return host.Supervise(ctx, name, cfg.Common, run) })
	}
	run("collector", func(ctx context.Context, p service.Platform) error { return collector.Run(ctx, cfg.Collector, p) })
	run("identity", func(ctx context.Context, p service.Platform) error { return identity.Run(ctx, cfg.Identity, p) })
	run("enricher", func(ctx context.Context, p service.Platform) error { return enricher.Run(ctx, cfg.Enricher, p) })
	run("sink", func(ctx context.Context, p service.Platform) error { return sink.Run(ctx, cfg.Sink, p) })
	services.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case addresses.Collector = <-listening:
		}
		if err := waitReady(ctx, host.Ready); err == nil && ready != nil {
			ready(addresses)
		}
		return nil
	})
	return services.Wait()
}

const readyPoll = 20 * time.Millisecond

func waitReady(ctx context.Context, ready *service.Readiness) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for len(ready.Waiting()) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// servers are what the services run on, as far as it runs in this process.
type servers struct {
	host  *service.Host
	log   *zap.Logger
	dir   *dataDir
	group *errgroup.Group

	mu      sync.Mutex
	closers []func()
}

func (s *servers) onClose(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, f)
}

func (s *servers) close() {
	for _, f := range s.closers {
		f()
	}
}

// start starts what the configuration wants embedded, side by side because the engine takes a second, and
// writes the addresses into the configuration.
func (s *servers) start(ctx context.Context, cfg *Config) error {
	s.tellUnused(cfg)
	starting, ctx := errgroup.WithContext(context.WithoutCancel(ctx))
	if cfg.Embedded.Kafka {
		starting.Go(func() error { return s.startBroker(ctx, cfg) })
	}
	if cfg.Embedded.Registry {
		starting.Go(func() error { return s.startRegistry(ctx, cfg) })
	}
	if cfg.Embedded.ClickHouse {
		starting.Go(func() error { return s.startEngine(ctx, cfg) })
	}
	return starting.Wait()
}

// tellUnused warns of addresses that an embedded server takes the place of: whoever wrote them expects their data there.
func (s *servers) tellUnused(cfg *Config) {
	usual := DefaultConfig()
	for _, server := range []struct {
		embedded bool
		key      string
		unused   bool
	}{
		{cfg.Embedded.Kafka, "kafka", !slices.Equal(cfg.Kafka.Brokers, usual.Kafka.Brokers)},
		{cfg.Embedded.Registry, "registry", cfg.Registry.URL != usual.Registry.URL},
		{cfg.Embedded.ClickHouse, "clickhouse", !slices.Equal(cfg.Sink.ClickHouse.Addresses, usual.Sink.ClickHouse.Addresses)},
	} {
		if server.embedded && server.unused {
			s.log.Warn("configured address not used, because the embedded server is on: switch it off to use the address",
				zap.String("key", "embedded."+server.key))
		}
	}
}

func (s *servers) startBroker(ctx context.Context, cfg *Config) error {
	b, err := broker.Start(ctx, broker.Config{
		DataDir: s.dir.sub("kafka"),
		Listen:  cfg.Embedded.KafkaListen,
		Sync:    cfg.Embedded.Sync,
	}, s.log.Named("broker"))
	if err != nil {
		return err
	}
	s.onClose(b.Close)
	cfg.Kafka.Brokers = []string{b.Addr()}
	cfg.Kafka.ReplicationFactor = 1
	return nil
}

func (s *servers) startRegistry(ctx context.Context, cfg *Config) error {
	r, err := schemaregistry.Open(s.dir.sub("registry"))
	if err != nil {
		return err
	}
	listener, err := listen(ctx, "embedded.registry_listen", cfg.Embedded.RegistryListen)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	s.group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve schema registry: %w", err)
		}
		return nil
	})
	s.onClose(func() {
		if err := errors.Join(server.Close(), r.Close()); err != nil {
			s.log.Warn("schema registry closed with an error", zap.Error(err))
		}
	})
	cfg.Registry.URL = "http://" + listener.Addr().String()
	return nil
}

func (s *servers) startEngine(ctx context.Context, cfg *Config) error {
	conf := clickhouse.DefaultConfig()
	path, err := filepath.Abs(s.dir.sub("clickhouse"))
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	conf.Engine.DataDir = path
	conf.Engine.Listen = cfg.Embedded.ClickHouseListen
	conf.Log = s.log.Named("engine")
	engine, err := clickhouse.Start(context.WithoutCancel(ctx), conf)
	if err != nil {
		return err
	}
	s.onClose(func() {
		if err := engine.Close(); err != nil {
			s.log.Warn("engine closed with an error", zap.Error(err))
		}
	})
	s.host.Metrics().MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "parcours_engine_restarts_total", Help: "Starts of the embedded ClickHouse engine after it died.",
	}, func() float64 { return float64(engine.Restarts()) }))
	s.log.Info("engine started", zap.String("backend", engine.Backend()), zap.String("address", engine.Addr()))
	cfg.Sink.ClickHouse.Addresses = []string{engine.Addr()}
	return nil
}

func hostPort(url string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if len(url) > len(scheme) && url[:len(scheme)] == scheme {
			return url[len(scheme):]
		}
	}
	return url
}
