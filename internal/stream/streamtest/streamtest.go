// Package streamtest gives tests a Kafka broker and a client to it.
package streamtest

import (
	"testing"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap/zaptest"
)

// Cluster starts an in-process broker that ends with the test.
func Cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatalf("start kfake: %v", err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// Broker starts an in-process broker that ends with the test and returns its addresses.
func Broker(t testing.TB, opts ...kfake.Opt) []string {
	t.Helper()
	return Cluster(t, opts...).ListenAddrs()
}

// Config is the default configuration for tests: few partitions, no linger.
func Config(brokers []string) stream.Config {
	cfg := stream.DefaultConfig()
	cfg.Brokers = brokers
	cfg.Partitions = 4
	cfg.ReplicationFactor = 1
	cfg.Linger = 0
	return cfg
}

// Client connects to the brokers; it is closed with the test.
func Client(t testing.TB, brokers []string) *stream.Client {
	t.Helper()
	return Connect(t, Config(brokers))
}

// Connect connects with the configuration; the client is closed with the test.
func Connect(t testing.TB, cfg stream.Config) *stream.Client {
	t.Helper()
	client, err := stream.Connect(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}
