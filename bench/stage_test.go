package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
)

// A stage reads one topic and writes another. Its benchmark fills a broker in memory and lets the stage drain it.
type stage struct {
	in, out string
	events  int
	fill    func(b *testing.B, p service.Platform)
	run     func(ctx context.Context, p service.Platform) error
}

// result of a round: events per second, and CPU microseconds and allocations an event, broker and client included.
type result struct{ rate, cpu, allocations float64 }

// report prints a round and gives it to the benchmark.
func (r result) report(b *testing.B, name string) {
	b.Helper()
	b.Logf("%-13s %7.0f events/s  %5.1f us of CPU  %5.1f allocations an event", name, r.rate, r.cpu, r.allocations)
	b.ReportMetric(r.rate, name+"_events/s")
	b.ReportMetric(r.cpu, name+"_cpu_us/event")
	b.ReportMetric(r.allocations, name+"_allocs/event")
}

// round fills a new broker and lets the stage drain it. The clocks start when the first tenth
// is through, after the start of the service.
func (s stage) round(b *testing.B) result {
	b.Helper()
	p := newPlatform(b)
	kafka := p.Kafka
	if err := kafka.EnsureTopics(b.Context(), s.in, s.out, stream.Rejected); err != nil {
		b.Fatal(err)
	}
	s.fill(b, p)

	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, p) }()
	from := s.wait(b, kafka, s.events/10)
	began, before := time.Now(), spentSoFar(b)
	count := s.wait(b, kafka, s.events) - from
	took := time.Since(began)
	cpu, allocations := before.since(b, float64(count))
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return result{float64(count) / took.Seconds(), cpu, allocations}
}

// newPlatform is a broker in memory and all that a service needs beside it.
func newPlatform(b *testing.B) service.Platform {
	b.Helper()
	p, _ := newTarget(b)
	return p
}

// newTarget is a platform, and its address as the simulator takes it.
func newTarget(b *testing.B) (service.Platform, string) {
	b.Helper()
	brokers := streamtest.Broker(b)
	kafkaConfig := streamtest.Config(brokers)
	kafka, err := stream.Connect(kafkaConfig, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(kafka.Close)
	registryConfig := registry.DefaultConfig()
	registryConfig.URL = registrytest.Serve(b)
	reg, err := registry.New(registryConfig, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("ab", 32)
	return service.Platform{
		Workspace: ws, Identifiers: identifier.DefaultConfig(), Kafka: kafka, Registry: reg,
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: service.NewReadiness(),
	}, "kafka://" + strings.Join(brokers, ",") + "?registry=" + registryConfig.URL
}

// limit does what no stage can do without: read, copy with a suffix, write, commit.
func (s stage) limit(consumer stream.Consumer, suffix int) func(ctx context.Context, p service.Platform) error {
	return func(ctx context.Context, p service.Platform) error {
		added := make([]byte, suffix)
		var buffer []byte
		return p.Kafka.Consume(ctx, consumer, func(ctx context.Context, batch []stream.Range) error {
			buffer = buffer[:0]
			var outputs []*stream.Record
			for _, part := range batch {
				for _, record := range part.Records {
					from := len(buffer)
					buffer = append(append(buffer, record.Value...), added...)
					outputs = append(outputs, &stream.Record{
						Topic: s.out, Key: record.Key, Headers: record.Headers, Value: buffer[from:len(buffer):len(buffer)],
					})
				}
			}
			return p.Kafka.Produce(ctx, outputs...)
		})
	}
}

// wait returns the number of events written once there are that many.
func (s stage) wait(b *testing.B, kafka *stream.Client, count int) int {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ends, err := kafka.EndOffsets(ctx, s.out)
		if err != nil {
			b.Fatal(err)
		}
		sum := 0
		for _, end := range ends {
			sum += int(end)
		}
		if sum >= count {
			return sum
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatalf("%d events are through, want %d", sum, count)
		}
	}
}
