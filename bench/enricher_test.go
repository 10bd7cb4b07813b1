package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher"
)

const (
	enricherEvents = 60_000
	// enricherSuffix is what the enricher adds to the bytes of such an event, so that the limit loop writes as much.
	enricherSuffix = 280
)

// BenchmarkEnricher runs the stage between two runs of its limit loop. Rounds are interleaved, because the machine's
// speed drifts. The difference between the two is what enriching costs.
func BenchmarkEnricher(b *testing.B) {
	agents := enricherAgents(b)
	cfg := enricher.DefaultConfig()
	warm := stage{
		in: stream.Identified, out: stream.Enriched, events: enricherEvents,
		fill: func(b *testing.B, p service.Platform) { enricherFill(b, p, agents, false) },
		run:  func(ctx context.Context, p service.Platform) error { return enricher.Run(ctx, cfg, p) },
	}
	cold := warm
	cold.fill = func(b *testing.B, p service.Platform) { enricherFill(b, p, agents, true) }
	limit := warm
	limit.run = warm.limit(stream.Consumer{
		Group: enricher.Group, Topics: []string{stream.Identified},
		MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
	}, enricherSuffix)
	for b.Loop() {
		for _, round := range []struct {
			name string
			stage
		}{{"limit", limit}, {"warm", warm}, {"cold", cold}, {"limit", limit}} {
			round.round(b).report(b, round.name)
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

func enricherFill(b *testing.B, p service.Platform, agents []string, cold bool) {
	b.Helper()
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
