package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/parcours-cdp/parcours/services/sink/dedup"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// described gathers what is registered, by name; unlike a scrape it sees metrics that have no value yet.
type described struct {
	mu    sync.Mutex
	lines map[string]string
	any   chan struct{}
}

func newDescribed() *described {
	return &described{lines: make(map[string]string), any: make(chan struct{}, 1)}
}

var descForm = regexp.MustCompile(`(?s)^Desc\{fqName: "([^"]*)", help: "(.*?)", (?:unit: "[^"]*", )?constLabels: .*, variableLabels: \{([^}]*)\}\}$`)

func (d *described) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 100)
	c.Describe(descs)
	close(descs)
	d.mu.Lock()
	defer d.mu.Unlock()
	for desc := range descs {
		found := descForm.FindStringSubmatch(desc.String())
		if found == nil {
			return fmt.Errorf("cannot read %s", desc)
		}
		if strings.HasPrefix(found[1], "parcours_kafka_") {
			continue // franz-go's own, which it documents
		}
		d.lines[found[1]] = fmt.Sprintf("| `%s` | %s | %s |", found[1], strings.ReplaceAll(found[3], ",", ", "), found[2])
	}
	return nil
}

// MustRegister is called once by each service, with all that it has.
func (d *described) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := d.Register(c); err != nil {
			d.lines["error"] = err.Error()
		}
	}
	select {
	case d.any <- struct{}{}:
	default:
	}
}

func (d *described) Unregister(prometheus.Collector) bool { return true }

func (d *described) table() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rows []string
	for _, line := range d.lines {
		rows = append(rows, line)
	}
	slices.Sort(rows)
	return "| metric | labels | what |\n| --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n"
}

// The metrics page lists what each service registers.
func TestMetricsReference(t *testing.T) {
	brokers := streamtest.Broker(t)
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("ab", 32)
	var page strings.Builder
	page.WriteString("# Metrics\n\nOn `/metrics` of the admin listener, in Prometheus' format. Each metric of a service also has the label `service`. Metrics of the Kafka client begin with `parcours_kafka_` and are those of franz-go's kprom.\n")
	shared := newDescribed()
	client, err := stream.Connect(streamtest.Config(brokers), zap.NewNop(), shared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	shared.MustRegister(prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parcours_service_restarts_total", Help: "Starts of a service after an error."}, []string{"service"}))
	shared.MustRegister(prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parcours_admin_refused_total", Help: "Operators' requests without the admin token, by reason."}, []string{"reason"}))
	fmt.Fprintf(&page, "\n## Every service\n\n%s", shared.table())
	fmt.Fprintf(&page, "\n## parcours up\n\n| metric | labels | what |\n| --- | --- | --- |\n| `parcours_engine_restarts_total` |  | Starts of the embedded ClickHouse engine after it died. |\n")

	collectorConfig := collector.DefaultConfig()
	collectorConfig.Listen = "127.0.0.1:0"
	for _, s := range []struct {
		name string
		run  service.Run
	}{
		{"collector", func(ctx context.Context, p service.Platform) error { return collector.Run(ctx, collectorConfig, p) }},
		{"identity", func(ctx context.Context, p service.Platform) error {
			return identity.Run(ctx, identity.DefaultConfig(), p)
		}},
		{"enricher", func(ctx context.Context, p service.Platform) error {
			return enricher.Run(ctx, enricher.DefaultConfig(), p)
		}},
		{"sink", func(ctx context.Context, p service.Platform) error { return sink.Run(ctx, sink.DefaultConfig(), p) }},
	} {
		own := newDescribed()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		ended := make(chan error, 1)
		go func() {
			ended <- s.run(ctx, service.Platform{
				Workspace: ws, Identifiers: identifier.DefaultConfig(), Kafka: client, Registry: registrytest.Client(t),
				Log: zap.NewNop(), Metrics: own, Ready: service.NewReadiness(),
			})
		}()
		select {
		case <-own.any:
		case <-ctx.Done():
			t.Fatalf("%s registers no metrics", s.name)
		}
		cancel()
		// Stopped while it starts, it may say so; what it registered is all that counts here.
		if err := <-ended; err != nil {
			t.Logf("%s ended with %v", s.name, err)
		}
		if s.name == "sink" {
			// Stopped before ClickHouse answered, it has not come as far as its index.
			index, err := dedup.Open(dedup.Config{Dir: t.TempDir(), Window: sink.DefaultConfig().DuplicateWindow, CacheBytes: 1 << 20}, nil, zap.NewNop(), own)
			if err != nil {
				t.Fatal(err)
			}
			if err := index.Close(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s", s.name, own.table())
	}
	path := "../../docs/reference/metrics.md"
	if *rewrite {
		if err := os.WriteFile(path, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), page.String()); diff != "" {
		t.Errorf("docs/reference/metrics.md is out of date: go test ./cmd/parcours -rewrite\n%s", diff)
	}
}
