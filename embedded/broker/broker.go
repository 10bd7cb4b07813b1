// Package broker is the Kafka-protocol broker of the embedded default: one node in this process, its
// data on disk, every batch synced before it is acknowledged. It promises that what was acknowledged is
// there after the process was killed.
package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// Config says where the broker listens and keeps its data.
type Config struct {
	// DataDir holds segments, groups and offsets; empty keeps everything in memory.
	DataDir string
	// Listen is host:port; port 0 takes a free one. The host must be an address that clients can reach,
	// because the broker tells it to them.
	Listen string
	// Sync has each batch on disk before it is acknowledged; without it a power cut may lose the last ones.
	Sync bool
}

// Broker is a running broker; whoever started it closes it.
type Broker struct {
	cluster *kfake.Cluster
}

// Bounds of what the broker accepts and keeps.
var brokerConfigs = map[string]string{
	"message.max.bytes": strconv.Itoa(16 << 20),
	// A consumer that was killed must be missed soon on one machine, or a restart waits for it.
	"group.min.session.timeout.ms":     "1000",
	"group.initial.rebalance.delay.ms": "0",
}

// Start opens the data and listens; ctx bounds the start only.
func Start(ctx context.Context, cfg Config, log *zap.Logger) (*Broker, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("start broker: listen address %q: give host:port", cfg.Listen)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("start broker: port %q is not a number", port)
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(number),
		kfake.ClusterID("parcours-embedded"),
		kfake.WithLogger(logger{log}),
		kfake.BrokerConfigs(brokerConfigs),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("listen for kafka on %s: %w", address, err)
			}
			return new(net.ListenConfig).Listen(ctx, network, net.JoinHostPort(host, port))
		}),
	}
	if cfg.DataDir != "" {
		dir := filepath.Clean(cfg.DataDir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make broker directory: %w", err)
		}
		opts = append(opts, kfake.DataDir(dir))
		if cfg.Sync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start broker on %s with data in %q: %w", cfg.Listen, cfg.DataDir, err)
	}
	// Loading read every segment whole: give that memory back before it is counted as ours.
	debug.FreeOSMemory()
	return &Broker{cluster: cluster}, nil
}

// Addr is the host:port that clients connect to.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Close writes what is not written yet and stops listening.
func (b *Broker) Close() { b.cluster.Close() }

type logger struct{ log *zap.Logger }

// Logf implements kfake.Logger. The broker's own lines are for its developers, but for its errors.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError {
		l.log.Error("broker reports an error", zap.String("message", fmt.Sprintf(format, args...)))
	}
}
