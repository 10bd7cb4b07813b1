package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher"
)

const (
	enricherEvents = 60_000
	// enricherSuffix is what the enricher adds to the bytes of such an event, so that the limit loop writes as much.
	enricherSuffix = 280
)

// BenchmarkEnricher runs the stage on a broker in memory, between two runs of its limit loop: the same consume and produce with franz-go, and a
// copy of the bytes in between. Rounds are interleaved, because the machine's speed drifts. The CPU time is that of the process, broker
// included; the difference between the two is what enriching costs.
func BenchmarkEnricher(b *testing.B) {
	agents := enricherAgents(b)
	for b.Loop() {
		for _, round := range []struct {
			name string
			cold bool
			run  func(context.Context, service.Platform) error
		}{
			{"limit", false, enricherLimit},
			{"warm", false, enricherRun},
			{"cold", true, enricherRun},
			{"limit", false, enricherLimit},
		} {
			rate, cpu := enricherRound(b, agents, round.cold, round.run)
			b.Logf("%-5s %7.0f events/s  %5.1f us of CPU an event", round.name, rate, cpu)
			b.ReportMetric(rate, round.name+"_events/s")
			b.ReportMetric(cpu, round.name+"_cpu_us/event")
		}
	}
	b.ReportMetric(0, "ns/op")
}

func enricherAgents(b *testing.B) []string {
	b.Helper()
	file, err := os.Open("../services/enricher/useragent/testdata/agents.txt")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	var all []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if agent, ok := strings.CutPrefix(lines.Text(), "ua: "); ok {
			all = append(all, agent)
		}
	}
	return all
}

func enricherRun(ctx context.Context, p service.Platform) error {
	return enricher.Run(ctx, enricher.DefaultConfig(), p)
}

// enricherLimit does what no enricher can do without: read, copy, write, commit.
func enricherLimit(ctx context.Context, p service.Platform) error {
	cfg := enricher.DefaultConfig()
	suffix := make([]byte, enricherSuffix)
	var buffer []byte
	return p.Kafka.Consume(ctx, stream.Consumer{
		Group: enricher.Group, Topics: []string{stream.Identified},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, func(ctx context.Context, batch []stream.Range) error {
		buffer = buffer[:0]
		var outputs []*stream.Record
		for _, part := range batch {
			for _, record := range part.Records {
				from := len(buffer)
				buffer = append(append(buffer, record.Value...), suffix...)
				outputs = append(outputs, &stream.Record{
					Topic: stream.Enriched, Key: record.Key, Headers: record.Headers, Value: buffer[from:len(buffer):len(buffer)],
				})
			}
		}
		return p.Kafka.Produce(ctx, outputs...)
	})
}

// enricherRound fills a new broker and lets run drain it. The clocks start when the first tenth is through, after the start of the service.
func enricherRound(b *testing.B, agents []string, cold bool, run func(context.Context, service.Platform) error) (rate, cpu float64) {
	b.Helper()
	kafkaConfig := streamtest.Config(streamtest.Broker(b))
	kafka, err := stream.Connect(kafkaConfig, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Close()
	registryConfig := registry.DefaultConfig()
	registryConfig.URL = registrytest.Serve(b)
	reg, err := registry.New(registryConfig, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	p := service.Platform{
		Workspace: workspace.DefaultConfig(), Kafka: kafka, Registry: reg,
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: service.NewReadiness(),
	}
	enricherFill(b, p, agents, cold)

	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, p) }()
	from := enricherWait(b, kafka, enricherEvents/10)
	began, spent := time.Now(), enricherCPU(b)
	count := enricherWait(b, kafka, enricherEvents) - from
	took, used := time.Since(began), enricherCPU(b)-spent
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return float64(count) / took.Seconds(), float64(used.Microseconds()) / float64(count)
}

func enricherFill(b *testing.B, p service.Platform, agents []string, cold bool) {
	b.Helper()
	if err := p.Kafka.EnsureTopics(b.Context(), stream.Identified, stream.Enriched, stream.Rejected); err != nil {
		b.Fatal(err)
	}
	id, err := p.Registry.Register(b.Context(), stream.Identified, schemas.IdentifiedTouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	from := []string{"", "https://www.google.fr/", "https://www.maison-exemple.fr/panier", "https://l.instagram.com/", "https://www.marmiton.org/recettes/1"}
	event := schemas.IdentifiedTouchpoint{Touchpoint: *orderCompleted(), AnchorType: "user_id"}
	var records []*stream.Record
	for i := range enricherEvents {
		event.Context.UserAgent = agents[i%len(agents)]
		if cold {
			event.Context.UserAgent += fmt.Sprintf(" Run/%d", i)
		}
		event.Context.Page.Referrer = from[i%len(from)]
		records = append(records, &stream.Record{
			Topic: stream.Identified, Key: fmt.Appendf(nil, "visitor-%d", i%5000), Value: event.AppendAvro(schemas.AppendHeader(nil, id)),
		})
		if len(records) == 5000 {
			if err := p.Kafka.Produce(b.Context(), records...); err != nil {
				b.Fatal(err)
			}
			records = nil
		}
	}
}

// enricherWait returns the number of events written once there are that many.
func enricherWait(b *testing.B, kafka *stream.Client, count int64) int64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ends, err := kafka.EndOffsets(ctx, stream.Enriched)
		if err != nil {
			b.Fatal(err)
		}
		var sum int64
		for _, end := range ends {
			sum += end
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

func enricherCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
