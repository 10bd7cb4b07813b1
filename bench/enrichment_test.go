package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/prometheus/client_golang/prometheus"
)

// enrichmentEvents is about how many events of a simulated retailer a pass has.
const enrichmentEvents = 120_000

// BenchmarkEnrichment sends a simulated retailer through identity, and then twice through the enricher with every link, reference data, consent
// and what is known of customers: the first pass finds its caches and its store empty, the second finds them full. The limit loop does the
// same without enriching, so the difference between the two is what enriching costs.
func BenchmarkEnrichment(b *testing.B) {
	needReference(b)
	cfg := enricher.DefaultConfig()
	cfg.Reference.Dirs = append(cfg.Reference.Dirs, referenceDirs...)
	cfg.Purposes.Profiling.Enabled, cfg.Purposes.Profiling.Consent = true, []string{"personalization"}
	shops := b.TempDir()
	writeShops(b, shops)
	cfg.Reference.Dirs = append(cfg.Reference.Dirs, shops)
	limit := stage{out: stream.Enriched}.limit(stream.Consumer{
		Group: enricher.Group, Topics: []string{stream.Identified},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, 2*enricherSuffix)
	for b.Loop() {
		for _, way := range []struct {
			name string
			run  func(ctx context.Context, p service.Platform) error
		}{
			{"limit", limit},
			{"all", func(ctx context.Context, p service.Platform) error {
				own := cfg
				own.DataDir = b.TempDir()
				return enricher.Run(ctx, own, p)
			}},
			{"provider_away", func(ctx context.Context, p service.Platform) error {
				own := cfg
				own.DataDir = b.TempDir()
				own.Providers = []provider.Config{brokenProvider(b)}
				return enricher.Run(ctx, own, p)
			}},
			{"all", func(ctx context.Context, p service.Platform) error {
				own := cfg
				own.DataDir = b.TempDir()
				return enricher.Run(ctx, own, p)
			}},
			{"limit", limit},
		} {
			cold, warm := twice(b, way.run)
			cold.report(b, way.name+"_cold")
			warm.report(b, way.name+"_warm")
		}
	}
	b.ReportMetric(0, "ns/op")
}

func needReference(b *testing.B) {
	b.Helper()
	for _, file := range []string{filepath.Join(referenceDirs[0], "communes.json"), filepath.Join(referenceDirs[1], "filosofi-2021-communes.csv")} {
		if _, err := os.Stat(file); err != nil {
			b.Skipf("reference data is not there (make data; the publishers' files in %s): %v", referenceDirs[1], err)
		}
	}
}

func writeShops(b *testing.B, dir string) {
	b.Helper()
	file, err := os.Create(filepath.Join(dir, "shops.csv"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if err := simulate.WriteShops(file); err != nil {
		b.Fatal(err)
	}
}

// twice drains the retailer's events, and the same events once more. Clocks start when a tenth of a pass is through.
func twice(b *testing.B, run func(ctx context.Context, p service.Platform) error) (cold, warm result) {
	b.Helper()
	p, events := identified(b)
	s := stage{out: stream.Enriched, events: len(events)}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, p) }()
	cold = s.pass(b, p.Kafka, 0)
	for from := 0; from < len(events); from += 5000 {
		if err := p.Kafka.Produce(b.Context(), events[from:min(from+5000, len(events))]...); err != nil {
			b.Fatal(err)
		}
	}
	warm = s.pass(b, p.Kafka, len(events))
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	outcomes(b, p.Metrics.(*prometheus.Registry))
	return cold, warm
}

// pass measures what follows the first so many events.
func (s stage) pass(b *testing.B, kafka *stream.Client, before int) result {
	b.Helper()
	from := s.wait(b, kafka, before+s.events/10)
	began, spent := time.Now(), spentSoFar(b)
	count := s.wait(b, kafka, before+s.events) - from
	took := time.Since(began)
	cpu, allocations := spent.since(b, float64(count))
	return result{float64(count) / took.Seconds(), cpu, allocations}
}

// identified is a platform whose identity service has seen the retailer, and the events that it wrote, as records to be written again.
func identified(b *testing.B) (service.Platform, []*stream.Record) {
	b.Helper()
	p, target := newTarget(b)
	simulation, err := simulate.New(simulate.Config{
		Seed: 1, Customers: simulate.CustomersFor(enrichmentEvents, 7), Days: 7, Events: enrichmentEvents, Trouble: 1,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Kafka.EnsureTopics(b.Context(), stream.Touchpoints, stream.Identified, stream.Enriched, stream.Rejected, stream.Evidence, stream.IdentityMap); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- identity.Run(ctx, identity.DefaultConfig(), p) }()
	if _, err := simulate.Send(ctx, simulation, simulate.Options{Target: target, Workspace: p.Workspace.Name, HashKey: p.Workspace.HashKey}); err != nil {
		b.Fatal(err)
	}
	drained(b, p.Kafka, identity.Group, stream.Touchpoints)
	drained(b, p.Kafka, identity.PublisherGroup(p.Workspace.Name), stream.Evidence)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	read := readAll(b, p.Kafka, stream.Identified)
	again := make([]*stream.Record, len(read))
	for i, record := range read {
		again[i] = &stream.Record{Topic: stream.Identified, Key: record.Key, Headers: record.Headers, Value: record.Value}
	}
	p.Metrics = prometheus.NewRegistry() // Identity has left its own in the first.
	return p, again
}

// brokenProvider fails whatever it is asked, and is left alone after its third failure for longer than the benchmark takes.
func brokenProvider(b *testing.B) provider.Config {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	b.Cleanup(server.Close)
	return provider.Config{
		Name: "acme", URL: server.URL + "/people?email=${email_sha256}", Subject: "email", Purpose: "profiling", Licence: "none",
		Attributes: []provider.Attribute{{Name: "segment", Type: "string"}},
		Breaker:    provider.BreakerConfig{Failures: 3, OpenFor: time.Hour},
		Allow:      []string{"127.0.0.0/8"},
	}
}

// outcomes tells how many events each link wrote something on, so that nobody takes a chain that skips everything for a fast one.
func outcomes(b *testing.B, metrics *prometheus.Registry) {
	b.Helper()
	families, err := metrics.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "parcours_enricher_enrichments_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			var line []string
			for _, label := range m.GetLabel() {
				line = append(line, label.GetValue())
			}
			b.Logf("%9.0f %s", m.GetCounter().GetValue(), strings.Join(line, " "))
		}
	}
}
